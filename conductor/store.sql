-- :name lock
-- Everybody who appends holds this lock for one batch, so positions are gapless in commit order.
SELECT pg_advisory_xact_lock(7237002)

-- :name heads
-- The newest version of each stream, and the last position of all.
SELECT s.stream,
       (SELECT version FROM events e WHERE e.stream = s.stream ORDER BY version DESC LIMIT 1) AS version,
       (SELECT position FROM events ORDER BY position DESC LIMIT 1) AS last
FROM unnest($1::text[]) AS s(stream)

-- :name write_events
-- Appends the batch's events; positions follow $1 in order.
INSERT INTO events (position, stream, version, type, data, actor, correlation, causation, occurred_at)
SELECT $1::bigint + n, stream, version, type, data, actor, correlation, causation, occurred_at
FROM ROWS FROM (jsonb_to_recordset($2::jsonb) AS (
    stream text, version int, type text, data jsonb, actor text, correlation text, causation text,
    occurred_at timestamptz
)) WITH ORDINALITY AS e(stream, version, type, data, actor, correlation, causation, occurred_at, n)

-- :name write_issues
-- Projects the issues that the batch changed; an offer keeps its age while its kind stays the same.
INSERT INTO issues AS i (
    stream, version, repository_id, repository, number, title, status, priority, base, pull_number, pull_head,
    holder, offer_kind, offer_role, offer_stack, offer_excluded, offer_preferred, offer_avoided, offer_only,
    fence, attempt, offered_at, data
)
SELECT stream, version, repository_id, repository, number, title, status, priority, base, pull_number, pull_head,
       holder, offer_kind, offer_role, offer_stack, offer_excluded, offer_preferred, offer_avoided, offer_only,
       fence, attempt, CASE WHEN offer_kind IS NOT NULL THEN now() END, data
FROM jsonb_to_recordset($1::jsonb) AS r(
    stream text, version int, repository_id bigint, repository text, number int, title text, status text,
    priority smallint, base text, pull_number int, pull_head text, holder text, offer_kind text, offer_role text,
    offer_stack text, offer_excluded text[], offer_preferred text, offer_avoided text[], offer_only text, fence int,
    attempt int, data jsonb
)
ON CONFLICT (stream) DO UPDATE SET
    version = excluded.version, repository = excluded.repository, title = excluded.title, status = excluded.status,
    priority = excluded.priority, base = excluded.base, pull_number = excluded.pull_number,
    pull_head = excluded.pull_head, holder = excluded.holder, offer_kind = excluded.offer_kind,
    offer_role = excluded.offer_role, offer_stack = excluded.offer_stack, offer_excluded = excluded.offer_excluded,
    offer_preferred = excluded.offer_preferred, offer_avoided = excluded.offer_avoided,
    offer_only = excluded.offer_only, fence = excluded.fence, attempt = excluded.attempt,
    offered_at = CASE WHEN excluded.offer_kind = i.offer_kind THEN i.offered_at ELSE excluded.offered_at END,
    updated_at = now(), data = excluded.data

-- :name end_claims
-- Ends the claims of the issues that changed hands.
DELETE FROM claims WHERE stream = ANY ($1)

-- :name open_claims
-- Opens the claims of the new holders.
INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
SELECT stream, fence, agent, instance, boot, kind, run, now() + make_interval(secs => lease_seconds)
FROM jsonb_to_recordset($1::jsonb) AS c(
    stream text, fence int, agent text, instance text, boot text, kind text, run text, lease_seconds float8
)

-- :name write_effects
-- Queues what has to be done in the world; a lane that was empty is due with its first effect.
WITH written AS (
    INSERT INTO effects (key, stream, lane, kind, data, due_at)
    SELECT key, stream, lane, kind, data, now() + make_interval(secs => delay)
    FROM jsonb_to_recordset($1::jsonb) AS e(
        key text, stream text, lane text, kind text, data jsonb, delay float8
    )
    ON CONFLICT (key) DO NOTHING
    RETURNING lane, due_at
)
INSERT INTO lanes (lane, due_at) SELECT lane, min(due_at) FROM written GROUP BY lane ORDER BY lane
ON CONFLICT (lane) DO UPDATE SET lane = excluded.lane  -- waits for who is about to drop it

-- :name write_pauses
-- Pauses the whole rig, a repository (its name) or an agent (agent:<name>).
INSERT INTO pauses (scope, by, reason)
SELECT scope, by, reason FROM jsonb_to_recordset($1::jsonb) AS p(scope text, by text, reason text)
ON CONFLICT (scope) DO NOTHING

-- :name end_pauses
-- Ends pauses.
DELETE FROM pauses WHERE scope = ANY ($1)

-- :name write_answers
-- Keeps what callers were told, for repeated requests.
INSERT INTO answers (caller, tool, request_id, arguments, answer)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS a(
    caller text, tool text, request_id text, arguments text, answer jsonb
)
ON CONFLICT DO NOTHING

-- :name candidates
-- The oldest offered work of highest priority for each kind of claimer, enough for all of them.
SELECT c.profile, i.stream, i.version, i.data
FROM jsonb_to_recordset($1::jsonb) AS c(
    profile int, agent text, role text, stacks text[], kinds text[], alone boolean, stream text, want int
)
CROSS JOIN LATERAL (
    SELECT stream, version, data FROM issues
    WHERE offer_kind IS NOT NULL
      AND (offer_role = c.role OR c.role = 'person')
      AND offer_kind = ANY (c.kinds)
      AND (c.stream IS NULL OR issues.stream = c.stream)
      AND (offer_stack = '' OR c.stacks = '{}' OR offer_stack = ANY (c.stacks))
      AND NOT c.agent = ANY (offer_excluded)
      AND (offer_only IS NULL OR offer_only = c.agent)
      AND (offer_preferred IS NULL OR offer_preferred = c.agent OR offered_at < now() - $2::interval)
      AND (c.alone OR NOT c.agent = ANY (offer_avoided) OR offered_at < now() - $2::interval)
      AND NOT EXISTS (
          SELECT 1 FROM pauses WHERE scope IN ('rig', lower(repository), 'agent:' || lower(c.agent))
      )
    ORDER BY priority, created_at
    LIMIT c.want
) i

-- :name held
-- What these instances hold already.
SELECT c.agent, c.instance, c.boot, i.stream, i.version, i.data, c.lease_until
FROM claims c JOIN issues i USING (stream)
WHERE (c.agent, c.instance) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- :name read_stream
-- One stream's events in order.
SELECT position, stream, version, type, data, actor, correlation, causation, occurred_at, recorded_at
FROM events WHERE stream = $1 ORDER BY version

-- :name read_after
-- The log after a position, in order.
SELECT position, stream, version, type, data, actor, correlation, causation, occurred_at, recorded_at
FROM events WHERE position > $1 ORDER BY position LIMIT $2

-- :name load_issue
-- One issue's folded state.
SELECT version, data FROM issues WHERE stream = $1

-- :name answered
-- Which of these requests were answered before.
SELECT caller, tool, request_id FROM answers
WHERE (caller, tool, request_id) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))

-- :name lock_request
-- Lets the same request be worked on only once at a time.
SELECT pg_advisory_xact_lock(hashtextextended($1 || $2 || $3, 7237003))

-- :name find_answer
-- What a caller was told the first time.
SELECT arguments, answer FROM answers WHERE caller = $1 AND tool = $2 AND request_id = $3
