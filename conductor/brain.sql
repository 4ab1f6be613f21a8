-- :name merged
-- What was merged last, of one repository or all.
SELECT repository, number, title FROM issues
WHERE status = 'done' AND data->>'merged' IS NOT NULL AND ($1::text IS NULL OR lower(repository) = lower($1))
ORDER BY updated_hour DESC, updated_at DESC LIMIT $2
