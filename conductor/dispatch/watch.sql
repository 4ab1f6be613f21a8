-- :name claims_at_rest
-- Holders that live but get nowhere: no event on the issue and no other step for so long. People take their time.
SELECT c.stream, i.version, c.fence, CASE WHEN c.kind = 'review' THEN $2::float8 ELSE $1::float8 END AS minutes
FROM claims c JOIN issues i USING (stream)
WHERE c.lease_until > '-infinity'
  AND NOT EXISTS (SELECT 1 FROM agents a WHERE (a.agent, a.instance, a.role) = (c.agent, c.instance, 'person'))
  AND greatest(i.updated_at, c.step_at)
      < now() - make_interval(secs => 60 * CASE WHEN c.kind = 'review' THEN $2 ELSE $1 END)

-- :name reviews_at_rest
-- Reviews that nobody takes, though neither they nor all who could take them ($2) are paused or just were, and no
-- provider is at its limit and no day's money spent, which may be what keeps them.
SELECT stream, version, NULL::int AS fence, $1::float8 AS minutes
FROM offers i JOIN issues USING (stream)
WHERE kind = 'review' AND role = 'review' AND offered_at < now() - make_interval(secs => 60 * $1::float8)
  AND NOT EXISTS (
      SELECT 1 FROM pauses
      WHERE scope IN ('rig', lower(i.repository)) OR scope LIKE 'provider:%' OR split_part(scope, ':', 1) = 'budget'
  )
  AND ($2::text[] = '{}' OR NOT $2::text[] <@ ARRAY(SELECT scope FROM pauses))
  AND NOT EXISTS (
      SELECT 1 FROM events e
      WHERE e.type = 'RIG_RESUMED' AND e.recorded_at > now() - make_interval(secs => 60 * $1::float8)
        AND (lower(e.data->>'scope') = ANY ($2::text[] || ARRAY['rig', lower(i.repository)])
             OR e.data->>'scope' LIKE 'provider:%' OR split_part(e.data->>'scope', ':', 1) = 'budget')
  )

-- :name ci_at_rest
-- Pull requests at whose head CI has given no result.
SELECT stream, version, NULL::int AS fence, $1::float8 AS minutes
FROM in_work JOIN issues USING (stream)
WHERE status = 'in_review' AND holder IS NULL AND data->'pull_request'->>'checks' = 'unknown'
  AND updated_at < now() - make_interval(secs => 60 * $1::float8)

-- :name merges_at_rest
-- Approved pull requests that nothing brings on, though they wait neither for people nor for their turn, and are not in
-- GitHub's own queue. While CI is at work they are given its time ($2).
SELECT stream, version, NULL::int AS fence, given.minutes
FROM issues i CROSS JOIN LATERAL (
    SELECT CASE WHEN data->'pull_request'->>'checks' = 'unknown' OR (data->>'waits_for_ci')::boolean
                THEN $2::float8 ELSE $1::float8 END AS minutes
) AS given
WHERE merging AND updated_at < now() - make_interval(secs => 60 * given.minutes)
  AND holder IS NULL AND data->>'merged' IS NULL AND NOT coalesce((data->>'waits_for_people')::boolean, false)
  AND NOT EXISTS (
      SELECT 1 FROM effects mine JOIN effects ahead ON ahead.lane = mine.lane AND ahead.id < mine.id
      WHERE mine.stream = i.stream AND mine.kind = 'merge' AND mine.state = 'waiting' AND ahead.state = 'waiting'
  )
  AND NOT EXISTS (
      SELECT 1 FROM effects e WHERE e.stream = i.stream AND e.kind = 'merge' AND e.state = 'waiting' AND e.data ? 'queued'
  )

-- :name forget_interrupts
-- Drops what is long over of who made room for what.
DELETE FROM interrupts WHERE told_at < now() - interval '1 day'

-- :name failures
-- What failed within the last hour, after the last time that people resumed its repository.
SELECT e.position, e.stream, i.version, i.repository, i.status NOT IN ('done', 'cancelled') AS open, e.type, e.data
FROM events e JOIN issues i USING (stream)
WHERE e.type IN ('AGENT_STUCK', 'LEASE_EXPIRED', 'CI_FAILED') AND e.recorded_at > now() - interval '1 hour'
  AND NOT EXISTS (SELECT 1 FROM pauses WHERE scope = lower(i.repository))
  AND e.position > coalesce((
      SELECT max(r.position) FROM events r
      WHERE r.type = 'RIG_RESUMED' AND lower(r.data->>'scope') IN ('rig', lower(i.repository))
  ), 0)

-- :name spent
-- What an issue cost since its last commit, green check or decision of a person, and the version that counts for.
SELECT i.version, coalesce(sum((u.data->>'usd')::numeric), 0)::float8 AS usd
FROM issues i LEFT JOIN events u ON u.type = 'TOKEN_USAGE' AND lower(u.data->>'issue') = lower($2)
    AND u.position > (
        SELECT coalesce(max(position), 0) FROM events p WHERE p.stream = $1 AND p.type IN (
            'ISSUE_APPROVED', 'BRANCH_CREATED', 'PR_CREATED', 'PR_UPDATED', 'CI_PASSED', 'ESCALATION_DECIDED',
            'HUMAN_GATE_APPROVED', 'HUMAN_GATE_REJECTED'
        )
    )
WHERE i.stream = $1
GROUP BY i.version
