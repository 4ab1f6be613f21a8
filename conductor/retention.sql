-- :name forget_deliveries
-- Webhook deliveries that were worked off.
WITH old AS (
    SELECT guid FROM deliveries
    WHERE state <> 'waiting' AND received_at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM deliveries USING old WHERE deliveries.guid = old.guid RETURNING 1)
SELECT count(*) FROM gone

-- :name forget_redeliveries
-- What GitHub was asked to deliver again.
WITH old AS (
    SELECT guid FROM redeliveries WHERE asked_at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM redeliveries USING old WHERE redeliveries.guid = old.guid RETURNING 1)
SELECT count(*) FROM gone

-- :name forget_log_lines
-- The lines that agents said.
WITH old AS (
    SELECT id FROM log_lines WHERE NOT step AND at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM log_lines USING old WHERE log_lines.id = old.id RETURNING 1)
SELECT count(*) FROM gone

-- :name forget_steps
-- The steps of runs.
WITH old AS (
    SELECT id FROM log_lines WHERE step AND at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM log_lines USING old WHERE log_lines.id = old.id RETURNING 1)
SELECT count(*) FROM gone

-- :name forget_transcripts
-- What models said.
WITH old AS (
    SELECT work, agent, provider FROM transcripts WHERE kept_at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM transcripts USING old
    WHERE (transcripts.work, transcripts.agent, transcripts.provider) = (old.work, old.agent, old.provider) RETURNING 1
)
SELECT count(*) FROM gone

-- :name forget_answers
-- Answers that nobody asks for again.
WITH old AS (
    SELECT caller, tool, request_id FROM answers WHERE given_at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM answers USING old
    WHERE (answers.caller, answers.tool, answers.request_id) = (old.caller, old.tool, old.request_id) RETURNING 1
)
SELECT count(*) FROM gone

-- :name forget_agents
-- Instances that were not seen for long and hold nothing.
WITH old AS (
    SELECT agent, instance FROM agents
    WHERE seen_at < now() - make_interval(secs => $1::float8 * 86400)
      AND NOT EXISTS (SELECT 1 FROM claims c WHERE (c.agent, c.instance) = (agents.agent, agents.instance))
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM agents USING old WHERE (agents.agent, agents.instance) = (old.agent, old.instance) RETURNING 1
)
SELECT count(*) FROM gone

-- :name forget_messages
-- Messages that were read.
WITH old AS (
    SELECT id FROM messages WHERE read_at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM messages USING old WHERE messages.id = old.id RETURNING 1)
SELECT count(*) FROM gone

-- :name forget_effects
-- Effects that were done or given up.
WITH old AS (
    SELECT id FROM effects WHERE state <> 'waiting' AND done_at < now() - make_interval(secs => $1::float8 * 86400)
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM effects USING old WHERE effects.id = old.id RETURNING 1)
SELECT count(*) FROM gone
