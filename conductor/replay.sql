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

-- :name projection_number
-- Which code wrote the projection.
SELECT number FROM projections WHERE name = 'issues'

-- :name set_projection_number
-- Notes which code wrote the projection.
INSERT INTO projections (name, number) VALUES ('issues', $1)
ON CONFLICT (name) DO UPDATE SET number = excluded.number

-- :name set_ages
-- Issues are as old as their first event, by which work is picked, and were last changed by their newest.
UPDATE issues SET created_at = first.recorded_at, updated_at = newest.recorded_at
FROM events AS first, events AS newest
WHERE first.stream = issues.stream AND first.version = 1
    AND newest.stream = issues.stream AND newest.version = issues.version
