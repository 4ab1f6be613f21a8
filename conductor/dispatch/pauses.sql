-- :name due
-- Pauses whose time is over at $1.
SELECT scope, until FROM pauses WHERE until <= $1 ORDER BY until

-- :name next
-- When the next pause ends by itself.
SELECT min(until) FROM pauses

-- :name known
-- Until when a scope is paused: for ever where it says nothing.
SELECT coalesce(until, 'infinity') FROM pauses WHERE scope = $1
