-- :name write
-- Keeps what an agent said, each line so many seconds ago; one writer after the other, so that whoever follows the
-- numbers misses none. A numbered line that comes again is kept once.
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(7237006))
INSERT INTO log_lines (agent, run, issue, text, step, at, number)
SELECT $1, $2, $3, line.text, line.step, now() - make_interval(secs => line.ago), line.number
FROM turn,
     unnest($4::text[], $5::boolean[], $6::float8[], $7::bigint[])
     WITH ORDINALITY AS line(text, step, ago, number, n)
ORDER BY line.n
ON CONFLICT (run, agent, number) DO NOTHING

-- :name read
-- What was said after a line, about an issue, by an agent or in a run; without any, by everybody.
SELECT id, agent, run, issue, text, step, at FROM log_lines
WHERE id > $1 AND ($2::text IS NULL OR lower(issue) = lower($2)) AND ($3::text IS NULL OR agent = $3)
  AND ($4::text IS NULL OR run = $4)
ORDER BY id LIMIT $5

-- :name newest
-- The last lines, oldest first.
SELECT * FROM (SELECT id, agent, run, issue, text, step, at FROM log_lines ORDER BY id DESC LIMIT $1) AS last ORDER BY id

-- :name last
-- Where the lines end.
SELECT coalesce(max(id), 0) FROM log_lines
