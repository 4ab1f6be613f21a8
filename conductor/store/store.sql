-- :name begin
-- Everybody who appends holds this lock for one batch, so positions are gapless in commit order.
BEGIN; SELECT pg_advisory_xact_lock(7237002)

-- :name lock
-- The same lock in a transaction that runs already.
SELECT pg_advisory_xact_lock(7237002)

-- :name define_append
-- The writer's function, for its connection alone, so that it never differs from the code. One call is one round
-- trip; each statement in it sees what was committed when it starts, and so does the second what happened before the
-- lock. An event is the `step`-th of its chain. Nothing is written unless all chains fit. Rows come as arrays of rows,
-- for an array of each column takes client and server more.
-- Plans are made once, and for tables that have grown: while they are short, reading all of one would look cheap.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
DISCARD TEMP;
CREATE TYPE pg_temp.new_chain AS (stream text, expected int);
CREATE TYPE pg_temp.new_event AS (
    chain int, step int, stream text, type text, data text, actor text, correlation text, causation text,
    occurred_at timestamptz
);
CREATE FUNCTION pg_temp.append(
    chains pg_temp.new_chain[], events pg_temp.new_event[], OUT last bigint, OUT heads int[], OUT fits boolean
) LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    SELECT coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0),
           array_agg(chain.head), bool_and(coalesce(chain.expected = chain.head, true))
    INTO last, heads, fits
    FROM (
        SELECT c.expected, coalesce(  -- from the expected version on, for an index page is read as far as its entries fit
            (SELECT e.version FROM events AS e WHERE e.stream = c.stream AND e.version >= coalesce(c.expected, 0)
             ORDER BY e.version DESC LIMIT 1),
            (SELECT e.version FROM events AS e WHERE e.stream = c.stream AND c.expected > 0
             ORDER BY e.version DESC LIMIT 1),
            0
        ) AS head
        FROM unnest(chains) AS c
        OFFSET 0  -- so that each is looked up once
    ) AS chain;
    IF fits THEN
        INSERT INTO events (position, stream, version, type, data, actor, correlation, causation, occurred_at)
        SELECT last + n, e.stream, heads[e.chain] + e.step, e.type, e.data::jsonb, e.actor, e.correlation, e.causation,
               e.occurred_at
        FROM unnest(events) WITH ORDINALITY
            AS e(chain, step, stream, type, data, actor, correlation, causation, occurred_at, n);
    END IF;
END
$function$

-- :name append
-- Writes the events if all streams are as expected; says where they ended, and where the log did.
SELECT last, heads, fits, '{}'::int[] AS answered FROM pg_temp.append($1, $2)

-- :name define_append_with
-- The same with the rows beside the events, still in one round trip; not if a request was answered before, either.
-- An issue's row is nearly always there already. An offer keeps its age while its kind stays the same. `begun` and `over`
-- are issues that are in work from now on, or no longer. A lane that was empty is due with its first effect.
CREATE TYPE pg_temp.new_answer AS (
    chain int, caller text, tool text, request_id text, arguments text, answer text
);
CREATE TYPE pg_temp.new_issue AS (
    stream text, version int, repository_id bigint, repository text, number int, title text, status text,
    priority smallint, base text, pull_number int, pull_head text, holder text, fence int, attempt int, data text
);
CREATE TYPE pg_temp.new_offer AS (
    stream text, repository_id bigint, repository text, number int, priority smallint, fence int, attempt int,
    kind text, role text, stack text, excluded text[], preferred text, avoided text[], only_for text
);
CREATE TYPE pg_temp.new_work AS (repository_id bigint, stream text);
CREATE TYPE pg_temp.new_claim AS (
    stream text, kind text, agent text, instance text, boot text, fence int, run text
);
CREATE TYPE pg_temp.new_effect AS (key text, stream text, lane text, kind text, data text, delay float8);
CREATE FUNCTION pg_temp.append_with(
    chains pg_temp.new_chain[], events pg_temp.new_event[], requests pg_temp.new_answer[], issues pg_temp.new_issue[],
    offers pg_temp.new_offer[], withdrawn text[], begun pg_temp.new_work[], over pg_temp.new_work[],
    claims pg_temp.new_claim[], ended text[], effects pg_temp.new_effect[], lease float8,
    OUT last bigint, OUT heads int[], OUT fits boolean, OUT answered int[]
) LANGUAGE plpgsql AS $function$
DECLARE
    known int;
BEGIN
    answered := '{}';
    IF cardinality(requests) > 0 THEN
        PERFORM pg_advisory_xact_lock(7237002);
        answered := ARRAY(
            SELECT r.chain FROM unnest(requests) AS r
            JOIN answers AS a ON a.caller = r.caller AND a.tool = r.tool AND a.request_id = r.request_id
        );
    END IF;
    IF answered <> '{}' THEN
        chains := ARRAY(
            SELECT (c.stream, CASE WHEN n = ANY (answered) THEN -1 ELSE c.expected END)::pg_temp.new_chain
            FROM unnest(chains) WITH ORDINALITY AS c(stream, expected, n)
        );
    END IF;
    SELECT a.last, a.heads, a.fits INTO last, heads, fits FROM pg_temp.append(chains, events) AS a;
    IF NOT fits THEN
        RETURN;
    END IF;
    IF cardinality(issues) > 0 THEN
        UPDATE issues AS i SET
            version = r.version, repository = r.repository, title = r.title, status = r.status, priority = r.priority,
            base = r.base, pull_number = r.pull_number, pull_head = r.pull_head, holder = r.holder, fence = r.fence,
            attempt = r.attempt, updated_at = now(), updated_hour = date_trunc('hour', now()),
            merging = r.status IN ('ready_to_merge', 'merging'),
            waits_for = CASE WHEN r.status = 'blocked' THEN r.data::jsonb->'blocked'->'by' END, data = r.data::jsonb
        FROM unnest(issues) AS r WHERE i.stream = r.stream;
        GET DIAGNOSTICS known = ROW_COUNT;
        IF known < cardinality(issues) THEN
            INSERT INTO issues (
                stream, version, repository_id, repository, number, title, status, priority, base, pull_number,
                pull_head, holder, fence, attempt, merging, waits_for, data
            )
            SELECT r.stream, r.version, r.repository_id, r.repository, r.number, r.title, r.status, r.priority, r.base,
                   r.pull_number, r.pull_head, r.holder, r.fence, r.attempt,
                   r.status IN ('ready_to_merge', 'merging'),
                   CASE WHEN r.status = 'blocked' THEN r.data::jsonb->'blocked'->'by' END, r.data::jsonb
            FROM unnest(issues) AS r
            ON CONFLICT (stream) DO NOTHING;
        END IF;
    END IF;
    IF cardinality(withdrawn) > 0 THEN
        DELETE FROM offers AS o WHERE o.stream = ANY (withdrawn);
    END IF;
    IF cardinality(offers) > 0 THEN
        INSERT INTO offers AS o (
            stream, repository_id, repository, number, priority, fence, attempt, kind, role, stack, excluded,
            preferred, avoided, only_for, created_at
        )
        SELECT r.*, i.created_at FROM unnest(offers) AS r JOIN issues AS i USING (stream)
        ON CONFLICT (stream) DO UPDATE SET
            repository = excluded.repository, priority = excluded.priority, fence = excluded.fence,
            attempt = excluded.attempt, kind = excluded.kind, role = excluded.role, stack = excluded.stack,
            excluded = excluded.excluded, preferred = excluded.preferred, avoided = excluded.avoided,
            only_for = excluded.only_for,
            offered_at = CASE WHEN excluded.kind = o.kind THEN o.offered_at ELSE excluded.offered_at END;
    END IF;
    IF cardinality(over) > 0 THEN
        DELETE FROM in_work AS w USING unnest(over) AS r WHERE w.repository_id = r.repository_id AND w.stream = r.stream;
    END IF;
    IF cardinality(begun) > 0 THEN
        INSERT INTO in_work SELECT * FROM unnest(begun) ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(ended) > 0 THEN
        DELETE FROM claims AS c WHERE c.stream = ANY (ended);
    END IF;
    IF cardinality(claims) > 0 THEN
        INSERT INTO claims (stream, kind, agent, instance, boot, fence, run, lease_until)
        SELECT r.*, now() + make_interval(secs => lease) FROM unnest(claims) AS r;
    END IF;
    IF cardinality(effects) > 0 THEN
        WITH written AS (
            INSERT INTO effects AS e (key, stream, lane, kind, data, due_at)
            SELECT r.key, r.stream, r.lane, r.kind, r.data::jsonb, now() + make_interval(secs => r.delay)
            FROM unnest(effects) AS r
            ON CONFLICT (key) DO NOTHING
            RETURNING e.lane, e.due_at
        )
        INSERT INTO lanes AS l (lane, due_at)
        SELECT w.lane, min(w.due_at) FROM written AS w GROUP BY w.lane ORDER BY w.lane
        ON CONFLICT (lane) DO UPDATE SET lane = excluded.lane;  -- waits for who is about to drop it
    END IF;
    IF cardinality(requests) > 0 THEN
        INSERT INTO answers (caller, tool, request_id, arguments, answer)
        SELECT r.caller, r.tool, r.request_id, r.arguments, r.answer::jsonb FROM unnest(requests) AS r;
    END IF;
END
$function$

-- :name append_with
-- Writes the events as `append` does, and the rows beside them.
SELECT last, heads, fits, answered FROM pg_temp.append_with($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- :name write_effects
-- Queues what has to be done in the world where no event is written, as the writer does.
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
-- Pauses what `scope` names; a pause that lasts longer takes a shorter one's place, and one that stops running work
-- makes it stop.
INSERT INTO pauses AS old (scope, by, reason, until, now)
SELECT scope, by, reason, until, now
FROM jsonb_to_recordset($1::jsonb) AS p(scope text, by text, reason text, until timestamptz, now boolean)
ON CONFLICT (scope) DO UPDATE SET
    by = excluded.by, reason = excluded.reason, until = excluded.until, now = old.now OR excluded.now
WHERE coalesce(excluded.until, 'infinity') > coalesce(old.until, 'infinity') OR (excluded.now AND NOT old.now)

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

-- :name read_stream
-- One stream's events in order.
SELECT position, stream, version, type, data, actor, correlation, causation, occurred_at, recorded_at
FROM events WHERE stream = $1 ORDER BY version

-- :name read_after
-- The log after a position, in order.
SELECT position, stream, version, type, data, actor, correlation, causation, occurred_at, recorded_at
FROM events WHERE position > $1 ORDER BY position LIMIT $2

-- :name load_issues
-- Issues' folded states, as text, for they become issues and never dicts.
SELECT stream, version, data::text FROM issues WHERE stream = ANY ($1)

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
