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
-- Memories that have proved themselves often enough to become a document of their repository.
SELECT id FROM memory.memories
WHERE indexed AND promoted_at IS NULL AND importance >= $2 AND hits >= $3 AND hits > 2 * misled AND trust <> 'low'
      AND scope_id = ANY ($1::int[]) AND scope_id <> 0 AND (expires_at IS NULL OR expires_at > now())
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
