-- :name is_known
-- Whether an issue stands in the repository $1, or the agent of the scope $1 was ever here.
SELECT EXISTS (SELECT 1 FROM issues WHERE lower(repository) = $1)
    OR EXISTS (SELECT 1 FROM agents WHERE 'agent:' || lower(agent) = $1)
    OR EXISTS (SELECT 1 FROM claims WHERE 'agent:' || lower(agent) = $1)
