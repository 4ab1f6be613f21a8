-- :name define
-- The function that writes claims, for the writer's connection: each is one event on one stream. What the offers were
-- chosen by is looked at again, for it was read before the lock: the stream's end, pauses, what the claimer holds, and
-- room in the repository if it counts (`counted`), of whose issues `most` may be in work. `begins` where the issue is
-- in work from now on. What still holds is written: `given` says which. One statement, for each costs a batch of its own.
-- Offers have to be read in the order of their index, as far as somebody asks for them. Nothing else tells a planner
-- that has not seen the table yet, and would rather sort all of them.
SET enable_bitmapscan = off;
SET enable_sort = off;
CREATE TYPE pg_temp.gift AS (
    stream text, version int, repository_id bigint, counted boolean, begins boolean, type text, event text, key text,
    status text, fence int, agent text, instance text, boot text, kind text, run text, state text
);
CREATE FUNCTION pg_temp.claim(
    gifts pg_temp.gift[], most int, at timestamptz, lease float8, OUT given int[]
) LANGUAGE plpgsql AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(7237002);
    WITH crowded AS MATERIALIZED (
        SELECT g.repository_id FROM unnest(gifts) AS g WHERE g.counted GROUP BY g.repository_id
        HAVING count(*) + (SELECT count(*) FROM in_work AS w WHERE w.repository_id = g.repository_id) > most
    ), kept AS MATERIALIZED (
        SELECT g.*, row_number() OVER () AS place
        FROM unnest(gifts) WITH ORDINALITY AS g(
            stream, version, repository_id, counted, begins, type, event, key, status, fence, agent, instance, boot,
            kind, run, state, n
        )
        WHERE g.version = (
            SELECT e.version FROM events AS e WHERE e.stream = g.stream AND e.version >= g.version
            ORDER BY e.version DESC LIMIT 1
        )
          AND (
              SELECT true FROM claims AS h  -- no EXISTS, for which all claims would be hashed
              WHERE h.agent = g.agent AND h.instance = g.instance
          ) IS NULL
          AND NOT (g.counted AND EXISTS (SELECT FROM crowded AS c WHERE c.repository_id = g.repository_id))
          AND NOT (EXISTS (SELECT FROM pauses) AND EXISTS (
              SELECT FROM pauses
              WHERE scope IN ('rig', 'budget', lower(split_part(g.key, '#', 1)), 'agent:' || lower(g.agent),
                              'budget:' || lower(g.agent))
          ))
    ), written AS (
        INSERT INTO events (position, stream, version, type, data, actor, correlation, occurred_at)
        SELECT (SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1) + k.place, k.stream, k.version + 1,
               k.type, k.event::jsonb, k.agent, k.key, at
        FROM kept AS k
    ), moved AS (
        UPDATE issues AS i SET
            version = k.version + 1, status = k.status, holder = k.agent, fence = k.fence, updated_at = now(),
            updated_hour = date_trunc('hour', now()), data = k.state::jsonb
        FROM kept AS k WHERE i.stream = k.stream
    ), withdrawn AS (
        DELETE FROM offers AS o USING kept AS k WHERE o.stream = k.stream
    ), begun AS (
        INSERT INTO in_work (repository_id, stream)
        SELECT k.repository_id, k.stream FROM kept AS k WHERE k.begins
        ON CONFLICT DO NOTHING
    ), held AS (
        INSERT INTO claims (stream, fence, agent, instance, boot, kind, run, lease_until)
        SELECT k.stream, k.fence, k.agent, k.instance, k.boot, k.kind, k.run, now() + make_interval(secs => lease)
        FROM kept AS k
    )
    SELECT coalesce(array_agg(k.n), '{}') INTO given FROM kept AS k;
END
$function$

-- :name claim
-- Writes those claims that still hold; says which, counted from one.
SELECT given FROM pg_temp.claim($1, $2, $3, $4)

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
