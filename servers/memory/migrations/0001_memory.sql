-- What the rig remembers, with the two indexes it is found by: postings for BM25 and vectors.

CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA memory;

-- A scope is a repository, or everything: the row without a name. Its name never changes; the memories of a repository
-- that is called otherwise now, which GitHub's number of it tells, move to the scope of that name.
CREATE TABLE memory.scopes (
    id int GENERATED ALWAYS AS IDENTITY (MINVALUE 0 START 0) PRIMARY KEY,
    name text NOT NULL CHECK (name = '' OR name LIKE '_%/_%'),
    documents int NOT NULL DEFAULT 0 CHECK (documents >= 0),
    changed bigint NOT NULL DEFAULT 0,
    repository bigint
);
CREATE UNIQUE INDEX scopes_name ON memory.scopes (lower(name));
CREATE INDEX scopes_repository ON memory.scopes (repository);
INSERT INTO memory.scopes (name) VALUES ('');

CREATE TABLE memory.models (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    dimension int NOT NULL CHECK (dimension BETWEEN 1 AND 4000),
    UNIQUE (name, dimension)
);

CREATE TABLE memory.memories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope_id int NOT NULL REFERENCES memory.scopes,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    content text NOT NULL CHECK (content <> ''),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    importance smallint NOT NULL CHECK (importance BETWEEN 1 AND 5),
    tags jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(tags) = 'array'),
    issue text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    written_by text NOT NULL CHECK (written_by <> ''),
    role text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    trust text NOT NULL CHECK (trust IN ('low', 'normal', 'high')),
    warnings jsonb NOT NULL DEFAULT '[]',
    hits int NOT NULL DEFAULT 0 CHECK (hits >= 0),
    misled int NOT NULL DEFAULT 0 CHECK (misled >= 0),
    expires_at timestamptz,
    superseded_by bigint REFERENCES memory.memories ON DELETE SET NULL CHECK (superseded_by <> id),
    retired_at timestamptz,
    retired_by text NOT NULL DEFAULT '',
    retired_why text NOT NULL DEFAULT '',
    promoted_url text NOT NULL DEFAULT '',
    promoted_at timestamptz,
    terms int[] NOT NULL,
    indexed boolean NOT NULL DEFAULT true,
    model_id int REFERENCES memory.models,
    CHECK (NOT (indexed AND superseded_by IS NOT NULL)),
    UNIQUE (scope_id, content_hash)
);
CREATE INDEX memories_recent ON memory.memories (scope_id, written_at DESC) WHERE indexed;
CREATE INDEX memories_leading ON memory.memories (scope_id, written_at DESC) WHERE indexed AND importance = 5;
CREATE INDEX memories_ripe ON memory.memories (hits) WHERE indexed AND importance >= 4 AND promoted_at IS NULL;
CREATE INDEX memories_expiring ON memory.memories (expires_at) WHERE indexed AND expires_at IS NOT NULL;
CREATE INDEX memories_unembedded ON memory.memories (model_id NULLS FIRST, id) WHERE indexed;
CREATE INDEX memories_known ON memory.memories (scope_id, id) INCLUDE (importance, hits, misled, expires_at, issue)
    WHERE indexed;
CREATE INDEX memories_superseded ON memory.memories (superseded_by) WHERE superseded_by IS NOT NULL;

-- How much each term says about each memory, fixed when it is written (BM25's part that needs no statistics).
-- No reference to memories: checking it would cost more than the row, and nothing deletes a memory but `forget`.
CREATE TABLE memory.postings (
    scope_id int NOT NULL,
    term int NOT NULL,
    memory_id bigint NOT NULL,
    weight real NOT NULL,
    kind smallint NOT NULL,
    PRIMARY KEY (scope_id, term, memory_id) INCLUDE (weight, kind)
);
ALTER TABLE memory.postings SET (autovacuum_vacuum_insert_scale_factor = 0.05);

-- In how many memories of a scope a term stands.
CREATE TABLE memory.term_df (
    term int NOT NULL,
    scope_id int NOT NULL,
    df int NOT NULL,
    PRIMARY KEY (term, scope_id)
) WITH (fillfactor = 70);

-- One row for each part of a memory that the model could read at once; the model gives the length. The signs of a
-- vector's numbers are a sixteenth of its size, and say well enough which few hundred are worth comparing exactly.
CREATE TABLE memory.vectors (
    memory_id bigint NOT NULL REFERENCES memory.memories ON DELETE CASCADE,
    model_id int NOT NULL REFERENCES memory.models,
    part smallint NOT NULL,
    scope_id int NOT NULL,
    kind smallint NOT NULL,
    embedding halfvec NOT NULL,
    signs varbit NOT NULL GENERATED ALWAYS AS (binary_quantize(embedding)) STORED,
    PRIMARY KEY (memory_id, model_id, part)
);
CREATE INDEX vectors_scope ON memory.vectors (model_id, scope_id) INCLUDE (memory_id, part, kind, signs);
ALTER TABLE memory.vectors SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- Which memories each of a scope's last changes touched, by the number it made the scope reach. Whoever knows the scope
-- as of one number learns here what it has to read again.
CREATE TABLE memory.changes (
    scope_id int NOT NULL,
    number bigint NOT NULL,
    memory_id bigint NOT NULL,
    PRIMARY KEY (scope_id, number, memory_id)
);

-- One use per memory and issue; the last word counts.
CREATE TABLE memory.uses (
    memory_id bigint NOT NULL REFERENCES memory.memories ON DELETE CASCADE,
    issue text NOT NULL CHECK (issue <> ''),
    used_by text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('helped', 'misled')),
    used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (memory_id, issue)
);

-- What was forgotten, without what it said.
CREATE TABLE memory.forgotten (
    id bigint PRIMARY KEY,
    scope_id int NOT NULL,
    content_hash bytea NOT NULL,
    by_person boolean NOT NULL,
    forgotten_by text NOT NULL,
    why text NOT NULL,
    forgotten_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX forgotten_content ON memory.forgotten (scope_id, content_hash);

-- Facts that wait until the conductor has recorded them.
CREATE TABLE memory.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request uuid NOT NULL DEFAULT gen_random_uuid(),
    type text NOT NULL,
    agent text NOT NULL,
    data jsonb NOT NULL
);

-- The number of a model, which gets indexes of its own, for vectors of models differ in length: one of nearest
-- neighbours, and one by scope in which the vectors themselves stand side by side, as far as they fit into an index.
CREATE FUNCTION memory.model(model_name text, model_dimension int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    known int;
BEGIN
    SELECT id INTO known FROM memory.models WHERE name = model_name AND dimension = model_dimension;
    IF known IS NULL THEN
        PERFORM pg_advisory_xact_lock(7237005);
        INSERT INTO memory.models (name, dimension) VALUES (model_name, model_dimension)
            ON CONFLICT DO NOTHING RETURNING id INTO known;
        IF known IS NULL THEN
            SELECT id INTO known FROM memory.models WHERE name = model_name AND dimension = model_dimension;
        ELSE
            EXECUTE format(
                'CREATE INDEX vectors_near_%s ON memory.vectors'
                ' USING hnsw ((signs::bit(%s)) bit_hamming_ops) WHERE model_id = %s',
                known, model_dimension, known);
            EXECUTE format(
                'CREATE INDEX vectors_part_%s ON memory.vectors (scope_id, memory_id, part) %s WHERE model_id = %s',
                known, CASE WHEN model_dimension <= 1200 THEN 'INCLUDE (embedding)' ELSE '' END, known);
        END IF;
    END IF;
    RETURN known;
END $$;

-- Loads pgvector, so that its settings are known to a role that is no superuser.
SELECT '[1]'::vector;

-- The memories whose vectors are near to one, in some scopes, or among all where none are given; and others that were
-- found already, each with its cosine. Those whose signs differ least are compared exactly: of up to 150 parts, each.
-- Planned anew with the model's number, so that its indexes are found; the limits are constants for the planner's sake.
CREATE FUNCTION memory.near(
    model int, asked halfvec, scopes int[], kinds smallint[], known bigint[], known_in int[]
) RETURNS TABLE (memory_id bigint, scope_id int, cosine double precision) LANGUAGE plpgsql STABLE ROWS 120
SET hnsw.ef_search = 200 SET hnsw.iterative_scan = 'relaxed_order' AS $$
BEGIN
    IF model IS NULL THEN
        RETURN QUERY SELECT f.id, f.scope, NULL::float8 FROM unnest(known, known_in) AS f (id, scope);
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'WITH rough AS MATERIALIZED ('
        ' SELECT v.scope_id, v.memory_id, v.part FROM memory.vectors v'
        ' WHERE v.model_id = %1$s %2$s %3$s ORDER BY %4$s LIMIT 150'
        '), chosen AS ('
        ' (SELECT v.memory_id, v.scope_id FROM rough JOIN memory.vectors v'
        '  ON v.model_id = %1$s AND v.scope_id = rough.scope_id AND v.memory_id = rough.memory_id AND v.part = rough.part'
        '  GROUP BY v.memory_id, v.scope_id ORDER BY min(v.embedding <=> $1) LIMIT 60)'
        ' UNION SELECT * FROM unnest($4, $5)'
        ') SELECT c.memory_id, c.scope_id, max(1 - (v.embedding <=> $1)) FROM chosen c LEFT JOIN memory.vectors v'
        ' ON v.model_id = %1$s AND v.scope_id = c.scope_id AND v.memory_id = c.memory_id GROUP BY c.memory_id, c.scope_id',
        model,
        CASE WHEN scopes IS NOT NULL THEN 'AND v.scope_id = ANY ($2)' END,
        CASE WHEN kinds IS NOT NULL THEN 'AND v.kind = ANY ($3)' END,
        CASE WHEN scopes IS NOT NULL THEN 'v.signs <~> $6'
             ELSE format('(v.signs::bit(%s)) <~> $6::bit(%s)', vector_dims(asked), vector_dims(asked)) END
    ) USING asked, scopes, kinds, known, known_in, binary_quantize(asked);
END $$;
