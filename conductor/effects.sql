-- :name lease
-- Takes the first waiting effect of each lane that is due, so each lane works in order.
WITH first AS (
    SELECT DISTINCT ON (lane) id FROM effects WHERE state = 'waiting' ORDER BY lane, id
), due AS (
    SELECT e.id FROM effects e JOIN first USING (id)
    WHERE e.state = 'waiting' AND e.due_at <= now() AND (e.leased_until IS NULL OR e.leased_until < now())
    ORDER BY e.id LIMIT $1
    FOR UPDATE OF e SKIP LOCKED
)
UPDATE effects SET leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
FROM due WHERE effects.id = due.id
RETURNING effects.id, key, stream, kind, data, attempts

-- :name finish
-- Ends an effect, well or badly.
UPDATE effects SET state = $2, error = $3, done_at = now(), leased_until = NULL WHERE id = $1

-- :name postpone
-- Puts an effect off for some seconds.
UPDATE effects SET due_at = now() + make_interval(secs => $2), error = $3, leased_until = NULL WHERE id = $1

-- :name next_due
-- Seconds until some lane's first effect is due.
SELECT extract(epoch FROM min(greatest(due_at, coalesce(leased_until, due_at))) - now())::float8
FROM (
    SELECT DISTINCT ON (lane) due_at, leased_until FROM effects WHERE state = 'waiting' ORDER BY lane, id
) AS first

-- :name release
-- Ends every lease.
UPDATE effects SET leased_until = NULL WHERE leased_until IS NOT NULL
