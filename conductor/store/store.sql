-- :name begin
-- Everybody who appends holds this lock for one batch, so positions are gapless in commit order.
BEGIN; SELECT pg_advisory_xact_lock(7237002)

-- :name lock
-- The same lock in a transaction that runs already.
SELECT pg_advisory_xact_lock(7237002)

-- :name define_append
-- The writer's function, for its connection alone, so that it never differs from the code. One call is one round
-- trip; each statement in it sees what was committed when it starts, and so does the second what happened before the
-- lock. Chains are numbered: `streams` and `expected` are by chain, `request_chains` and the next three by request,
-- and the rest by event, which is the `steps`-th of its chain.
-- Plans are made once, and for a log that has grown: while it is short, reading all of it would look cheap.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
CREATE OR REPLACE FUNCTION pg_temp.append(
    streams text[], expected int[], request_chains int[], callers text[], tools text[], request_ids text[],
    event_streams text[], chains int[], steps int[], types text[], data text[], actors text[], correlations text[],
    causations text[], times timestamptz[],
    OUT last bigint, OUT heads int[], OUT written boolean[]
) LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    last := coalesce((SELECT e.position FROM events e ORDER BY e.position DESC LIMIT 1), 0);
    heads := ARRAY(
        SELECT coalesce(  -- from the expected version on, for an index page is read as far as its entries fit
            (SELECT e.version FROM events e WHERE e.stream = s AND e.version >= coalesce(x, 0)
             ORDER BY e.version DESC LIMIT 1),
            (SELECT e.version FROM events e WHERE e.stream = s AND x > 0 ORDER BY e.version DESC LIMIT 1),
            0
        )
        FROM unnest(streams, expected) AS c(s, x)
    );
    written := ARRAY(SELECT coalesce(e = h, true) FROM unnest(expected, heads) AS c(e, h));
    IF cardinality(request_chains) > 0 THEN
        written := ARRAY(
            SELECT w AND NOT EXISTS (
                SELECT FROM unnest(request_chains, callers, tools, request_ids) AS r(chain, caller, tool, request_id)
                JOIN answers USING (caller, tool, request_id) WHERE chain = n
            )
            FROM unnest(written) WITH ORDINALITY AS c(w, n) ORDER BY n
        );
    END IF;
    INSERT INTO events (position, stream, version, type, data, actor, correlation, causation, occurred_at)
    SELECT last + row_number() OVER (ORDER BY e.n), e.stream, heads[e.chain] + e.step, e.type, e.data::jsonb,
           e.actor, e.correlation, e.causation, e.occurred_at
    FROM unnest(event_streams, chains, steps, types, data, actors, correlations, causations, times)
        WITH ORDINALITY AS e(stream, chain, step, type, data, actor, correlation, causation, occurred_at, n)
    WHERE written[e.chain];
END
$function$

-- :name append
-- Writes the events of those chains whose streams are as expected; says where they ended, and where the log did.
SELECT last, heads, written
FROM pg_temp.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- :name define_append_one
-- The same for one event and no request, as a lone caller has it: with fifteen arrays it waits about a fifth longer.
CREATE OR REPLACE FUNCTION pg_temp.append_one(
    stream text, expected int, type text, data text, actor text, correlation text, causation text,
    occurred_at timestamptz, OUT last bigint, OUT heads int[], OUT written boolean[]
) LANGUAGE plpgsql AS $function$
DECLARE
    head int;
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    last := coalesce((SELECT e.position FROM events e ORDER BY e.position DESC LIMIT 1), 0);
    head := coalesce((SELECT e.version FROM events e WHERE e.stream = $1 ORDER BY e.version DESC LIMIT 1), 0);
    heads := ARRAY[head];
    written := ARRAY[coalesce(expected = head, true)];
    IF written[1] THEN
        INSERT INTO events (position, stream, version, type, data, actor, correlation, causation, occurred_at)
        VALUES (last + 1, $1, head + 1, $3, $4::jsonb, $5, $6, $7, $8);
    END IF;
END
$function$

-- :name append_one
-- Writes one event if its stream is as expected.
SELECT last, heads, written FROM pg_temp.append_one($1, $2, $3, $4, $5, $6, $7, $8)

-- :name define_append_with
-- The same with the rows beside the events, still in one round trip. `tables`, `row_chains` and `rows` are by row: the
-- statement that writes it, its chain, and itself. Each statement is a function, called with all of its rows.
CREATE OR REPLACE FUNCTION pg_temp.append_with(
    streams text[], expected int[], request_chains int[], callers text[], tools text[], request_ids text[],
    event_streams text[], chains int[], steps int[], types text[], data text[], actors text[], correlations text[],
    causations text[], times timestamptz[], tables text[], row_chains int[], rows text[], ended text[],
    lease float8, OUT last bigint, OUT heads int[], OUT written boolean[]
) LANGUAGE plpgsql AS $function$
DECLARE
    done text[];
BEGIN
    SELECT * INTO last, heads, written FROM pg_temp.append(
        streams, expected, request_chains, callers, tools, request_ids,
        event_streams, chains, steps, types, data, actors, correlations, causations, times
    );
    IF false = ANY (written) THEN
        done := ARRAY(SELECT s FROM unnest(streams, written) AS c(s, w) WHERE w);
        ended := ARRAY(SELECT s FROM unnest(ended) AS s WHERE s = ANY (done));
        SELECT array_agg(t ORDER BY n), array_agg(r ORDER BY n) INTO tables, rows
        FROM unnest(tables, row_chains, rows) WITH ORDINALITY AS b(t, c, r, n) WHERE written[c];
    END IF;
    IF 'write_issues' = ANY (tables) THEN
        PERFORM pg_temp.write_issues(pg_temp.rows_of('write_issues', tables, rows));
    END IF;
    IF cardinality(ended) > 0 THEN
        DELETE FROM claims WHERE stream = ANY (ended);
    END IF;
    IF 'open_claims' = ANY (tables) THEN
        PERFORM pg_temp.open_claims(pg_temp.rows_of('open_claims', tables, rows), lease);
    END IF;
    IF 'write_effects' = ANY (tables) THEN
        PERFORM pg_temp.write_effects(pg_temp.rows_of('write_effects', tables, rows));
    END IF;
    IF 'write_answers' = ANY (tables) THEN
        PERFORM pg_temp.write_answers(pg_temp.rows_of('write_answers', tables, rows));
    END IF;
END
$function$;
CREATE OR REPLACE FUNCTION pg_temp.rows_of(kind text, tables text[], rows text[]) RETURNS text
LANGUAGE plpgsql AS $function$
BEGIN
    RETURN '[' || (
        SELECT string_agg(r, ',' ORDER BY n) FROM unnest(tables, rows) WITH ORDINALITY AS b(t, r, n) WHERE t = kind
    ) || ']';
END
$function$

-- :name append_with
-- Writes the events as `append` does, and the rows of the chains that were written.
SELECT last, heads, written
FROM pg_temp.append_with(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20
)

-- :name write_issues
-- Projects the issues that the batch changed; an offer keeps its age while its kind stays the same.
INSERT INTO issues AS i (
    stream, version, repository_id, repository, number, title, status, priority, base, pull_number, pull_head,
    holder, offer_kind, offer_role, offer_stack, offer_excluded, offer_preferred, offer_avoided, offer_only,
    fence, attempt, in_work, offered_at, data
)
SELECT stream, version, repository_id, repository, number, title, status, priority, base, pull_number, pull_head,
       holder, offer_kind, offer_role, offer_stack, offer_excluded, offer_preferred, offer_avoided, offer_only,
       fence, attempt, in_work, CASE WHEN offer_kind IS NOT NULL THEN now() END, data
FROM jsonb_to_recordset($1::jsonb) AS r(
    stream text, version int, repository_id bigint, repository text, number int, title text, status text,
    priority smallint, base text, pull_number int, pull_head text, holder text, offer_kind text, offer_role text,
    offer_stack text, offer_excluded text[], offer_preferred text, offer_avoided text[], offer_only text, fence int,
    attempt int, in_work boolean, data jsonb
)
ON CONFLICT (stream) DO UPDATE SET
    version = excluded.version, repository = excluded.repository, title = excluded.title, status = excluded.status,
    priority = excluded.priority, base = excluded.base, pull_number = excluded.pull_number,
    pull_head = excluded.pull_head, holder = excluded.holder, offer_kind = excluded.offer_kind,
    offer_role = excluded.offer_role, offer_stack = excluded.offer_stack, offer_excluded = excluded.offer_excluded,
    offer_preferred = excluded.offer_preferred, offer_avoided = excluded.offer_avoided,
    offer_only = excluded.offer_only, fence = excluded.fence, attempt = excluded.attempt,
    in_work = excluded.in_work,
    offered_at = CASE WHEN excluded.offer_kind = i.offer_kind THEN i.offered_at ELSE excluded.offered_at END,
    updated_at = now(), data = excluded.data

-- :name open_claims
-- Opens the claims of the new holders.
INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
SELECT stream, fence, agent, instance, boot, kind, run, now() + make_interval(secs => $2)
FROM jsonb_to_recordset($1::jsonb) AS c(
    stream text, fence int, agent text, instance text, boot text, kind text, run text
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
