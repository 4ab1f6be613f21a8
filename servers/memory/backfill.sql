-- :name take_expired
-- Memories whose time is over and that nobody else takes out right now.
SELECT id, scope_id, terms, indexed FROM memory.memories
WHERE indexed AND expires_at <= now() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED

-- :name expire
-- Takes a memory out of use whose time is over.
UPDATE memory.memories SET indexed = false, retired_at = expires_at, retired_why = 'its time was over' WHERE id = $1

-- :name any_without_vectors
-- Whether a memory has no vectors at all.
SELECT EXISTS (SELECT FROM memory.memories WHERE indexed AND model_id IS NULL)

-- :name without_vectors
-- The next memories after $3 without vectors; where $2 is set, also those with vectors of another model than $1.
SELECT id, scope_id, kind, content FROM memory.memories
WHERE indexed AND (model_id IS NULL OR ($2 AND model_id <> $1)) AND id > $3 ORDER BY id LIMIT $4

-- :name hold
-- Whether a memory is still in use; it stays so until the end of the transaction.
SELECT true FROM memory.memories WHERE id = $1 AND indexed FOR UPDATE

-- :name set_model
-- Whose vectors a memory has.
UPDATE memory.memories SET model_id = $2 WHERE id = $1

-- :name count_left
-- How many memories have no vectors of a model; all where none is named.
SELECT count(*)::int FROM memory.memories WHERE indexed AND ($1::int IS NULL OR model_id IS DISTINCT FROM $1)
