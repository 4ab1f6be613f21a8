-- :name begin
-- Everybody who appends holds this lock for one batch, so positions are gapless in commit order.
BEGIN; SELECT pg_advisory_xact_lock(7237002)

-- :name lock
-- The same lock in a transaction that runs already.
SELECT pg_advisory_xact_lock(7237002)

-- :name define_append
-- The writer's function, for its connection alone, so that it never differs from the code. One call is one round
-- trip; each statement in it sees what was committed when it starts, and so does the second what happened before the
-- lock. `streams` and `expected` are by chain, the rest by event, which is the `steps`-th of the chain that `chains`
-- says. Nothing is written unless all chains fit. Arrays are read by subscript, which is half the price of `unnest`.
-- Plans are made once, and for a log that has grown: while it is short, reading all of it would look cheap.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
CREATE OR REPLACE FUNCTION pg_temp.append(
    streams text[], expected int[], chains int[], steps int[], types text[], data text[], actors text[],
    correlations text[], causations text[], times timestamptz[],
    OUT last bigint, OUT heads int[], OUT fits boolean
) LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    SELECT coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0),
           array_agg(head), bool_and(coalesce(expected[n] = head, true))
    INTO last, heads, fits
    FROM (
        SELECT n, coalesce(  -- from the expected version on, for an index page is read as far as its entries fit
            (SELECT e.version FROM events AS e WHERE e.stream = streams[n] AND e.version >= coalesce(expected[n], 0)
             ORDER BY e.version DESC LIMIT 1),
            (SELECT e.version FROM events AS e WHERE e.stream = streams[n] AND expected[n] > 0
             ORDER BY e.version DESC LIMIT 1),
            0
        ) AS head
        FROM generate_series(1, cardinality(streams)) AS n
        OFFSET 0  -- so that each is looked up once
    ) AS chain;
    IF fits THEN
        INSERT INTO events (position, stream, version, type, data, actor, correlation, causation, occurred_at)
        SELECT last + n, streams[chains[n]], heads[chains[n]] + steps[n], types[n], data[n]::jsonb,
               actors[n], correlations[n], causations[n], times[n]
        FROM generate_series(1, cardinality(chains)) AS n;
    END IF;
END
$function$

-- :name append
-- Writes the events if all streams are as expected; says where they ended, and where the log did.
SELECT last, heads, fits, '{}'::int[] AS answered FROM pg_temp.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- :name define_append_with
-- The same with the rows beside the events, still in one round trip; not if a request was answered before, either.
-- After the events come requests and their answers, issues, effects, and what changes of offers, of which issues
-- are in work, and of claims. An issue's row is nearly always there. An offer keeps its age while its kind stays the
-- same. A lane that was empty is due with its first effect.
CREATE OR REPLACE FUNCTION pg_temp.append_with(
    streams text[], expected int[], chains int[], steps int[], types text[], data text[], actors text[],
    correlations text[], causations text[], times timestamptz[],
    requests int[], callers text[], tools text[], request_ids text[], arguments text[], answered_with text[],
    issues text[], versions int[], repositories bigint[], names text[], numbers int[], titles text[],
    statuses text[], priorities smallint[], bases text[], pulls int[], pull_heads text[], holders text[], fences int[],
    attempts int[], states text[],
    keys text[], effect_streams text[], lanes text[], kinds text[], effects text[], delays float8[],
    offers text, withdrawn text[], begun_in bigint[], begun text[], over_in bigint[], over text[],
    claimed text, ended text[], lease float8,
    OUT last bigint, OUT heads int[], OUT fits boolean, OUT answered int[]
) LANGUAGE plpgsql AS $function$
DECLARE
    found_rows int;
BEGIN
    answered := '{}';
    IF cardinality(requests) > 0 THEN
        PERFORM pg_advisory_xact_lock(7237002);
        answered := ARRAY(
            SELECT requests[n] FROM generate_series(1, cardinality(requests)) AS n
            WHERE EXISTS (
                SELECT FROM answers AS a
                WHERE a.caller = callers[n] AND a.tool = tools[n] AND a.request_id = request_ids[n] OFFSET 0
            )
        );
        FOR n IN 1 .. cardinality(answered) LOOP
            expected[answered[n]] := -1;
        END LOOP;
    END IF;
    SELECT a.last, a.heads, a.fits INTO last, heads, fits FROM pg_temp.append(
        streams, expected, chains, steps, types, data, actors, correlations, causations, times
    ) AS a;
    IF NOT fits THEN
        RETURN;
    END IF;
    IF cardinality(issues) > 0 THEN
        UPDATE issues AS i SET
            version = versions[n], repository = names[n], title = titles[n], status = statuses[n],
            priority = priorities[n], base = bases[n], pull_number = pulls[n], pull_head = pull_heads[n],
            holder = holders[n], fence = fences[n], attempt = attempts[n], updated_at = now(), data = states[n]::jsonb
        FROM generate_series(1, cardinality(issues)) AS n WHERE i.stream = issues[n];
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows < cardinality(issues) THEN
            INSERT INTO issues (
                stream, version, repository_id, repository, number, title, status, priority, base, pull_number,
                pull_head, holder, fence, attempt, data
            )
            SELECT issues[n], versions[n], repositories[n], names[n], numbers[n], titles[n], statuses[n], priorities[n],
                   bases[n], pulls[n], pull_heads[n], holders[n], fences[n], attempts[n], states[n]::jsonb
            FROM generate_series(1, cardinality(issues)) AS n
            ON CONFLICT (stream) DO NOTHING;
        END IF;
    END IF;
    IF cardinality(withdrawn) > 0 THEN
        DELETE FROM offers AS o WHERE o.stream = ANY (withdrawn);
    END IF;
    IF offers IS NOT NULL THEN
        INSERT INTO offers AS o (
            stream, repository_id, repository, number, priority, fence, attempt, kind, role, stack, excluded,
            preferred, avoided, only_for, created_at
        )
        SELECT r.*, i.created_at
        FROM jsonb_to_recordset(offers::jsonb) AS r(
            stream text, repository_id bigint, repository text, number int, priority smallint, fence int, attempt int,
            kind text, role text, stack text, excluded text[], preferred text, avoided text[], only_for text
        )
        CROSS JOIN LATERAL (SELECT * FROM issues WHERE issues.stream = r.stream OFFSET 0) AS i
        ON CONFLICT (stream) DO UPDATE SET
            repository = excluded.repository, priority = excluded.priority, fence = excluded.fence,
            attempt = excluded.attempt, kind = excluded.kind, role = excluded.role, stack = excluded.stack,
            excluded = excluded.excluded, preferred = excluded.preferred, avoided = excluded.avoided,
            only_for = excluded.only_for,
            offered_at = CASE WHEN excluded.kind = o.kind THEN o.offered_at ELSE excluded.offered_at END;
    END IF;
    IF cardinality(over) > 0 THEN
        DELETE FROM in_work AS w USING generate_series(1, cardinality(over)) AS n
        WHERE w.repository_id = over_in[n] AND w.stream = over[n];
    END IF;
    IF cardinality(begun) > 0 THEN
        INSERT INTO in_work (repository_id, stream)
        SELECT begun_in[n], begun[n] FROM generate_series(1, cardinality(begun)) AS n
        ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(ended) > 0 THEN
        DELETE FROM claims AS c WHERE c.stream = ANY (ended);
    END IF;
    IF claimed IS NOT NULL THEN
        INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
        SELECT c.*, now() + make_interval(secs => lease)
        FROM jsonb_to_recordset(claimed::jsonb) AS c(
            stream text, fence int, agent text, instance text, boot text, kind text, run text
        );
    END IF;
    IF cardinality(keys) > 0 THEN
        WITH written AS (
            INSERT INTO effects AS e (key, stream, lane, kind, data, due_at)
            SELECT keys[n], effect_streams[n], lanes[n], kinds[n], effects[n]::jsonb,
                   now() + make_interval(secs => delays[n])
            FROM generate_series(1, cardinality(keys)) AS n
            ON CONFLICT (key) DO NOTHING
            RETURNING e.lane, e.due_at
        )
        INSERT INTO lanes AS l (lane, due_at)
        SELECT w.lane, min(w.due_at) FROM written AS w GROUP BY w.lane ORDER BY w.lane
        ON CONFLICT (lane) DO UPDATE SET lane = excluded.lane;  -- waits for who is about to drop it
    END IF;
    IF cardinality(requests) > 0 THEN
        INSERT INTO answers (caller, tool, request_id, arguments, answer)
        SELECT callers[n], tools[n], request_ids[n], arguments[n], answered_with[n]::jsonb
        FROM generate_series(1, cardinality(requests)) AS n;
    END IF;
END
$function$;

-- :name append_with
-- Writes the events as `append` does, and the rows beside them.
SELECT last, heads, fits, answered
FROM pg_temp.append_with(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
    $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46
)

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
