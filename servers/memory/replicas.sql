-- :name now
-- How far each scope is, which of its memories changed since it was as far as $2 says, and in how many of them each of
-- the terms $3 stands.
SELECT s.id, s.changed, s.documents, extract(epoch FROM now())::float8 AS now,
       ARRAY(SELECT c.memory_id FROM memory.changes c WHERE c.scope_id = s.id AND c.number > asked.number) AS touched,
       found.terms, found.frequencies
FROM unnest($1::int[], $2::bigint[]) AS asked (id, number) JOIN memory.scopes s ON s.id = asked.id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(term), '{}') AS terms, coalesce(array_agg(df), '{}') AS frequencies
    FROM memory.term_df WHERE term = ANY ($3::int[]) AND scope_id = s.id AND df > 0
) AS found

-- :name known
-- What the terms ($2, with what each is worth in $3) and a vector ($5, of the model $4) say about those of some memories
-- that are of the scopes and kinds asked for, and what is known of them.
SELECT m.id, m.importance, m.hits, m.misled, coalesce(said.bm25, 0) AS bm25, meant.cosine, coalesce(said.held, 0) AS held,
       lower(m.issue) AS issue
FROM memory.memories m
CROSS JOIN LATERAL (
    SELECT sum(p.weight * asked.gain) AS bm25, sum(asked.gain) AS held
    FROM unnest($2::int[], $3::real[]) AS asked (term, gain)
    JOIN memory.postings p ON p.scope_id = m.scope_id AND p.term = asked.term AND p.memory_id = m.id
) AS said
CROSS JOIN LATERAL (
    SELECT max(1 - (v.embedding <=> $5)) AS cosine FROM memory.vectors v WHERE v.memory_id = m.id AND v.model_id = $4
) AS meant
WHERE m.id = ANY ($1::bigint[]) AND m.indexed AND (m.expires_at IS NULL OR m.expires_at > now())
      AND m.scope_id = ANY ($6::int[]) AND ($7::smallint[] IS NULL OR m.kind = ANY ($7))

-- :name scope
-- How far a scope is, what is known of its memories, packed as `replica.MEMORY`, the issues that they come from, and how
-- much there is to read.
SELECT s.changed AS number, m.memories, m.issues, (SELECT count(*) FROM memory.postings WHERE scope_id = s.id) AS postings,
       (SELECT count(*) FROM memory.vectors WHERE scope_id = s.id AND model_id = $2) AS parts
FROM memory.scopes s CROSS JOIN LATERAL (
    SELECT coalesce(string_agg(
        int8send(id) || int2send(kind) || int2send(importance) || int4send(hits) || int4send(misled)
        || float8send(coalesce(extract(epoch FROM expires_at), 'infinity')::float8), '' ORDER BY id), '') AS memories,
        coalesce(array_agg(lower(issue) ORDER BY id), '{}') AS issues
    FROM memory.memories WHERE scope_id = s.id AND indexed
) AS m
WHERE s.id = $1

-- :name postings
-- Each term with what it says about which memories, packed as `replica.POSTING`.
SELECT term, string_agg(int8send(memory_id) || float4send(weight), '' ORDER BY memory_id) AS said
FROM memory.postings WHERE scope_id = $1 GROUP BY term ORDER BY term

-- :name vectors
-- What their parts mean by one model.
SELECT memory_id, embedding FROM memory.vectors WHERE scope_id = $1 AND model_id = $2 ORDER BY memory_id, part
