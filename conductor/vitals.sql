-- :name database
-- How far the log is.
SELECT coalesce(max(position), 0) AS position FROM events

-- :name effects
-- What waits to be done in the world, for how many seconds the oldest has been due, and what was given up today.
SELECT (SELECT count(*) FROM effects WHERE state = 'waiting') AS waiting,
       (SELECT count(*) FROM effects WHERE state = 'failed' AND done_at > now() - interval '1 day') AS failed,
       (SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8
        FROM effects WHERE state = 'waiting' AND due_at <= now()) AS oldest_due_seconds

-- :name deliveries
-- Webhooks that wait to be translated, and for how many seconds the oldest has.
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 AS oldest_seconds
FROM deliveries WHERE state = 'waiting'

-- :name reconciler
-- Seconds since each enrolled repository was last read whole: of the one that waits longest; null where one never was.
SELECT CASE WHEN count(r.reconciled_at) = count(*) THEN
           extract(epoch FROM now() - min(r.reconciled_at))::float8 END AS last_success_seconds
FROM unnest($1::text[]) AS e(name) LEFT JOIN repositories r ON lower(r.enrolled) = lower(e.name)

-- :name leases
-- Claims, and those whose lease should have been expired by now.
SELECT count(*) AS held, count(*) FILTER (WHERE lease_until < now() - make_interval(secs => $1)) AS overdue FROM claims
