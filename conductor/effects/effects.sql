-- :name lease
-- Takes lanes whose next effect is due, the longest due first, each under a fence of its own.
WITH due AS (
    SELECT lane FROM lanes WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE lanes SET state = 'leased', due_at = now() + make_interval(secs => $2), fence = nextval('lane_fences'),
                 woken = false, behind = NULL
FROM due WHERE lanes.lane = due.lane
RETURNING lanes.lane, fence

-- :name take
-- The first waiting effect of each of these lanes.
UPDATE effects SET attempts = attempts + 1
FROM unnest($1::text[]) AS l(lane)
CROSS JOIN LATERAL (SELECT id FROM effects WHERE lane = l.lane AND state = 'waiting' ORDER BY id LIMIT 1) AS first
WHERE effects.id = first.id
RETURNING effects.id, key, stream, effects.lane, kind, data, attempts

-- :name drop_lanes
-- Forgets lanes without work.
DELETE FROM lanes WHERE lane = ANY ($1)

-- :name renew
-- Holds a lane for some seconds more; nothing where somebody else has it.
UPDATE lanes SET due_at = now() + make_interval(secs => $3) WHERE lane = $1 AND fence = $2 RETURNING lane

-- :name hold
-- Locks a lane for this transaction; nothing where somebody else has it.
SELECT lane FROM lanes WHERE lane = $1 AND fence = $2 FOR UPDATE

-- :name finish
-- Ends the effect $1 of the lane $2, well or badly; the lane's next one is due behind everybody who waits already.
WITH ended AS (
    UPDATE effects SET state = $3, error = $4, done_at = now() WHERE id = $1
), next AS (
    SELECT due_at FROM effects WHERE lane = $2 AND state = 'waiting' AND id <> $1 ORDER BY id LIMIT 1
), moved AS (
    UPDATE lanes SET state = 'due', due_at = greatest(now(), next.due_at) FROM next WHERE lane = $2
)
DELETE FROM lanes WHERE lane = $2 AND NOT EXISTS (SELECT 1 FROM next) RETURNING lane

-- :name postpone
-- Puts the effect $1 of the lane $2 off for some seconds; so far $5 attempts of it count.
WITH said AS (
    UPDATE effects SET error = $4, attempts = $5 WHERE id = $1
)
UPDATE lanes SET state = 'due', due_at = now() + make_interval(secs => $3) WHERE lane = $2

-- :name park
-- Has the effect $1 of the lane $2 wait until it is woken, or until the lane $5 is empty; at most so many seconds.
WITH said AS (
    UPDATE effects SET error = $4, attempts = 0, data = data || $6::jsonb WHERE id = $1
)
UPDATE lanes SET state = 'parked', behind = $5,
                 due_at = CASE WHEN woken THEN now() ELSE now() + make_interval(secs => $3) END
WHERE lane = $2

-- :name wake
-- Has the lane's first effect done now if it waits to be woken, and again if it is being done.
UPDATE lanes SET woken = true, due_at = CASE WHEN state = 'parked' THEN now() ELSE due_at END WHERE lane = $1

-- :name wake_behind
-- Goes on with the lanes that wait for this one, now that it is empty.
UPDATE lanes SET woken = true, due_at = CASE WHEN state = 'parked' THEN now() ELSE due_at END WHERE behind = $1

-- :name is_busy
-- Whether a lane has anything to do.
SELECT EXISTS (SELECT 1 FROM lanes WHERE lane = $1)

-- :name next_due
-- Seconds until some lane is due.
SELECT extract(epoch FROM min(due_at) - now())::float8 FROM lanes

-- :name release
-- Ends every lease.
UPDATE lanes SET due_at = now() WHERE state = 'leased'
