-- :name scope_id
-- The number of a scope, if it has one.
SELECT id FROM memory.scopes WHERE lower(name) = lower($1)

-- :name make_scope
-- Several may make the same scope at once.
INSERT INTO memory.scopes (name) VALUES ($1) ON CONFLICT (lower(name)) DO NOTHING

-- :name scope_ids
-- Every scope.
SELECT id FROM memory.scopes

-- :name model_id
-- The number of a model; makes it and its index where they are new.
SELECT memory.model($1, $2)

-- :name was_forgotten
-- The last time that this content was forgotten in this scope by a person or the conductor.
SELECT id, forgotten_by, why FROM memory.forgotten
WHERE scope_id = $1 AND content_hash = $2 AND by_person ORDER BY forgotten_at DESC LIMIT 1

-- :name add_memory
-- The new memory's number, with what its terms say ($14, $16) and the meaning of its parts ($17); nothing where the scope
-- has this content already.
WITH added AS (
    INSERT INTO memory.memories (scope_id, kind, content, content_hash, importance, tags, issue, source, written_by, role,
                                 trust, warnings, expires_at, terms, model_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (scope_id, content_hash) DO NOTHING RETURNING id, scope_id, kind, model_id
), said AS (
    INSERT INTO memory.postings (scope_id, term, memory_id, weight, kind)
    SELECT scope_id, term, id, weight, kind FROM added, unnest($14::int[], $16::real[]) AS said (term, weight)
), meant AS (
    INSERT INTO memory.vectors (memory_id, model_id, part, scope_id, kind, embedding)
    SELECT id, model_id, part - 1, scope_id, kind, embedding
    FROM added, unnest($17::halfvec[]) WITH ORDINALITY AS meant (embedding, part)
)
SELECT id FROM added

-- :name same_content
-- The memory that has this content already.
SELECT id, trust, indexed, expires_at FROM memory.memories WHERE scope_id = $1 AND content_hash = $2 FOR UPDATE

-- :name heir
-- The memory that stands in the place of one, over all that superseded each other; itself where none does.
WITH RECURSIVE line AS (
    SELECT id, superseded_by FROM memory.memories WHERE id = $1
    UNION SELECT next.id, next.superseded_by FROM memory.memories next JOIN line ON next.id = line.superseded_by
)
SELECT id FROM line WHERE superseded_by IS NULL

-- :name add_postings
-- What its terms say about a memory.
INSERT INTO memory.postings (scope_id, term, memory_id, weight, kind)
SELECT $1, term, $2, weight, $3 FROM unnest($4::int[], $5::real[]) AS said (term, weight)

-- :name add_vectors
-- The meaning of each part of a memory; another process may have said the same.
INSERT INTO memory.vectors (memory_id, model_id, part, scope_id, kind, embedding)
SELECT $1, $2, part - 1, $3, $4, embedding FROM unnest($5::halfvec[]) WITH ORDINALITY AS said (embedding, part)
ON CONFLICT (memory_id, model_id, part) DO UPDATE SET embedding = excluded.embedding

-- :name count_terms
-- Adds to the document frequencies in the one order that everybody takes, so that no two wait for each other.
INSERT INTO memory.term_df (term, scope_id, df)
SELECT term, scope_id, change FROM unnest($1::int[], $2::int[], $3::int[]) AS counted (term, scope_id, change)
ORDER BY term, scope_id
ON CONFLICT (term, scope_id) DO UPDATE SET df = term_df.df + excluded.df

-- :name count_change
-- Adds to how many memories a scope has in its indexes, and notes under its next number which ones changed ($3). Numbers
-- are in the order of commits, for the scope's row is locked until then; the last 250 are remembered.
WITH next AS (
    UPDATE memory.scopes SET documents = documents + $2, changed = changed + 1 WHERE id = $1 RETURNING id, changed
), past AS (
    DELETE FROM memory.changes USING next WHERE scope_id = next.id AND number <= next.changed - 250
)
INSERT INTO memory.changes (scope_id, number, memory_id) SELECT id, changed, unnest($3::bigint[]) FROM next

-- :name hold_memory
-- A memory that is about to be changed, for this transaction alone.
SELECT m.id, m.scope_id, s.name AS repo, m.kind, m.content, m.content_hash, m.importance, m.tags, m.issue, m.source,
       m.written_by, m.role, m.trust, m.terms, m.indexed, m.superseded_by, m.expires_at, m.retired_at, m.hits, m.misled
FROM memory.memories m JOIN memory.scopes s ON s.id = m.scope_id WHERE m.id = $1 FOR UPDATE OF m

-- :name revive
-- Takes a memory into use again, whose time was over or that another one had superseded.
UPDATE memory.memories SET indexed = true, superseded_by = NULL, expires_at = $2, retired_at = NULL, retired_by = '',
       retired_why = '', terms = $3, model_id = $4
WHERE id = $1

-- :name retire
-- Takes a memory out of use, in favour of another one where there is one.
UPDATE memory.memories SET indexed = false, superseded_by = $2, retired_at = now(), retired_by = $3, retired_why = $4
WHERE id = $1

-- :name drop_postings
-- Its terms say nothing about a memory any more.
DELETE FROM memory.postings WHERE scope_id = $1 AND term = ANY ($2::int[]) AND memory_id = $3

-- :name drop_vectors
-- A memory is not found by its meaning any more.
DELETE FROM memory.vectors WHERE memory_id = $1

-- :name bury
-- Remembers that something was forgotten, not what.
INSERT INTO memory.forgotten (id, scope_id, content_hash, by_person, forgotten_by, why)
VALUES ($1, $2, $3, $4, $5, $6)

-- :name delete_memory
-- The content is gone.
DELETE FROM memory.memories WHERE id = $1

-- :name mark_use
-- One use per memory and issue; answers whether anything changed.
INSERT INTO memory.uses (memory_id, issue, used_by, outcome) VALUES ($1, $2, $3, $4)
ON CONFLICT (memory_id, issue) DO UPDATE SET outcome = excluded.outcome, used_by = excluded.used_by, used_at = now()
WHERE uses.outcome <> excluded.outcome
RETURNING true

-- :name count_uses
-- A memory's uses by their outcome.
UPDATE memory.memories m SET hits = u.hits, misled = u.misled
FROM (SELECT count(*) FILTER (WHERE outcome = 'helped') AS hits, count(*) FILTER (WHERE outcome = 'misled') AS misled
      FROM memory.uses WHERE memory_id = $1) u
WHERE m.id = $1 RETURNING m.hits, m.misled

-- :name pass_uses_on
-- What was useful in a duplicate counts for the memory that stays.
INSERT INTO memory.uses (memory_id, issue, used_by, outcome, used_at)
SELECT $2, issue, used_by, outcome, used_at FROM memory.uses WHERE memory_id = $1
ON CONFLICT (memory_id, issue) DO NOTHING

-- :name pass_marks_on
-- The memory that stays keeps the tags and the importance of the duplicate.
UPDATE memory.memories m SET importance = greatest(m.importance, d.importance),
       tags = (SELECT coalesce(jsonb_agg(DISTINCT tag), '[]') FROM jsonb_array_elements(m.tags || d.tags) AS all_tags (tag))
FROM memory.memories d WHERE d.id = $1 AND m.id = $2

-- :name write_outbox
-- A fact for the conductor, in the transaction in which it became one.
INSERT INTO memory.outbox (type, agent, data) SELECT type, agent, data
FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS facts (type, agent, data)

-- :name take_outbox
-- The oldest facts that nobody else is sending now.
SELECT id, request, type, agent, data FROM memory.outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED

-- :name sent
-- The conductor has them.
DELETE FROM memory.outbox WHERE id = ANY ($1::bigint[])

-- :name mark_promoted
-- Where a memory became a document; the first time counts.
UPDATE memory.memories SET promoted_url = $2, promoted_at = now() WHERE id = $1 AND promoted_at IS NULL
RETURNING id

-- :name is_forgotten
-- Whether a memory of this number was forgotten.
SELECT true FROM memory.forgotten WHERE id = $1
