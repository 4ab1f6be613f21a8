-- :name lock
-- Room in the budgets is given to one run after the other.
SELECT pg_advisory_xact_lock(7237005)

-- :name holds
-- Whether somebody holds a claim just now, on an issue or a chore.
SELECT EXISTS (
    SELECT FROM claims WHERE (stream, fence, agent, instance, boot) = ($1, $2, $3, $4, $5) AND lease_until > '-infinity'
) OR EXISTS (
    SELECT FROM chores
    WHERE ('chore-' || id, fence, agent, instance, boot) = ($1, $2, $3, $4, $5) AND state = 'held'
)

-- :name forget
-- Drops what was set aside for claims that are over.
DELETE FROM reservations AS r
WHERE NOT EXISTS (SELECT FROM claims AS c WHERE (c.stream, c.fence) = (r.holder, r.fence))
  AND NOT EXISTS (SELECT FROM chores AS c WHERE ('chore-' || c.id, c.fence) = (r.holder, r.fence) AND c.state = 'held')

-- :name used
-- What was spent of each budget that a claim ($1, on $2) of the agent $3 has a share in, since the day began ($4) or a
-- person decided, and what is set aside there for other claims. Money is in millionths of a dollar.
WITH since AS (
    SELECT coalesce(max(occurred_at) FILTER (WHERE lower(data->>'scope') = 'budget'), '-infinity') AS rig,
           coalesce(max(occurred_at) FILTER (WHERE lower(data->>'scope') = 'budget:' || lower($3)), '-infinity') AS own,
           (SELECT coalesce(max(d.position), 0) FROM events AS d
            WHERE d.stream = $1 AND d.type IN ('ISSUE_APPROVED', 'ESCALATION_DECIDED')) AS issue
    FROM events WHERE type = 'RIG_RESUMED' AND data->>'by' <> 'conductor' AND occurred_at >= $4
), today AS (
    SELECT data->>'agent' = $3 AS own, occurred_at, (data->>'usd')::numeric AS usd,
           coalesce((data->>'turns')::bigint, 1) AS calls
    FROM events WHERE type = 'TOKEN_USAGE' AND occurred_at >= $4
), here AS (
    SELECT data->>'agent' = $3 AS own, (data->>'usd')::numeric AS usd, coalesce((data->>'turns')::bigint, 1) AS calls
    FROM events, since
    WHERE type = 'TOKEN_USAGE' AND lower(data->>'issue') = lower($2) AND position > since.issue
), spent AS (
    SELECT 'rig_day' AS scope, usd, calls FROM today, since WHERE occurred_at > since.rig
    UNION ALL SELECT 'agent_day', usd, calls FROM today, since WHERE today.own AND occurred_at > since.own
    UNION ALL SELECT 'issue', usd, calls FROM here
    UNION ALL SELECT 'agent_issue', usd, calls FROM here WHERE own
), others AS (
    SELECT 'rig_day' AS scope, money, calls FROM reservations WHERE holder <> $1
    UNION ALL SELECT 'agent_day', money, calls FROM reservations WHERE holder <> $1 AND agent = $3
)
SELECT scope,
       ceil(coalesce((SELECT sum(usd) FROM spent WHERE scope = s.scope), 0) * 1000000)::bigint AS spent,
       coalesce((SELECT sum(calls) FROM spent WHERE scope = s.scope), 0)::bigint AS calls,
       coalesce((SELECT sum(money) FROM others WHERE scope = s.scope), 0)::bigint AS reserved,
       coalesce((SELECT sum(calls) FROM others WHERE scope = s.scope), 0)::bigint AS reserved_calls
FROM unnest(ARRAY['issue', 'agent_issue', 'agent_day', 'rig_day']) WITH ORDINALITY AS s(scope, n)
ORDER BY n

-- :name reserve
-- Sets room aside under a claim, in place of what was set aside before.
INSERT INTO reservations (holder, fence, agent, money, calls, worst) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (holder) DO UPDATE SET
    fence = excluded.fence, agent = excluded.agent, money = excluded.money, calls = excluded.calls,
    worst = excluded.worst

-- :name settle
-- Takes what calls cost off what was set aside for them, and gives back what is too little for another one.
UPDATE reservations SET
    money = CASE WHEN money - $4 >= worst AND calls > $5 THEN money - $4 ELSE 0 END,
    calls = CASE WHEN money - $4 >= worst AND calls > $5 THEN calls - $5 ELSE 0 END
WHERE (holder, fence, agent) = ($1, $2, $3)
