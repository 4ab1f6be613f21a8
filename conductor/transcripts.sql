-- :name keep_transcript
-- Replaces what was kept of a character's talk about some work, unless a later claim kept something since.
INSERT INTO transcripts (work, agent, provider, fence, content) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (work, agent, provider) DO UPDATE
SET fence = excluded.fence, content = excluded.content, kept_at = excluded.kept_at
WHERE transcripts.fence <= excluded.fence

-- :name transcript
-- What was kept of a character's talk about some work.
SELECT content FROM transcripts WHERE work = $1 AND agent = $2 AND provider = $3
