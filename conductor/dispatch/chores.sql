-- :name offer
-- Keeps a chore, once per key.
INSERT INTO chores (key, kind, agent, repository, issue, title, body, data, priority)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (key) DO NOTHING RETURNING id

-- :name held
-- What an instance holds already; its next process gets it under a new fence.
UPDATE chores SET fence = fence + (boot <> $3)::int, run = CASE WHEN boot = $3 THEN run ELSE $4 END, boot = $3,
                  claimed_at = CASE WHEN boot = $3 THEN claimed_at ELSE now() END,
                  heartbeat_at = CASE WHEN boot = $3 THEN heartbeat_at END,
                  lease_until = now() + make_interval(secs => $6)
WHERE agent = $1 AND instance = $2 AND state = 'held' AND kind = ANY ($5)
RETURNING *

-- :name take
-- Gives the most urgent, then oldest chore of an agent to an instance that holds none, unless something is paused.
UPDATE chores SET state = 'held', fence = fence + 1, instance = $2, boot = $3, run = $4, step = '',
                  claimed_at = now(), heartbeat_at = NULL, lease_until = now() + make_interval(secs => $6)
WHERE id = (
    SELECT id FROM chores AS c
    WHERE agent = $1 AND state = 'open' AND kind = ANY ($5)
      AND NOT EXISTS (SELECT FROM pauses WHERE scope IN (
          'rig', 'budget', lower(c.repository), 'agent:' || lower(c.agent), 'budget:' || lower(c.agent)
      ))
      AND ($7::text[] = '{}' OR NOT $7 <@ ARRAY(SELECT substr(scope, 10) FROM pauses WHERE scope LIKE 'provider:%'))
      AND NOT EXISTS (SELECT FROM chores WHERE agent = $1 AND instance = $2 AND state = 'held')
    ORDER BY priority, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING *

-- :name heartbeat
-- Renews a lease; nothing is returned where the claim is over.
UPDATE chores SET heartbeat_at = now(), lease_until = now() + make_interval(secs => $6), step = $7
WHERE id = $1 AND state = 'held' AND fence = $2 AND agent = $3 AND instance = $4 AND boot = $5
RETURNING lease_until

-- :name find
-- One chore.
SELECT * FROM chores WHERE id = $1

-- :name finish
-- Ends a claim: done, or given back with or without a strike; after $8 strikes nobody gets it again.
UPDATE chores SET state = CASE WHEN $6 = 'open' AND strikes + $9::int >= $8::int THEN 'failed' ELSE $6 END,
                  strikes = strikes + $9::int, outcome = $7, done_at = now()
WHERE id = $1 AND state = 'held' AND fence = $2 AND agent = $3 AND instance = $4 AND boot = $5
RETURNING *

-- :name lapse
-- Takes back what had no heartbeat in time; it costs a strike where one ever came.
UPDATE chores SET state = CASE WHEN heartbeat_at IS NOT NULL AND strikes + 1 >= $3::int THEN 'failed' ELSE 'open' END,
                  strikes = strikes + (heartbeat_at IS NOT NULL)::int, done_at = now(),
                  outcome = 'The lease ended: no heartbeat came.'
WHERE state = 'held' AND (
    (heartbeat_at IS NULL AND claimed_at < now() - make_interval(secs => $1))
    OR lease_until < now() - make_interval(secs => $2)
)
RETURNING *

-- :name mark_read
-- A question that became a chore is read.
UPDATE messages SET delivered_at = now(), read_at = now() WHERE id = $1

-- :name tell_asker
-- Tells whoever asked that nobody answers.
INSERT INTO messages (sender, sender_role, recipient, text) VALUES ('conductor', 'service', $1, $2)
