-- :name weigh_terms
-- In how many memories of the scopes each term stands.
SELECT term, sum(df)::int AS df FROM memory.term_df WHERE term = ANY ($1::int[]) AND scope_id = ANY ($2::int[])
GROUP BY term

-- :name count_scopes
-- How many memories the scopes have.
SELECT coalesce(sum(documents), 0)::int FROM memory.scopes WHERE id = ANY ($1::int[])

-- :name near_exactly
-- The memories nearest to a vector, by looking at each in the scopes.
SELECT memory_id, cosine FROM memory.nearest_in($1, $3, $2, $4, $5)

-- :name near_by_index
-- The memories nearest to a vector among all.
SELECT memory_id, cosine FROM memory.nearest($1, $2, $3, $4)

-- :name candidates
-- The best by their words together with those that are near, each with both scores and what is known of it.
-- Words that say little ($6, $7) are looked up only for these.
WITH scored AS MATERIALIZED (
    SELECT memory_id, sum(weight * ($3::real[])[array_position($2::int[], term)]) AS bm25
    FROM memory.postings
    WHERE scope_id = ANY ($1::int[]) AND term = ANY ($2::int[]) AND kind = ANY ($4::smallint[])
    GROUP BY memory_id
), near AS (
    SELECT memory_id, cosine FROM unnest($8::bigint[], $9::float8[]) AS near (memory_id, cosine)
), chosen AS (
    SELECT memory_id FROM (SELECT memory_id FROM scored ORDER BY bm25 DESC, memory_id DESC LIMIT $5) best
    UNION
    SELECT memory_id FROM near
)
SELECT m.id, m.importance, m.hits, m.misled, m.trust,
       (coalesce(scored.bm25, 0) + coalesce((
           SELECT sum(p.weight * little.gain)
           FROM unnest($6::int[], $7::real[]) AS little (term, gain)
           JOIN memory.postings p ON p.scope_id = m.scope_id AND p.term = little.term AND p.memory_id = m.id
       ), 0))::float8 AS bm25,
       coalesce(near.cosine, (
           SELECT max(1 - (v.embedding <=> $11::halfvec)) FROM memory.vectors v
           WHERE v.memory_id = m.id AND v.model_id = $10
       )) AS cosine
FROM chosen
JOIN memory.memories m ON m.id = chosen.memory_id
LEFT JOIN scored ON scored.memory_id = m.id
LEFT JOIN near ON near.memory_id = m.id
WHERE m.indexed AND (m.expires_at IS NULL OR m.expires_at > now())

-- :name terms_of
-- Which of the asked terms stand in each memory.
SELECT m.id, ARRAY(SELECT unnest(m.terms) INTERSECT SELECT unnest($2::int[])) AS terms
FROM memory.memories m WHERE m.id = ANY ($1::bigint[])

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
