-- :name begin
-- A prompt that was not known before is due from now on.
INSERT INTO schedules (agent, name, due_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- :name fire
-- Takes a due time, which one process does; says whether the prompt's last chore still waits for somebody.
UPDATE schedules AS s SET due_at = $3 WHERE agent = $1 AND name = $2 AND due_at < $3
RETURNING EXISTS (SELECT FROM chores WHERE chores.id = s.chore AND state = 'open') AS waits

-- :name offered
-- Notes which chore was made of it.
UPDATE schedules SET chore = $3 WHERE agent = $1 AND name = $2
