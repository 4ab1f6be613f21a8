-- :name issues
-- Issues, newest change first.
SELECT i.data, i.version, i.updated_at, i.created_at, c.instance, c.lease_until, c.step
FROM issues i LEFT JOIN claims c USING (stream)
WHERE ($1::text IS NULL OR lower(repository) = lower($1)) AND ($2::text IS NULL OR status = $2)
ORDER BY i.updated_at DESC LIMIT $3

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

-- :name agents
-- Who was seen, and what they hold.
SELECT a.agent, a.instance, a.role, a.step, a.seen_at, i.repository, i.number, c.kind
FROM agents a
LEFT JOIN claims c ON c.agent = a.agent AND c.instance = a.instance
LEFT JOIN issues i ON i.stream = c.stream
ORDER BY a.seen_at DESC LIMIT 200

-- :name costs
-- Tokens and dollars since some days by agent, and by model, repository or issue.
SELECT data->>'agent' AS agent,
       CASE $2 WHEN 'model' THEN data->>'model'
               WHEN 'repository' THEN split_part(data->>'issue', '#', 1)
               ELSE data->>'issue' END AS key,
       sum((data->>'input_tokens')::bigint)::bigint AS input_tokens,
       sum((data->>'output_tokens')::bigint)::bigint AS output_tokens,
       sum((data->>'cache_read_tokens')::bigint)::bigint AS cache_read_tokens,
       sum((data->>'cache_write_tokens')::bigint)::bigint AS cache_write_tokens,
       sum((data->>'usd')::numeric)::float8 AS usd
FROM events WHERE type = 'TOKEN_USAGE' AND recorded_at > now() - make_interval(days => $1)
GROUP BY 1, 2 ORDER BY usd DESC

-- :name write_log
-- Keeps what an agent said, line by line.
INSERT INTO log_lines (agent, run, issue, text) SELECT $1, $2, $3, unnest($4::text[])

-- :name read_log
-- What was said after a line, about an issue, by an agent or in a run; without any, by everybody.
SELECT id, agent, run, issue, text, at FROM log_lines
WHERE id > $1 AND ($2::text IS NULL OR lower(issue) = lower($2)) AND ($3::text IS NULL OR agent = $3)
  AND ($4::text IS NULL OR run = $4)
ORDER BY id LIMIT $5

-- :name pauses
-- What is paused of that which an issue needs: with an offer ($3), any agent may be who would take it.
SELECT scope, by, reason, since FROM pauses
WHERE scope IN ('rig', lower($1), 'agent:' || lower($2)) OR ($3 AND scope LIKE 'agent:%')
ORDER BY since

-- :name in_work
-- How many issues of a repository are in work.
SELECT count(*)::int FROM issues WHERE in_work AND repository_id = $1

-- :name send_message
-- Keeps a message for its recipient.
INSERT INTO messages (sender, recipient, text) VALUES ($1, $2, $3) RETURNING id, sender, text, sent_at

-- :name read_messages
-- Marks a recipient's unread messages as read and returns them.
UPDATE messages SET read_at = now() WHERE recipient = $1 AND read_at IS NULL RETURNING id, sender, text, sent_at
