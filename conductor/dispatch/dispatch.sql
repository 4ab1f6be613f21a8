-- :name heartbeat
-- Renews a lease; nothing is returned where the claim is over. Says too whether it is in the way of critical work.
UPDATE claims SET heartbeat_at = now(), lease_until = now() + make_interval(secs => $6), step = $7,
                  step_at = CASE WHEN step = $7 THEN step_at ELSE now() END
WHERE stream = $1 AND fence = $2 AND agent = $3 AND instance = $4 AND boot = $5 AND lease_until > '-infinity'
RETURNING lease_until, kind, (SELECT p.scope || ' is paused by ' || p.by || CASE WHEN p.reason = '' THEN '' ELSE ': ' || p.reason END
                              FROM pauses p JOIN issues i ON i.stream = claims.stream
                              WHERE p.now AND p.scope IN ('rig', lower(i.repository), 'agent:' || lower(claims.agent))
                              ORDER BY p.scope LIMIT 1) AS halted,
           stopping_for, coalesce(stopping_since < now() - make_interval(secs => $8), false) AS overdue,
          (SELECT priority > 0 FROM issues WHERE issues.stream = claims.stream)
          AND EXISTS (SELECT 1 FROM offers WHERE role IN ('dev', 'review') AND priority = 0) AS urgent

-- :name halted
-- Why a person wants whoever works in a repository ($1), or an agent ($2), to stop now.
SELECT scope || ' is paused by ' || by || CASE WHEN reason = '' THEN '' ELSE ': ' || reason END FROM pauses
WHERE now AND scope IN ('rig', lower($1), 'agent:' || lower($2))
ORDER BY scope LIMIT 1

-- :name claim_of
-- Who holds an issue now.
SELECT fence, agent, instance, boot FROM claims WHERE stream = $1 AND lease_until > '-infinity'

-- :name lapsed
-- Shuts claims without a first heartbeat in time, or whose lease ended a grace period ago, against late
-- heartbeats: their end is recorded next. One that was shut before is found again.
UPDATE claims SET lease_until = '-infinity'
WHERE (heartbeat_at IS NULL AND claimed_at < now() - make_interval(secs => $1))
   OR lease_until < now() - make_interval(secs => $2)
RETURNING stream, fence, heartbeat_at IS NOT NULL AS started

-- :name seen
-- Notes that an agent lives.
INSERT INTO agents (agent, instance, role, step) VALUES ($1, $2, $3, $4)
ON CONFLICT (agent, instance) DO UPDATE SET seen_at = now(), role = excluded.role, step = excluded.step
RETURNING (xmax = 0) AS first

-- :name holders
-- Who has work in flight, and which claim that is; paused agents are left alone.
SELECT instance, string_agg(stream || ':' || fence, ' ' ORDER BY stream) AS claim FROM (
    SELECT agent, instance, stream, fence FROM claims
    UNION ALL SELECT agent, instance, 'chore-' || id, fence FROM chores WHERE state = 'held'
) AS held
WHERE 'agent:' || lower(agent) NOT IN (SELECT scope FROM pauses)
GROUP BY instance

-- :name find_issue
-- The stream of an issue that people name by repository and number; the newest where the name was given twice.
SELECT stream FROM issues WHERE lower(repository) = lower($1) AND number = $2
ORDER BY updated_at DESC LIMIT 1

-- :name is_paused
-- Whether a scope is paused.
SELECT EXISTS (SELECT 1 FROM pauses WHERE scope = $1)
