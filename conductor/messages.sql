-- :name send
-- Keeps a message for its recipient.
INSERT INTO messages (sender, sender_role, recipient, text) VALUES ($1, $2, $3, $4) RETURNING *

-- :name read
-- Marks a recipient's unread messages as read and returns them.
UPDATE messages SET read_at = now(), delivered_at = coalesce(delivered_at, now())
WHERE recipient = $1 AND read_at IS NULL RETURNING *

-- :name sent
-- What somebody sent, newest first, with its receipts.
SELECT * FROM messages WHERE sender = $1 ORDER BY id DESC LIMIT $2

-- :name recent
-- What anybody sent, newest first.
SELECT * FROM messages ORDER BY id DESC LIMIT $1

-- :name seen
-- Marks what a run's model has seen, of what its instance was handed: its agent's messages, or an issue's.
UPDATE messages SET read_at = now()
WHERE id = ANY ($1::bigint[]) AND delivered_to = $2 AND read_at IS NULL AND (recipient = $3 OR recipient LIKE '%#%')

-- :name pass_on
-- Hands out what waits for an agent, or for whoever has the issue $3: to one instance, to another one only once that
-- one has no claim any more. Again with each heartbeat until it was seen, for an answer may be lost.
UPDATE messages AS m SET delivered_at = coalesce(m.delivered_at, now()), delivered_to = $2
WHERE m.id IN (
    SELECT id FROM messages AS w
    WHERE w.read_at IS NULL AND w.recipient IN ($1, $3)
      AND (w.delivered_to IS NULL OR w.delivered_to = $2
           OR NOT EXISTS (SELECT FROM claims WHERE instance = w.delivered_to AND lease_until > now()))
    ORDER BY w.id LIMIT 10 FOR UPDATE SKIP LOCKED
)
RETURNING m.*
