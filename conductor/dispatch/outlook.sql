-- :name position
-- How far the log is, which tells an older look from a newer one.
SELECT position FROM events ORDER BY position DESC LIMIT 1

-- :name offers
-- Every open assignment that is not paused, best first, and whom it is for: a preference holds for $1, and of at most
-- $2 issues of a repository in work there is room for so many more.
SELECT stream || ':' || fence + 1 || ':' || kind AS id, repository || '#' || number AS issue, kind,
       priority, fence + 1 AS fence, attempt, (extract(epoch FROM offered_at) * 1000000)::bigint AS since,
       repository_id, CASE WHEN kind = 'implement' THEN $2::int - coalesce(work.issues, 0) END AS room,
       stack, excluded, only_for AS only,
       CASE WHEN offered_at >= now() - $1::interval THEN preferred END AS preferred,
       CASE WHEN offered_at >= now() - $1::interval THEN avoided ELSE '{}' END AS avoided
FROM offers
LEFT JOIN (SELECT repository_id, count(*)::int AS issues FROM in_work GROUP BY 1) AS work USING (repository_id)
WHERE NOT EXISTS (SELECT 1 FROM pauses WHERE scope IN ('rig', 'budget', lower(repository)))
ORDER BY priority, created_at

-- :name chores
-- Every open chore that is not paused, most urgent first, in the same columns.
SELECT 'chore-' || id || ':' || fence + 1 || ':' || kind AS id, repository || '~' || id AS issue, kind, priority,
       fence + 1 AS fence, strikes + 1 AS attempt, (extract(epoch FROM offered_at) * 1000000)::bigint AS since,
       0::bigint AS repository_id, NULL::int AS room, '' AS stack, '{}'::text[] AS excluded, agent AS only,
       NULL::text AS preferred, '{}'::text[] AS avoided
FROM chores
WHERE state = 'open' AND NOT EXISTS (SELECT 1 FROM pauses WHERE scope IN ('rig', 'budget', lower(repository)))
ORDER BY priority, chores.id

-- :name in_flight
-- Every claim and whose it is.
SELECT agent, id FROM (
    SELECT agent, stream || ':' || fence || ':' || kind AS id, claimed_at FROM claims
    UNION ALL
    SELECT agent, 'chore-' || id || ':' || fence || ':' || kind, claimed_at FROM chores WHERE state = 'held'
) AS held ORDER BY claimed_at

-- :name paused_agents
-- Agents that get no new work, some only for the rest of the day.
SELECT split_part(scope, ':', 2) FROM pauses WHERE scope LIKE 'agent:%' OR scope LIKE 'budget:%'

-- :name limited_providers
-- Providers whose usage limit is reached.
SELECT substr(scope, 10) FROM pauses WHERE scope LIKE 'provider:%'
