-- :name pauses
-- Everything that is paused, the oldest first.
SELECT scope, by, reason, until FROM pauses ORDER BY since

-- :name in_work
-- How many issues of each repository are in work.
SELECT repository_id, count(*)::int AS count FROM in_work WHERE repository_id = ANY ($1) GROUP BY 1
