-- :name begun
-- The newest runs, of all or of one agent ($1).
SELECT position, stream, version, type, data, recorded_at FROM (
    (SELECT * FROM events WHERE type = 'ISSUE_ASSIGNED' AND ($1::text IS NULL OR data->>'agent' = $1)
     ORDER BY position DESC LIMIT $2)
    UNION ALL
    (SELECT * FROM events WHERE type = 'REVIEW_ASSIGNED' AND ($1::text IS NULL OR data->>'agent' = $1)
     ORDER BY position DESC LIMIT $2)
    UNION ALL
    (SELECT * FROM events WHERE type = 'CHORE_ASSIGNED' AND ($1::text IS NULL OR data->>'agent' = $1)
     ORDER BY position DESC LIMIT $2)
) AS begun ORDER BY position DESC LIMIT $2

-- :name begun_on
-- The newest runs on one stream ($1), of all or of one agent ($2).
SELECT position, stream, version, type, data, recorded_at FROM events
WHERE stream = $1 AND type IN ('ISSUE_ASSIGNED', 'REVIEW_ASSIGNED', 'CHORE_ASSIGNED')
  AND ($2::text IS NULL OR data->>'agent' = $2)
ORDER BY version DESC LIMIT $3

-- :name stream_of
-- The stream of an issue by its name.
SELECT stream FROM issues WHERE lower(repository) = lower($1) AND number = $2

-- :name stream_of_chore
-- The stream of a chore by its handle.
SELECT 'chore-' || id FROM chores WHERE lower(repository) = lower($1) AND id = $2

-- :name course
-- What followed on their streams ($1) so many beginnings ($2), of the types that matter ($3), a few of each.
SELECT b.stream, b.version AS begun, e.type, e.data, e.recorded_at
FROM unnest($1::text[], $2::int[]) AS b(stream, version)
CROSS JOIN LATERAL (
    SELECT version, type, data, recorded_at FROM events
    WHERE stream = b.stream AND version > b.version AND type = ANY ($3::text[])
    ORDER BY version LIMIT 12
) AS e
ORDER BY b.stream, b.version, e.version

-- :name known
-- What there is to know of streams ($1) at so many beginnings ($2): the issue, or the chore, and its pull request.
SELECT b.stream, b.version AS begun, coalesce(i.repository || '#' || i.number, c.repository || '~' || c.id, '') AS issue,
       coalesce(c.issue, '') AS about, p.data AS pull,
       CASE WHEN c.id IS NULL THEN NULL WHEN c.state = 'held' THEN c.run ELSE '' END AS chore_run, c.heartbeat_at
FROM unnest($1::text[], $2::int[]) AS b(stream, version)
LEFT JOIN issues i ON i.stream = b.stream
LEFT JOIN chores c ON 'chore-' || c.id = b.stream
LEFT JOIN LATERAL (
    SELECT data FROM events WHERE stream = b.stream AND type = 'PR_CREATED' AND version < b.version
    ORDER BY version DESC LIMIT 1
) AS p ON true

-- :name used
-- What runs ($1) used, as their own agents said.
SELECT data->>'run' AS run, data->>'agent' AS agent, sum(coalesce((data->>'turns')::bigint, 1))::bigint AS turns,
       sum((data->>'input_tokens')::bigint)::bigint AS input_tokens,
       sum((data->>'output_tokens')::bigint)::bigint AS output_tokens,
       sum((data->>'cache_read_tokens')::bigint)::bigint AS cache_read_tokens,
       sum((data->>'cache_write_tokens')::bigint)::bigint AS cache_write_tokens,
       sum((data->>'usd')::numeric) AS usd, array_agg(DISTINCT data->>'model') AS models
FROM events WHERE stream = ANY ($1::text[]) AND type = 'TOKEN_USAGE'
GROUP BY 1, 2

-- :name steps
-- The steps of runs ($1), as their own agents said, in order.
SELECT run, agent, text, at FROM log_lines WHERE run = ANY ($1::text[]) AND step ORDER BY id
