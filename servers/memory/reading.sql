-- :name weigh_terms
-- In how many memories of the scopes each term stands, and how many memories they have.
SELECT (SELECT coalesce(sum(documents), 0)::int FROM memory.scopes WHERE id = ANY ($2::int[])) AS documents,
       coalesce(array_agg(term), '{}') AS terms, coalesce(array_agg(df), '{}') AS frequencies
FROM (
    SELECT term, sum(df)::int AS df FROM memory.term_df WHERE term = ANY ($1::int[]) AND scope_id = ANY ($2::int[])
    GROUP BY term HAVING sum(df) > 0
) AS counted

-- :name best_by_words
-- The memories that say most of what the terms ($2, with what each is worth in $3) ask for, and the worth of those terms
-- that they have.
SELECT memory_id, scope_id, sum(weight * gain) AS bm25, sum(gain) AS held
FROM unnest($2::int[], $3::real[]) AS asked (term, gain) CROSS JOIN LATERAL (
    SELECT memory_id, scope_id, weight FROM memory.postings p
    WHERE p.scope_id = ANY ($1::int[]) AND p.term = asked.term AND ($4::smallint[] IS NULL OR kind = ANY ($4))
    OFFSET 0
) AS said
GROUP BY memory_id, scope_id ORDER BY bm25 DESC, memory_id DESC LIMIT $5

-- :name candidates
-- What was found by words ($1 to $4) together with what is near, each with both scores and what is known of it. Terms
-- that were not counted yet are looked up only for these: all for what is only near, those that were not to choose
-- ($7) for the others.
WITH words AS (
    SELECT memory_id, bm25, held FROM unnest($1::bigint[], $3::float8[], $4::float8[]) AS words (memory_id, bm25, held)
)
SELECT m.id, m.importance, m.hits, m.misled, found.cosine,
       coalesce(words.bm25, 0) + coalesce(more.bm25, 0) AS bm25, coalesce(words.held, 0) + coalesce(more.held, 0) AS held
FROM memory.near($8, $9, $10, $11, $1, $2) AS found
JOIN memory.memories m ON m.scope_id = found.scope_id AND m.id = found.memory_id
LEFT JOIN words ON words.memory_id = found.memory_id
LEFT JOIN LATERAL (
    SELECT sum(p.weight * asked.gain) AS bm25, sum(asked.gain) AS held
    FROM unnest($5::int[], $6::real[], $7::bool[]) AS asked (term, gain, chose)
    JOIN memory.postings p ON p.scope_id = found.scope_id AND p.term = asked.term AND p.memory_id = found.memory_id
    WHERE words.memory_id IS NULL OR NOT asked.chose
) AS more ON true
WHERE m.indexed AND (m.expires_at IS NULL OR m.expires_at > now())

-- :name memories
-- Memories by their numbers.
SELECT m.id, s.name AS repo, m.kind, m.content, m.importance, m.tags, m.issue, m.source, m.written_by, m.role,
       m.written_at, m.trust, m.warnings, m.hits, m.misled, m.expires_at, m.superseded_by, m.retired_at, m.retired_by,
       m.retired_why, m.promoted_url, o.name AS model, o.dimension,
       ARRAY(SELECT id FROM memory.memories old WHERE old.superseded_by = m.id ORDER BY id) AS supersedes
FROM memory.memories m JOIN memory.scopes s ON s.id = m.scope_id LEFT JOIN memory.models o ON o.id = m.model_id
WHERE m.id = ANY ($1::bigint[])

-- :name recent
-- The newest memories of the scopes.
SELECT id FROM memory.memories
WHERE indexed AND scope_id = ANY ($1::int[]) AND kind = ANY ($2::smallint[]) AND (expires_at IS NULL OR expires_at > now())
ORDER BY written_at DESC, id DESC LIMIT $3

-- :name leading
-- The memories that every run in the scopes starts with: most important, not suspicious, the repository's own first.
SELECT id FROM memory.memories
WHERE indexed AND importance = 5 AND trust <> 'low' AND scope_id = ANY ($1::int[])
      AND (expires_at IS NULL OR expires_at > now())
ORDER BY (scope_id <> 0) DESC, trust = 'high' DESC, hits - 2 * misled DESC, written_at DESC LIMIT $2

-- :name ripe
-- Memories that have proved themselves often enough to become a document.
SELECT id FROM memory.memories
WHERE indexed AND promoted_at IS NULL AND importance >= $2 AND hits >= $3 AND hits > 2 * misled AND trust <> 'low'
      AND scope_id = ANY ($1::int[]) AND (expires_at IS NULL OR expires_at > now())
ORDER BY hits DESC, id LIMIT $4

-- :name grave
-- What is known of a memory that was forgotten.
SELECT forgotten_by, why, forgotten_at FROM memory.forgotten WHERE id = $1

-- :name newest
-- The newest memories of a scope, as far as it matters which of two alike ones stays.
SELECT id, hits, importance, trust, terms, content, warnings FROM memory.memories
WHERE indexed AND scope_id = $1 AND (expires_at IS NULL OR expires_at > now())
ORDER BY written_at DESC, id DESC LIMIT $2

-- :name alike_in_meaning
-- Pairs of memories whose first parts mean nearly the same, by whatever model both have.
SELECT a.memory_id AS one, b.memory_id AS other, max(1 - (a.embedding <=> b.embedding)) AS cosine
FROM memory.vectors a
JOIN memory.vectors b ON b.model_id = a.model_id AND b.part = 0 AND b.memory_id > a.memory_id
                         AND b.memory_id = ANY ($1::bigint[])
WHERE a.part = 0 AND a.memory_id = ANY ($1::bigint[]) AND 1 - (a.embedding <=> b.embedding) >= $2
GROUP BY a.memory_id, b.memory_id
