-- :name define
-- The function that writes claims, for the writer's connection like `append`, which it calls: one claim, one event, one
-- chain. What the offers were chosen by is looked at again, for it was read before the lock: the stream's end, pauses,
-- what the claimer holds, and its repository's room (null where it does not count).
-- Offers have to be read in the order of their index, as far as somebody asks for them. Nothing else tells a planner
-- that has not seen the table yet, and would rather sort all of them.
SET enable_bitmapscan = off;
SET enable_sort = off;
CREATE OR REPLACE FUNCTION pg_temp.claim(
    streams text[], versions int[], rooms int[], working boolean[], types text[], events text[], issues text[],
    at timestamptz, lease float8, OUT written boolean[]
) LANGUAGE plpgsql AS $function$
DECLARE
    size int := cardinality(streams);
    states jsonb[] := ARRAY(SELECT state::jsonb FROM unnest(issues) AS s(state));
    agents text[] := ARRAY(SELECT state->'holder'->>'agent' FROM unnest(states) AS s(state));
    expected int[];
    paused boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    paused := EXISTS (SELECT FROM pauses);
    expected := ARRAY(
        SELECT CASE WHEN paused AND EXISTS (
                   SELECT FROM pauses
                   WHERE scope IN ('rig', 'budget', lower(c.state->>'repository'), 'agent:' || lower(c.agent),
                                   'budget:' || lower(c.agent))
               ) OR (
                   SELECT true FROM claims AS h  -- no EXISTS, for which all claims would be hashed
                   WHERE h.agent = c.agent AND h.instance = c.state->'holder'->>'instance'
               ) OR (c.room IS NOT NULL AND c.room <= (
                   SELECT count(*) FROM issues AS w
                   WHERE w.in_work AND w.repository_id = (c.state->'repository_id')::bigint
               )) THEN -1 ELSE c.version END
        FROM unnest(versions, rooms, agents, states) AS c(version, room, agent, state)
    );
    SELECT a.written INTO written FROM pg_temp.append(
        streams, expected, '{}', '{}', '{}', '{}',
        streams, ARRAY(SELECT generate_series(1, size)), array_fill(1, ARRAY[size]), types, events, agents,
        ARRAY(SELECT concat(state->>'repository', '#', state->>'number') FROM unnest(states) AS s(state)),
        array_fill(NULL::text, ARRAY[size]), array_fill(at, ARRAY[size])
    ) AS a;
    UPDATE issues AS i SET
        version = c.version + 1, status = c.state->>'status', holder = c.agent, in_work = c.working,
        fence = (c.state->'fence')::int, offer_kind = NULL, offer_role = NULL, offer_stack = '',
        offer_excluded = '{}', offer_preferred = NULL, offer_avoided = '{}', offer_only = NULL, offered_at = NULL,
        updated_at = now(), data = c.state
    FROM unnest(written, streams, versions, working, agents, states)
        AS c(done, stream, version, working, agent, state)
    WHERE c.done AND i.stream = c.stream;
    INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
    SELECT c.stream, h.fence, h.agent, h.instance, h.boot, h.kind, h.run, now() + make_interval(secs => lease)
    FROM unnest(written, streams, states) AS c(done, stream, state),
         jsonb_to_record(c.state->'holder')
             AS h(fence int, agent text, instance text, boot text, kind text, run text)
    WHERE c.done;
END
$function$

-- :name claim
-- Writes those claims that still hold; says which.
SELECT written FROM pg_temp.claim($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- :name in_order
-- The same for the look of another connection, in its transaction.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off

-- :name look
-- What the instances $6 of the agents $5 hold already, without a profile. Then, for each profile of claimers, the
-- oldest offered work of highest priority, who of them may have it (nobody whose providers are all at their limit),
-- and how many more issues of its repository may be in work: at most $3. Work preferred for somebody waits $2 for him; the repositories $4 take no new issue; the streams
-- $7 are being given away; at most $8 for each role of a profile.
SELECT NULL AS profile, i.stream, i.repository_id, i.version, i.data::text, ARRAY[c.agent, c.instance] AS agents,
       NULL::int AS room, NULL AS priority, NULL AS created_at
FROM unnest($5::text[], $6::text[]) AS asking(agent, instance)
CROSS JOIN LATERAL (
    SELECT * FROM claims WHERE agent = asking.agent AND instance = asking.instance OFFSET 0  -- by index, as it grows
) AS c
CROSS JOIN LATERAL (SELECT * FROM issues WHERE stream = c.stream OFFSET 0) AS i
UNION ALL
SELECT p.profile, i.*
FROM jsonb_to_recordset($1::jsonb) AS p(
    profile int, agents text[], alone boolean[], providers text[], roles text[], stacks text[], kinds text[], stream text,
    capped boolean
)
CROSS JOIN LATERAL unnest(p.roles) AS r(role)
CROSS JOIN LATERAL (
    SELECT o.stream, o.repository_id, o.version, o.data::text, able.agents,
           CASE WHEN p.capped AND o.offer_kind = 'implement' THEN $3::int - work.issues END AS room,
           o.priority, o.created_at
    FROM issues AS o
    CROSS JOIN LATERAL (
        SELECT array_agg(a.agent) AS agents FROM unnest(p.agents, p.alone, p.providers) AS a(agent, alone, providers)
        WHERE NOT a.agent = ANY (o.offer_excluded)
          AND (o.offer_only IS NULL OR o.offer_only = a.agent)
          AND (o.offer_preferred IS NULL OR o.offer_preferred = a.agent OR o.offered_at < now() - $2::interval)
          AND (a.alone OR NOT a.agent = ANY (o.offer_avoided) OR o.offered_at < now() - $2::interval)
          AND NOT EXISTS (SELECT FROM pauses WHERE scope IN ('agent:' || lower(a.agent), 'budget:' || lower(a.agent)))
          AND (a.providers = '' OR NOT string_to_array(a.providers, ' ') <@ ARRAY(
              SELECT substr(scope, 10) FROM pauses WHERE scope LIKE 'provider:%'
          ))
    ) AS able
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS issues FROM issues AS w WHERE w.in_work AND w.repository_id = o.repository_id
    ) AS work
    WHERE o.offer_kind IS NOT NULL
      AND o.offer_role = r.role
      AND o.offer_kind = ANY (p.kinds)
      AND o.stream <> ALL ($7::text[])
      AND (o.offer_stack = '' OR p.stacks = '{}' OR o.offer_stack = ANY (p.stacks))
      AND NOT EXISTS (SELECT FROM pauses WHERE scope IN ('rig', 'budget', lower(o.repository)))
      AND able.agents IS NOT NULL
      AND (NOT p.capped OR o.offer_kind <> 'implement'
           OR (work.issues < $3 AND NOT o.repository_id = ANY ($4::bigint[])))
    ORDER BY o.priority, o.created_at
    LIMIT $8
) AS i
ORDER BY profile, priority, created_at
