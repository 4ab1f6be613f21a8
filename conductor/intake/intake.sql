-- :name store_deliveries
-- Keeps deliveries; a repeated GUID is nothing new.
INSERT INTO deliveries (guid, event, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
ON CONFLICT (guid) DO NOTHING RETURNING guid

-- :name lease_deliveries
-- Takes deliveries to translate, oldest first.
WITH due AS (
    SELECT guid FROM deliveries WHERE state = 'waiting' AND due_at <= now()
    ORDER BY received_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries SET due_at = now() + interval '60 seconds', attempts = attempts + 1
FROM due WHERE deliveries.guid = due.guid
RETURNING deliveries.guid, event, payload, attempts, received_at

-- :name finish_deliveries
-- Notes what became of deliveries.
UPDATE deliveries SET state = ended.state, outcome = ended.words
FROM unnest($1::text[], $2::text[], $3::text[]) AS ended(guid, state, words) WHERE deliveries.guid = ended.guid

-- :name postpone_deliveries
-- Translates deliveries later.
UPDATE deliveries SET due_at = now() + make_interval(secs => later.seconds), outcome = later.words
FROM unnest($1::text[], $2::float8[], $3::text[]) AS later(guid, seconds, words) WHERE deliveries.guid = later.guid

-- :name release_deliveries
-- Has everything that waits translated now.
UPDATE deliveries SET due_at = now() WHERE state = 'waiting' AND due_at > now()

-- :name replay_deliveries
-- Has stored deliveries translated again, all or those that came since then; how many.
WITH again AS (
    UPDATE deliveries SET state = 'waiting', attempts = 0, due_at = now(), outcome = NULL
    WHERE ($1::timestamptz IS NULL OR received_at >= $1) AND (state <> 'waiting' OR due_at > now())
    RETURNING 1
)
SELECT count(*) FROM again

-- :name by_pull
-- The issue that a pull request belongs to: the one that has it, or whose branch it is.
SELECT stream FROM issues
WHERE repository_id = $1 AND (pull_number = $2 OR (pull_number IS NULL AND data->>'branch' = $3))
ORDER BY pull_number NULLS LAST LIMIT 1

-- :name by_name
-- The issue that a repository's name and a number mean; the newest where the name was given twice.
SELECT stream FROM issues WHERE lower(repository) = lower($1) AND number = $2
ORDER BY updated_at DESC LIMIT 1

-- :name by_pull_number
-- The issue that has a pull request.
SELECT stream FROM issues WHERE lower(repository) = lower($1) AND pull_number = $2
ORDER BY updated_at DESC LIMIT 1

-- :name by_head
-- Pull requests at a commit.
SELECT pull_number FROM issues
WHERE lower(repository) = lower($1) AND pull_head = $2 AND status NOT IN ('done', 'cancelled')

-- :name by_base
-- Open pull requests against a branch or from it.
SELECT pull_number FROM issues
WHERE lower(repository) = lower($1) AND $2 IN (base, data->>'branch') AND pull_number IS NOT NULL
  AND status NOT IN ('done', 'cancelled')

-- :name deploying
-- Merged issues that are not done yet.
SELECT stream FROM issues
WHERE lower(repository) = lower($1) AND status IN ('deploying', 'escalated')
  AND jsonb_array_length(coalesce(data->'deploys', '[]')) > 0

-- :name active
-- Issues of a repository that are not over.
SELECT number, pull_number, data->>'branch' AS branch, data->>'merged' AS merged FROM issues
WHERE lower(repository) = lower($1) AND status NOT IN ('done', 'cancelled')

-- :name ask_again
-- Notes which of these deliveries, never stored and not asked for within the hour, are asked for again now.
INSERT INTO redeliveries (guid)
SELECT guid FROM unnest($1::text[]) AS lost(guid)
WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.guid = lost.guid)
  AND NOT EXISTS (
      SELECT 1 FROM redeliveries r WHERE r.guid = lost.guid AND r.asked_at > now() - interval '1 hour'
  )
GROUP BY guid LIMIT $2
ON CONFLICT (guid) DO UPDATE SET asked_at = now() WHERE redeliveries.asked_at <= now() - interval '1 hour'
RETURNING guid
