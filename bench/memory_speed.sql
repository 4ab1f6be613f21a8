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
-- Nothing is asked of all repositories here, and the index by neighbours takes minutes to fill.
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT indexname FROM pg_indexes WHERE schemaname = 'memory' AND indexname LIKE 'vectors_near_%' LOOP
        EXECUTE format('DROP INDEX memory.%I', name);
    END LOOP;
END $$

-- :name memories
INSERT INTO memory.memories (scope_id, kind, content, content_hash, importance, written_by, role, trust, terms, model_id)
SELECT place, 1, said, sha256(said::bytea), 3, 'bench', 'person', 'high', '{}', $3
FROM unnest($1::text[], $2::int[]) AS given (said, place) RETURNING id

-- :name postings
INSERT INTO memory.postings (scope_id, term, memory_id, weight, kind)
SELECT place, term, id, weight, 1
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::real[]) AS given (place, term, id, weight)

-- :name vectors
INSERT INTO memory.vectors (memory_id, model_id, part, scope_id, kind, embedding)
SELECT id, $4, 0, place, 1, said::halfvec
FROM unnest($1::bigint[], $2::int[], $3::text[]) AS given (id, place, said)

-- :name count
-- The counts that writing keeps.
WITH counted AS (
    INSERT INTO memory.term_df (term, scope_id, df)
    SELECT term, scope_id, count(*) FROM memory.postings GROUP BY term, scope_id
    ON CONFLICT (term, scope_id) DO UPDATE SET df = excluded.df
)
UPDATE memory.scopes SET documents = (SELECT count(*) FROM memory.memories WHERE scope_id = scopes.id)
