-- :name issue_events
-- Every issue's events up to a time, in the order of the log.
SELECT stream, version, type, data FROM events
WHERE stream LIKE 'issue-%' AND ($1::timestamptz IS NULL OR recorded_at <= $1) ORDER BY position

-- :name projected
-- The projection as it stands.
SELECT stream, version, data FROM issues ORDER BY stream

-- :name clear
-- Empties the projection before it is written anew.
DELETE FROM issues
