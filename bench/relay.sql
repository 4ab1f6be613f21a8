-- :name offer
-- Offers $2 assignments from number $1 on.
INSERT INTO offers (stream, repository_id, repository, number, priority, kind, role, stack)
SELECT 'issue-77-' || n, 77, 'acme/tally', n, 2, 'implement', 'dev', 'python'
FROM generate_series($1::int, $1::int + $2::int - 1) AS n

-- :name finish
-- Ends every claim.
DELETE FROM claims

-- :name take
-- Has everything open claimed, each by an instance of its own.
INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
SELECT stream, 1, 'dev-e', 'dev-e-' || number, '1', 'implement', 'run', now() + interval '90 seconds'
FROM offers

-- :name taken
-- What is claimed is no longer offered.
DELETE FROM offers

-- :name clean
-- Forgets every offer and claim.
TRUNCATE offers, claims

-- :name outbox
-- What a simple relay would read.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text, issue text, kind text, priority text, fence int, attempt int, offered_at text, sent_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (position) WHERE sent_at IS NULL

-- :name fill_outbox
-- Puts $1 assignments in it.
INSERT INTO outbox (id, issue, kind, priority, fence, attempt, offered_at)
SELECT 'issue-77-' || n || ':1:implement', 'acme/tally#' || n, 'implement', 'normal', 1, 1,
       '2026-01-01T00:00:00.000+00:00'
FROM generate_series(1, $1::int) AS n

-- :name oldest
-- The oldest row that was not sent.
SELECT position, id, issue, kind, priority, fence, attempt, offered_at FROM outbox
WHERE sent_at IS NULL ORDER BY position LIMIT 1

-- :name sent
-- Marks a row.
UPDATE outbox SET sent_at = now() WHERE position = $1
