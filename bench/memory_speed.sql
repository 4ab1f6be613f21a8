-- :name model
SELECT memory.model($1, $2)

-- :name scope
-- The number of a repository, which is made if it is new.
WITH made AS (
    INSERT INTO memory.scopes (name) SELECT $1 WHERE NOT EXISTS (SELECT FROM memory.scopes WHERE name = $1)
    RETURNING id
)
SELECT id FROM made UNION ALL SELECT id FROM memory.scopes WHERE name = $1

-- :name unindex
-- Filling the index of neighbours row by row takes much longer than making it at the end.
SELECT indexdef AS again, format('DROP INDEX memory.%I', indexname) AS away FROM pg_indexes
WHERE schemaname = 'memory' AND indexname LIKE 'vectors_near_%'

-- :name memories
INSERT INTO memory.memories (scope_id, kind, content, content_hash, importance, written_by, role, trust, terms, model_id)
SELECT place, 1, said, sha256(said::bytea), 3, 'bench', 'person', 'high', '{}', $3
FROM unnest($1::text[], $2::int[]) AS given (said, place) RETURNING id

-- :name count
-- The counts that writing keeps.
WITH counted AS (
    INSERT INTO memory.term_df (term, scope_id, df)
    SELECT term, scope_id, count(*) FROM memory.postings GROUP BY term, scope_id
    ON CONFLICT (term, scope_id) DO UPDATE SET df = excluded.df
)
UPDATE memory.scopes SET documents = (SELECT count(*) FROM memory.memories WHERE scope_id = scopes.id)
