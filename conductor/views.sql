-- :name issues
-- Issues, newest change first.
SELECT i.data, i.version, i.updated_at, i.created_at, c.instance, c.lease_until, c.step
FROM issues i LEFT JOIN claims c USING (stream)
WHERE ($1::text IS NULL OR lower(repository) = lower($1)) AND ($2::text IS NULL OR status = $2)
ORDER BY i.updated_hour DESC, i.updated_at DESC LIMIT $3

-- :name issue
-- One issue by its stream.
SELECT i.data, i.version, i.updated_at, i.created_at, c.instance, c.lease_until, c.step
FROM issues i LEFT JOIN claims c USING (stream) WHERE stream = $1

-- :name events_after
-- The log after a position with the issue each event is about.
SELECT position, e.stream, i.repository, i.number, type, e.data, actor, recorded_at
FROM events e LEFT JOIN issues i ON i.stream = e.stream
WHERE position > $1 ORDER BY position LIMIT $2

-- :name last_position
-- Where the log ends.
SELECT coalesce(max(position), 0) FROM events

-- :name timeline
-- Everything that happened to an issue, with the usage of its runs.
SELECT position, e.stream, $2::text AS repository, $3::int AS number, type, e.data, actor, recorded_at
FROM events e
WHERE e.stream = $1 OR (type = 'TOKEN_USAGE' AND e.data->>'issue' = $2 || '#' || $3)
ORDER BY position

-- :name costs
-- Tokens and dollars since some days by agent, and by model, repository or issue.
SELECT data->>'agent' AS agent,
       CASE $2 WHEN 'model' THEN data->>'model'
               WHEN 'repository' THEN regexp_replace(data->>'issue', '[#~].*', '')
               ELSE data->>'issue' END AS key,
       sum((data->>'input_tokens')::bigint)::bigint AS input_tokens,
       sum((data->>'output_tokens')::bigint)::bigint AS output_tokens,
       sum((data->>'cache_read_tokens')::bigint)::bigint AS cache_read_tokens,
       sum((data->>'cache_write_tokens')::bigint)::bigint AS cache_write_tokens,
       sum((data->>'usd')::numeric)::float8 AS usd
FROM events WHERE type = 'TOKEN_USAGE' AND recorded_at > now() - make_interval(days => $1)
GROUP BY 1, 2 ORDER BY usd DESC

-- :name quality
-- How merged work was scored since some days, by who wrote it and by criterion.
SELECT data->>'author' AS agent, score.key AS criterion, avg(score.value::float8) AS mean, count(*)::int AS judged
FROM events CROSS JOIN LATERAL jsonb_each_text(data->'scores') AS score
WHERE type = 'WORK_JUDGED' AND recorded_at > now() - make_interval(days => $1)
GROUP BY 1, 2 ORDER BY 1, 2
