-- :name names
-- What each repository is called now, and in the settings.
SELECT id, name, enrolled FROM repositories ORDER BY id
