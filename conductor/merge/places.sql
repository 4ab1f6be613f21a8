-- :name places
-- Where issues stand in their trains, which pull request is right before each, and what was said about it.
SELECT mine.stream, mine.error AS words,
       (SELECT count(*) FROM effects w WHERE w.lane = mine.lane AND w.state = 'waiting' AND w.id <= mine.id)::int
           AS number,
       (SELECT i.pull_number FROM effects a JOIN issues i ON i.stream = a.stream
        WHERE a.lane = mine.lane AND a.state = 'waiting' AND a.id < mine.id ORDER BY a.id DESC LIMIT 1) AS ahead
FROM (
    SELECT DISTINCT ON (stream) stream, id, lane, error FROM effects
    WHERE stream = ANY ($1) AND kind = 'merge' AND state = 'waiting' ORDER BY stream, id
) AS mine

-- :name leave_train
-- Takes an issue out of its train, wherever it stands.
UPDATE effects SET state = 'done', done_at = now() WHERE stream = $1 AND kind = 'merge' AND state = 'waiting'

-- :name move_up
-- Has those at the front of a train say where they stand now; $2 makes the keys.
WITH riding AS (
    SELECT id, stream FROM effects WHERE lane = $1 AND state = 'waiting' ORDER BY id LIMIT 10
), written AS (
    INSERT INTO effects (key, stream, lane, kind, data)
    SELECT $2 || ':' || id, stream, stream, 'tell_place', '{}' FROM riding
    ON CONFLICT (key) DO NOTHING
    RETURNING lane
)
INSERT INTO lanes (lane) SELECT DISTINCT lane FROM written ORDER BY lane
ON CONFLICT (lane) DO UPDATE SET lane = excluded.lane
