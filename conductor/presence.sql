-- :name agents
-- Who was seen, and what they hold.
SELECT a.agent, a.instance, a.role, a.step, a.seen_at, coalesce(c.kind, h.kind) AS kind,
       coalesce(i.repository || '#' || i.number, h.repository || '~' || h.id) AS issue
FROM agents a
LEFT JOIN claims c ON c.agent = a.agent AND c.instance = a.instance
LEFT JOIN chores h ON h.agent = a.agent AND h.instance = a.instance AND h.state = 'held'
LEFT JOIN issues i ON i.stream = c.stream
ORDER BY a.seen_at DESC LIMIT 200

-- :name pauses
-- Everything that is paused.
SELECT scope, by, reason, since, until, now FROM pauses ORDER BY since
