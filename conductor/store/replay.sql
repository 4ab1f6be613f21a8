-- :name lives
-- Every issue's events in order, up to a position and a time.
SELECT array_agg(type ORDER BY version), array_agg(data::text ORDER BY version), max(version),
       min(recorded_at), max(recorded_at)
FROM events
WHERE stream LIKE 'issue-%' AND ($1::bigint IS NULL OR position <= $1)
    AND ($2::timestamptz IS NULL OR recorded_at <= $2)
GROUP BY stream ORDER BY stream

-- :name lives_of
-- The same of some issues; as a condition of the query above it would be planned like that one.
SELECT array_agg(type ORDER BY version), array_agg(data::text ORDER BY version), max(version),
       min(recorded_at), max(recorded_at)
FROM events WHERE stream = ANY ($1)
GROUP BY stream ORDER BY stream

-- :name last
-- Where the log ends.
SELECT coalesce(max(position), 0) FROM events

-- :name changed
-- The issues that something happened to after a position.
SELECT coalesce(array_agg(DISTINCT stream), '{}') FROM events WHERE position > $1 AND stream LIKE 'issue-%'

-- :name projected
-- The projection as it stands.
SELECT stream, version, data FROM issues ORDER BY stream

-- :name lock_rebuild
-- Of several processes that start together one builds the projection.
SELECT pg_advisory_xact_lock(7237004)

-- :name stage
-- A place beside the projection for the new one.
CREATE TEMP TABLE staged (LIKE issues, offer jsonb, in_work boolean, PRIMARY KEY (stream)) ON COMMIT DROP;
ALTER TABLE staged ALTER updated_hour DROP NOT NULL, ALTER merging DROP NOT NULL

-- :name stage_issues
-- Writes rows of the new projection. Not `(f(…)).*`, which calls the function once for each column.
INSERT INTO staged SELECT * FROM jsonb_populate_recordset(NULL::staged, $1::jsonb)

-- :name unstage
-- Removes rows that are about to be written newer.
DELETE FROM staged WHERE stream = ANY ($1)

-- :name staged
-- How many rows there are.
SELECT count(*) FROM staged

-- :name swap
-- The new projection takes the old one's place.
DELETE FROM issues; DELETE FROM offers; DELETE FROM in_work;
INSERT INTO issues (
    stream, version, repository_id, repository, number, title, status, priority, base, pull_number, pull_head, holder,
    fence, attempt, created_at, updated_at, updated_hour, merging, waits_for, data
)
SELECT stream, version, repository_id, repository, number, title, status, priority, base, pull_number, pull_head, holder,
       fence, attempt, created_at, updated_at, date_trunc('hour', updated_at), status IN ('ready_to_merge', 'merging'),
       CASE WHEN status = 'blocked' THEN data->'blocked'->'by' END, data
FROM staged;
INSERT INTO offers SELECT o.* FROM staged CROSS JOIN LATERAL jsonb_populate_record(NULL::offers, offer) AS o
WHERE offer IS NOT NULL;
INSERT INTO in_work SELECT repository_id, stream FROM staged WHERE in_work

-- :name projection_number
-- Which code wrote the projection.
SELECT number FROM projections WHERE name = 'issues'

-- :name set_projection_number
-- Notes which code wrote the projection.
INSERT INTO projections (name, number) VALUES ('issues', $1)
ON CONFLICT (name) DO UPDATE SET number = excluded.number
