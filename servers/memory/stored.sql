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
SELECT m.id, m.importance, m.hits, m.misled, coalesce(words.bm25, 0) + coalesce(more.bm25, 0) AS bm25, found.cosine,
       coalesce(words.held, 0) + coalesce(more.held, 0) AS held, lower(m.issue) AS issue
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
