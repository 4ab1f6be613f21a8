-- The log: the only truth. Never updated, never deleted from.
CREATE TABLE events (
    position     bigint PRIMARY KEY,
    stream       text NOT NULL CHECK (stream <> ''),
    version      int NOT NULL CHECK (version >= 1),
    type         text NOT NULL CHECK (type ~ '^[A-Z0-9_]+$'),
    data         jsonb NOT NULL,
    actor        text NOT NULL,
    correlation  text,
    causation    text,
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (stream, version)
);
CREATE INDEX events_by_type ON events (type, position);
CREATE INDEX events_usage_by_issue ON events (lower(data->>'issue'), position) WHERE type = 'TOKEN_USAGE';
CREATE INDEX events_usage_by_time ON events (occurred_at) WHERE type = 'TOKEN_USAGE';
CREATE INDEX events_failures ON events (recorded_at) WHERE type IN ('AGENT_STUCK', 'LEASE_EXPIRED', 'CI_FAILED');

-- Inline projection: one row an issue, written in the append's transaction. `data` is the folded state, without what is
-- as it is by default; the columns beside it are looked up. An everyday change touches no index, and stays in its page:
-- lists are kept in order by the hour, and what they are about has columns that seldom change: `merging` is a status of
-- the train, `waits_for` what blocks. Generated columns would cost each statement more than the row.
CREATE TABLE issues (
    stream         text PRIMARY KEY,
    version        int NOT NULL,
    repository_id  bigint NOT NULL,
    repository     text NOT NULL,
    number         int NOT NULL,
    title          text NOT NULL,
    status         text NOT NULL,
    priority       smallint NOT NULL CHECK (priority BETWEEN 0 AND 2),
    base           text NOT NULL,
    pull_number    int,
    pull_head      text,
    holder         text,
    fence          int NOT NULL DEFAULT 0,
    attempt        int NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    updated_hour   timestamptz NOT NULL DEFAULT date_trunc('hour', now()),
    merging        boolean NOT NULL DEFAULT false,
    waits_for      jsonb,
    data           jsonb NOT NULL,
    UNIQUE (repository_id, number)
) WITH (fillfactor = 50);
CREATE INDEX issues_by_name ON issues (lower(repository), number);
CREATE INDEX issues_by_pull ON issues (repository_id, pull_number) WHERE pull_number IS NOT NULL;
CREATE INDEX issues_by_head ON issues (pull_head) WHERE pull_head IS NOT NULL;
CREATE INDEX issues_merging ON issues (stream) WHERE merging;
CREATE INDEX issues_waiting ON issues USING gin (waits_for jsonb_path_ops) WHERE waits_for IS NOT NULL;
CREATE INDEX issues_recent ON issues (updated_hour DESC);

-- Work that waits for somebody: a narrow row an issue, only while it does. `created_at` is the issue's.
CREATE TABLE offers (
    stream         text PRIMARY KEY,
    repository_id  bigint NOT NULL,
    repository     text NOT NULL,
    number         int NOT NULL,
    priority       smallint NOT NULL,
    fence          int NOT NULL DEFAULT 0,
    attempt        int NOT NULL DEFAULT 1,
    kind           text NOT NULL,
    role           text NOT NULL,
    stack          text NOT NULL DEFAULT '',
    excluded       text[] NOT NULL DEFAULT '{}',
    preferred      text,
    avoided        text[] NOT NULL DEFAULT '{}',
    only_for       text,
    offered_at     timestamptz NOT NULL DEFAULT now(),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX offers_in_order ON offers (role, priority, created_at);

-- Issues that count against their repository's limit.
CREATE TABLE in_work (
    repository_id  bigint,
    stream         text,
    PRIMARY KEY (repository_id, stream)
);

-- The number of the code that wrote each projection; another number has it built anew from the log.
CREATE TABLE projections (
    name    text PRIMARY KEY,
    number  int NOT NULL
);

-- Presence, not facts: who holds what until when, by the database's clock.
CREATE TABLE claims (
    stream        text PRIMARY KEY,
    fence         int NOT NULL,
    agent         text NOT NULL,
    instance      text NOT NULL,
    boot          text NOT NULL,
    kind          text NOT NULL,
    run           text NOT NULL,
    claimed_at    timestamptz NOT NULL DEFAULT now(),
    heartbeat_at  timestamptz,
    lease_until   timestamptz NOT NULL,
    step          text NOT NULL DEFAULT '',
    step_at       timestamptz NOT NULL DEFAULT now(),
    stopping_for  text,
    stopping_since timestamptz,
    CHECK ((stopping_for IS NULL) = (stopping_since IS NULL))
);
CREATE UNIQUE INDEX claims_one_an_instance ON claims (agent, instance);

-- Work that is no issue's, each for one character: what a schedule or a person asks, incidents, merged work to score,
-- deployments to verify. A claim is columns of the row; `fence` outlives it.
CREATE TABLE chores (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text NOT NULL UNIQUE,
    kind          text NOT NULL CHECK (kind IN ('chore', 'answer', 'triage', 'judge', 'deploy')),
    agent         text NOT NULL,
    repository    text NOT NULL,
    issue         text NOT NULL DEFAULT '',
    title         text NOT NULL,
    body          text NOT NULL,
    data          jsonb NOT NULL DEFAULT '{}',
    priority      smallint NOT NULL DEFAULT 2 CHECK (priority BETWEEN 0 AND 2),
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'held', 'done', 'failed')),
    fence         int NOT NULL DEFAULT 0,
    strikes       int NOT NULL DEFAULT 0,
    instance      text NOT NULL DEFAULT '',
    boot          text NOT NULL DEFAULT '',
    run           text NOT NULL DEFAULT '',
    step          text NOT NULL DEFAULT '',
    claimed_at    timestamptz,
    heartbeat_at  timestamptz,
    lease_until   timestamptz,
    outcome       text NOT NULL DEFAULT '',
    offered_at    timestamptz NOT NULL DEFAULT now(),
    done_at       timestamptz,
    CHECK ((state = 'held') <= (lease_until IS NOT NULL))
);
CREATE INDEX chores_open ON chores (agent, priority, id) WHERE state = 'open';
CREATE UNIQUE INDEX chores_one_an_instance ON chores (agent, instance) WHERE state = 'held';
CREATE INDEX chores_over ON chores (done_at) WHERE state IN ('done', 'failed');

-- Prompts by the clock: until when each was seen to, and the chore that was made of it last.
CREATE TABLE schedules (
    agent   text NOT NULL,
    name    text NOT NULL,
    due_at  timestamptz NOT NULL,
    chore   bigint,
    PRIMARY KEY (agent, name)
);

-- What monitoring reported, by what it is; one that stays away for long enough and comes back is a new occurrence.
CREATE TABLE incidents (
    fingerprint  text PRIMARY KEY,
    repository   text NOT NULL,
    title        text NOT NULL,
    severity     text NOT NULL,
    evidence     text NOT NULL,
    occurrence   int NOT NULL DEFAULT 1,
    reports      bigint NOT NULL DEFAULT 1,
    first_at     timestamptz NOT NULL DEFAULT now(),
    last_at      timestamptz NOT NULL DEFAULT now()
);

-- Which holder was told to make room for a critical issue: one for each, however many heartbeats come at once.
CREATE TABLE interrupts (
    critical  text PRIMARY KEY,
    stream    text NOT NULL,
    fence     int NOT NULL,
    told_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE agents (
    agent     text NOT NULL,
    instance  text NOT NULL,
    role      text NOT NULL,
    step      text NOT NULL DEFAULT '',
    seen_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent, instance)
);

-- What must still be done in the world because of an event; the key makes an effect happen once.
CREATE TABLE effects (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text NOT NULL UNIQUE,
    stream        text NOT NULL,
    lane          text NOT NULL,
    kind          text NOT NULL,
    data          jsonb NOT NULL,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    attempts      int NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL DEFAULT now(),
    error         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    done_at       timestamptz
);
CREATE INDEX effects_waiting ON effects (lane, id) WHERE state = 'waiting';
CREATE INDEX effects_failed ON effects (done_at) WHERE state = 'failed';
CREATE INDEX effects_of_stream ON effects (stream, kind) WHERE state = 'waiting';

-- A row for each lane that has effects waiting: when its first one is next to be tried or, while a process does it,
-- until when that process has it. A lease's fence is never given twice.
CREATE TABLE lanes (
    lane    text PRIMARY KEY,
    state   text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'leased', 'parked')),
    due_at  timestamptz NOT NULL DEFAULT now(),
    fence   bigint NOT NULL DEFAULT 0,
    woken   boolean NOT NULL DEFAULT false,
    behind  text
);
CREATE INDEX lanes_due ON lanes (due_at);
CREATE INDEX lanes_behind ON lanes (behind) WHERE behind IS NOT NULL;
CREATE SEQUENCE lane_fences;

-- Webhook deliveries: the GUID and the body in one row, translated behind. Bodies come packed, as a raw deflate stream:
-- PostgreSQL's own compression takes ten times as long, and the disk would be waited for without any.
CREATE TABLE deliveries (
    guid         text PRIMARY KEY,
    event        text NOT NULL,
    payload      bytea STORAGE EXTERNAL NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'ignored', 'failed')),
    attempts     int NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),
    outcome      text
);
CREATE INDEX deliveries_waiting ON deliveries (received_at) WHERE state = 'waiting';

-- Lost deliveries that GitHub was asked to repeat, and when last.
CREATE TABLE redeliveries (
    guid      text PRIMARY KEY,
    asked_at  timestamptz NOT NULL DEFAULT now()
);

-- What GitHub calls the enrolled repositories now; `enrolled` is their name in the settings.
CREATE TABLE repositories (
    id             bigint PRIMARY KEY,
    name           text NOT NULL,
    enrolled       text NOT NULL,
    reconciled_at  timestamptz
);
CREATE INDEX repositories_by_name ON repositories (lower(name));

-- Answers that were given, so that a repeated request gets the same one.
CREATE TABLE answers (
    caller      text NOT NULL,
    tool        text NOT NULL,
    request_id  text NOT NULL,
    arguments   text NOT NULL,
    answer      jsonb NOT NULL,
    given_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, tool, request_id)
);

-- What is set aside in the budgets for the next model calls under a claim, while that holds: so many millionths of a
-- dollar and calls; `worst` is what one of them costs at most. `holder` is the issue's stream, or chore-7.
CREATE TABLE reservations (
    holder  text PRIMARY KEY,
    fence   int NOT NULL,
    agent   text NOT NULL,
    money   bigint NOT NULL CHECK (money >= 0),
    calls   int NOT NULL CHECK (calls >= 0),
    worst   bigint NOT NULL CHECK (worst >= 0)
);

-- What gets no new work: rig, owner/repo, agent:<name>; provider:<name> while its usage limit lasts; budget, and
-- budget:<agent>, for the rest of a day whose money is spent. With `until` it ends by itself; with `now` whoever works
-- is told to stop.
CREATE TABLE pauses (
    scope  text PRIMARY KEY,
    by     text NOT NULL,
    reason text NOT NULL DEFAULT '',
    since  timestamptz NOT NULL DEFAULT now(),
    until  timestamptz,
    now    boolean NOT NULL DEFAULT false
);

-- What agents say while they work; kept for some weeks, steps of runs for longer, never in the log of events. Who
-- numbers the lines of a run may send one again: it is kept once.
CREATE TABLE log_lines (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent  text NOT NULL,
    run    text NOT NULL DEFAULT '',
    issue  text NOT NULL DEFAULT '',
    text   text NOT NULL,
    step   boolean NOT NULL DEFAULT false,
    at     timestamptz NOT NULL DEFAULT now(),
    number bigint,
    UNIQUE (run, agent, number)
);
CREATE INDEX log_lines_by_issue ON log_lines (lower(issue), id);
CREATE INDEX log_lines_by_agent ON log_lines (agent, id);
CREATE INDEX log_lines_by_run ON log_lines (run, id);
CREATE INDEX log_lines_by_age ON log_lines (at);

-- What models said, packed by the agents; kept for some weeks, so that a later run can go on with it.
CREATE TABLE transcripts (
    work     text NOT NULL,
    agent    text NOT NULL,
    provider text NOT NULL,
    fence    int NOT NULL,
    content  bytea STORAGE EXTERNAL NOT NULL,
    kept_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (work, agent, provider)
);
CREATE INDEX transcripts_by_age ON transcripts (kept_at);

-- What people and agents tell each other. The recipient is a name, or an issue for whoever has it; `delivered_to` is
-- the instance that was handed it, and it is read once that one's model was shown it.
CREATE TABLE messages (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender        text NOT NULL,
    sender_role   text NOT NULL DEFAULT '',
    recipient     text NOT NULL,
    text          text NOT NULL,
    sent_at       timestamptz NOT NULL DEFAULT now(),
    delivered_at  timestamptz,
    delivered_to  text,
    read_at       timestamptz
);
CREATE INDEX messages_sent ON messages (sender, id);
CREATE INDEX messages_unread ON messages (recipient, id) WHERE read_at IS NULL;
