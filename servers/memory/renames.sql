-- :name is_called
-- Notes that a repository ($1) has the name of a scope ($2), and once had that of another ($3), which is its own unless
-- another repository has that name since.
UPDATE memory.scopes SET repository = $1
WHERE (id = $2 AND repository IS DISTINCT FROM $1) OR (lower(name) = lower($3) AND repository IS NULL AND id <> 0)

-- :name left_behind
-- The memories of a repository ($1) that stand in scopes of other names than today's ($2), for this transaction alone,
-- each with the one that says the same there.
SELECT m.id, m.scope_id, m.terms, m.indexed, same.id AS same
FROM memory.scopes s JOIN memory.memories m ON m.scope_id = s.id
LEFT JOIN memory.memories same ON same.scope_id = $2 AND same.content_hash = m.content_hash
WHERE s.repository = $1 AND s.id <> $2 ORDER BY m.id FOR UPDATE OF m

-- :name move
-- Brings memories from one scope into another, and lets the issues they come from go by its name.
WITH names AS (
    SELECT before.name AS before, now.name AS now FROM memory.scopes before, memory.scopes now
    WHERE before.id = $2 AND now.id = $3
), postings AS (
    UPDATE memory.postings SET scope_id = $3 WHERE scope_id = $2 AND memory_id = ANY ($1::bigint[])
), vectors AS (
    UPDATE memory.vectors SET scope_id = $3 WHERE memory_id = ANY ($1::bigint[])
)
UPDATE memory.memories SET scope_id = $3, issue = CASE
    WHEN starts_with(lower(issue), lower(before) || '#') THEN now || substr(issue, length(before) + 1) ELSE issue END
FROM names WHERE id = ANY ($1::bigint[])

-- :name move_graves
-- What was forgotten stays forgotten under the new name.
UPDATE memory.forgotten SET scope_id = $2
WHERE scope_id IN (SELECT id FROM memory.scopes WHERE repository = $1 AND id <> $2)
