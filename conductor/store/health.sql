-- :name tail
-- How many positions are missing among the newest events, and how many of their issues are projected otherwise.
WITH newest AS (
    SELECT position, stream, version FROM events
    WHERE position > (SELECT max(position) FROM events) - $1::bigint
), heads AS (
    SELECT stream, max(version) AS version FROM newest WHERE stream LIKE 'issue-%' GROUP BY stream
)
SELECT (SELECT coalesce(max(position) - min(position) + 1 - count(*), 0) FROM newest) AS missing,
       (SELECT count(*) FROM heads LEFT JOIN issues USING (stream)
        WHERE issues.version IS DISTINCT FROM heads.version) AS behind
