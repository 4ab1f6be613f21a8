-- :name current_name
-- Today's name of an enrolled repository that is or was called so; who has the name now goes first.
SELECT name FROM repositories
WHERE lower(enrolled) = ANY ($2) AND (lower(name) = lower($1) OR lower(enrolled) = lower($1))
ORDER BY lower(name) = lower($1) DESC LIMIT 1

-- :name enrolled_name
-- The settings' name of a repository.
SELECT enrolled FROM repositories WHERE id = $1 AND lower(enrolled) = ANY ($2)

-- :name remember_repository
-- Notes what a repository is called.
INSERT INTO repositories (id, name, enrolled) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, enrolled = excluded.enrolled
WHERE (repositories.name, repositories.enrolled) <> (excluded.name, excluded.enrolled)

-- :name reconciled
-- Notes that everything of a repository was looked at.
UPDATE repositories SET reconciled_at = now() WHERE lower(enrolled) = lower($1)

-- :name called_otherwise
-- Issues that still go under another name of their repository.
SELECT stream FROM issues WHERE repository_id = $1 AND repository <> $2
