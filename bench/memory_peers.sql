-- :name create
-- What full text search of PostgreSQL offers by itself.
CREATE TABLE peer (id bigint PRIMARY KEY, scope int NOT NULL, words tsvector NOT NULL);
CREATE INDEX peer_words ON peer USING gin (words);
CREATE INDEX peer_scope ON peer (scope);

-- :name fill
-- Texts under their numbers.
INSERT INTO peer SELECT id, scope, to_tsvector('english', said)
FROM unnest($1::bigint[], $2::int[], $3::text[]) AS given (id, scope, said)

-- :name all_words
-- What has every word of the question.
SELECT id FROM peer WHERE words @@ websearch_to_tsquery('english', $1) AND scope = ANY ($2::int[])
ORDER BY ts_rank_cd(words, websearch_to_tsquery('english', $1)) DESC, id LIMIT $3

-- :name any_word
-- What has any word of the question.
WITH asked AS (SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS words)
SELECT id FROM peer, asked WHERE peer.words @@ asked.words AND scope = ANY ($2::int[])
ORDER BY ts_rank(peer.words, asked.words) DESC, id LIMIT $3

-- :name any_word_anywhere
-- The same in all scopes.
WITH asked AS (SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS words)
SELECT id FROM peer, asked WHERE peer.words @@ asked.words
ORDER BY ts_rank(peer.words, asked.words) DESC, id LIMIT $2
