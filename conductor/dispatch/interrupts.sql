-- :name reserve
-- Notes that a holder makes room for a critical issue; nothing is returned while another one does.
INSERT INTO interrupts AS i (critical, stream, fence) VALUES ($1, $2, $3)
ON CONFLICT (critical) DO UPDATE SET stream = excluded.stream, fence = excluded.fence, told_at = now()
WHERE i.told_at < now() - make_interval(secs => $4) OR (i.stream, i.fence) = (excluded.stream, excluded.fence)
RETURNING critical

-- :name mark
-- Marks a claim whose holder was told to stop.
UPDATE claims SET stopping_for = $3, stopping_since = now()
WHERE stream = $1 AND fence = $2 AND lease_until > '-infinity'

-- :name unmark
-- The holder may go on: somebody else took what was critical.
WITH gone AS (DELETE FROM interrupts WHERE (stream, fence) = ($1, $2))
UPDATE claims SET stopping_for = NULL, stopping_since = NULL WHERE stream = $1 AND fence = $2
