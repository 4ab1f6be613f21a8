-- :name known_issue
-- The issue that a repository's name and a number mean; the newest where the name was given twice.
SELECT stream, repository, number FROM issues WHERE lower(repository) = lower($1) AND number = $2
ORDER BY updated_at DESC LIMIT 1

-- :name dependents
-- Blocked issues that wait for one that is over ($2), or that missed it or wait in a circle with it.
SELECT repository, number FROM issues
WHERE waits_for @> to_jsonb($1::text)
  AND ($2 OR data->'blocked'->>'why' = 'cycle' OR data->'blocked'->'missing' @> to_jsonb($1::text))

-- :name by_config
-- Issues that did not start because a base branch's `.rig-agent.yaml` is not valid.
SELECT repository, number FROM issues
WHERE lower(repository) = lower($1) AND base = $2 AND status = 'escalated' AND data->>'brake' = 'repository_config'

-- :name done_among
-- Which of these issues the rig has done, as lower-case owner/repo#12.
SELECT k.repository || '#' || k.number AS key
FROM unnest($1::text[], $2::int[]) AS k(repository, number)
WHERE (SELECT i.status FROM issues i WHERE lower(i.repository) = k.repository AND i.number = k.number
       ORDER BY i.updated_at DESC LIMIT 1) = 'done'
