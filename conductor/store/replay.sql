-- :name issue_events
-- Every issue's events up to a time and after a position, in the order of the log.
SELECT position, stream, version, type, data::text FROM events
WHERE position > $2 AND stream LIKE 'issue-%' AND ($1::timestamptz IS NULL OR recorded_at <= $1) ORDER BY position

-- :name projected
-- The projection as it stands.
SELECT stream, version, data FROM issues ORDER BY stream

-- :name lock_rebuild
-- Of several processes that start together one builds the projection.
SELECT pg_advisory_xact_lock(7237004)

-- :name stage
-- A place beside the projection for the new one.
CREATE TEMP TABLE staged (LIKE issues, PRIMARY KEY (stream)) ON COMMIT DROP

-- :name stage_issues
-- Writes rows of the new projection.
INSERT INTO staged SELECT (jsonb_populate_recordset(NULL::issues, $1::jsonb)).*

-- :name unstage
-- Removes rows that are about to be written newer.
DELETE FROM staged WHERE stream = ANY ($1)

-- :name set_ages
-- Issues are as old as their first event, by which work is picked, and were last changed by their newest; offers are
-- taken to be as old as the change.
UPDATE staged SET created_at = first.recorded_at, updated_at = newest.recorded_at,
    offered_at = CASE WHEN offer_kind IS NOT NULL THEN newest.recorded_at END
FROM events AS first, events AS newest
WHERE first.stream = staged.stream AND first.version = 1
    AND newest.stream = staged.stream AND newest.version = staged.version

-- :name swap
-- The new projection takes the old one's place.
DELETE FROM issues; INSERT INTO issues SELECT * FROM staged

-- :name projection_number
-- Which code wrote the projection.
SELECT number FROM projections WHERE name = 'issues'

-- :name set_projection_number
-- Notes which code wrote the projection.
INSERT INTO projections (name, number) VALUES ('issues', $1)
ON CONFLICT (name) DO UPDATE SET number = excluded.number
