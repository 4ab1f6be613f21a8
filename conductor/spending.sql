-- :name held_issue
-- The name of an issue that an agent holds, or held.
SELECT repository || '#' || number FROM issues
WHERE stream = $1 AND EXISTS (
    SELECT FROM events
    WHERE stream = $1 AND type IN ('ISSUE_ASSIGNED', 'REVIEW_ASSIGNED') AND data->>'agent' = $2
)

-- :name held_chore
-- The name of a chore that is an agent's.
SELECT repository || '~' || id FROM chores WHERE id = $1 AND agent = $2
