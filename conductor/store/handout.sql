-- :name define
-- The function that writes claims, for the writer's connection: each is one event on one stream. What the offers were
-- chosen by is looked at again, for it was read before the lock: the stream's end, pauses, what the claimer holds, and
-- room in the repositories that `counted` names, of whose issues `most` may be in work. `beginning` are the repositories
-- of issues that begin to be in work. What still holds is written: `given` says which.
-- Offers have to be read in the order of their index, as far as somebody asks for them. Nothing else tells a planner
-- that has not seen the table yet, and would rather sort all of them.
SET enable_bitmapscan = off;
SET enable_sort = off;
CREATE OR REPLACE FUNCTION pg_temp.claim(
    streams text[], versions int[], counted bigint[], beginning bigint[], types text[], events text[], keys text[],
    statuses text[], fences int[], agents text[], instances text[], boots text[], kinds text[], runs text[],
    states text[], most int, at timestamptz, lease float8, OUT given int[]
) LANGUAGE plpgsql AS $function$
DECLARE
    last bigint;
    paused boolean;
    full_up bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    SELECT (SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1),
           EXISTS (SELECT FROM pauses),
           ARRAY(
               SELECT r FROM unnest(counted) AS r GROUP BY r
               HAVING count(*) + (SELECT count(*) FROM in_work AS w WHERE w.repository_id = r) > most
           )
    INTO last, paused, full_up;
    given := ARRAY(
        SELECT n FROM generate_series(1, cardinality(streams)) AS n
        WHERE versions[n] = (
            SELECT e.version FROM events AS e WHERE e.stream = streams[n] AND e.version >= versions[n]
            ORDER BY e.version DESC LIMIT 1
        )
          AND (
              SELECT true FROM claims AS h  -- no EXISTS, for which all claims would be hashed
              WHERE h.agent = agents[n] AND h.instance = instances[n]
          ) IS NULL
          AND NOT coalesce(counted[n] = ANY (full_up), false)
          AND NOT (paused AND EXISTS (
              SELECT FROM pauses
              WHERE scope IN ('rig', 'budget', lower(split_part(keys[n], '#', 1)), 'agent:' || lower(agents[n]),
                              'budget:' || lower(agents[n]))
          ))
    );
    IF given = '{}' THEN
        RETURN;
    END IF;
    INSERT INTO events (position, stream, version, type, data, actor, correlation, occurred_at)
    SELECT last + place, streams[n], versions[n] + 1, types[n], events[n]::jsonb, agents[n], keys[n], at
    FROM unnest(given) WITH ORDINALITY AS g(n, place);
    UPDATE issues AS i SET
        version = versions[n] + 1, status = statuses[n], holder = agents[n], fence = fences[n], updated_at = now(),
        data = states[n]::jsonb
    FROM unnest(given) AS g(n) WHERE i.stream = streams[n];
    DELETE FROM offers AS o USING unnest(given) AS g(n) WHERE o.stream = streams[n];
    INSERT INTO in_work (repository_id, stream)
    SELECT beginning[n], streams[n] FROM unnest(given) AS g(n) WHERE beginning[n] IS NOT NULL
    ON CONFLICT DO NOTHING;
    INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
    SELECT streams[n], fences[n], agents[n], instances[n], boots[n], kinds[n], runs[n],
           now() + make_interval(secs => lease)
    FROM unnest(given) AS g(n);
END
$function$

-- :name claim
-- Writes those claims that still hold; says which, counted from one.
SELECT given
FROM pg_temp.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)

-- :name in_order
-- The same for the look of another connection, in its transaction.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off

-- :name look
-- What the instances $6 of the agents $5 hold already, without a profile. Then, for each profile of claimers, the
-- oldest offered work of highest priority, who of them may have it (nobody whose providers are all at their limit),
-- and how many more issues of its repository may be in work: at most $3. Work preferred for somebody waits $2 for him;
-- the repositories $4 take no new issue; the streams $7 are being given away; at most $8 for each role of a profile.
SELECT NULL AS profile, i.stream, i.repository_id, i.version, i.data::text, ARRAY[c.agent, c.instance] AS agents,
       NULL::int AS room, NULL AS priority, NULL AS created_at
FROM unnest($5::text[], $6::text[]) AS asking(agent, instance)
CROSS JOIN LATERAL (
    SELECT * FROM claims WHERE agent = asking.agent AND instance = asking.instance OFFSET 0  -- by index, as it grows
) AS c
CROSS JOIN LATERAL (SELECT * FROM issues WHERE stream = c.stream OFFSET 0) AS i
UNION ALL
SELECT offered.profile, offered.stream, offered.repository_id, i.version, i.data::text, offered.agents, offered.room,
       offered.priority, offered.created_at
FROM jsonb_to_recordset($1::jsonb) AS p(
    profile int, agents text[], alone boolean[], providers text[], roles text[], stacks text[], kinds text[], stream text,
    capped boolean
)
CROSS JOIN LATERAL unnest(p.roles) AS r(role)
CROSS JOIN LATERAL (
    SELECT p.profile, o.stream, o.repository_id, able.agents,
           CASE WHEN p.capped AND o.kind = 'implement' THEN $3::int - work.issues END AS room,
           o.priority, o.created_at
    FROM offers AS o
    CROSS JOIN LATERAL (
        SELECT array_agg(a.agent) AS agents FROM unnest(p.agents, p.alone, p.providers) AS a(agent, alone, providers)
        WHERE NOT a.agent = ANY (o.excluded)
          AND (o.only_for IS NULL OR o.only_for = a.agent)
          AND (o.preferred IS NULL OR o.preferred = a.agent OR o.offered_at < now() - $2::interval)
          AND (a.alone OR NOT a.agent = ANY (o.avoided) OR o.offered_at < now() - $2::interval)
          AND NOT EXISTS (SELECT FROM pauses WHERE scope IN ('agent:' || lower(a.agent), 'budget:' || lower(a.agent)))
          AND (a.providers = '' OR NOT string_to_array(a.providers, ' ') <@ ARRAY(
              SELECT substr(scope, 10) FROM pauses WHERE scope LIKE 'provider:%'
          ))
    ) AS able
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS issues FROM in_work AS w WHERE w.repository_id = o.repository_id
    ) AS work
    WHERE o.role = r.role
      AND o.kind = ANY (p.kinds)
      AND o.stream <> ALL ($7::text[])
      AND (o.stack = '' OR p.stacks = '{}' OR o.stack = ANY (p.stacks))
      AND NOT EXISTS (SELECT FROM pauses WHERE scope IN ('rig', 'budget', lower(o.repository)))
      AND able.agents IS NOT NULL
      AND (NOT p.capped OR o.kind <> 'implement'
           OR (work.issues < $3 AND NOT o.repository_id = ANY ($4::bigint[])))
    ORDER BY o.priority, o.created_at
    LIMIT $8
) AS offered
CROSS JOIN LATERAL (SELECT * FROM issues WHERE stream = offered.stream OFFSET 0) AS i
ORDER BY profile, priority, created_at
