-- :name report
-- Notes an incident; one that stayed away for $6 hours is a new occurrence. Says which occurrence it is, and how often it
-- was reported.
INSERT INTO incidents AS i (fingerprint, repository, title, severity, evidence) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (fingerprint) DO UPDATE SET
    repository = excluded.repository, title = excluded.title, severity = excluded.severity,
    evidence = excluded.evidence, reports = i.reports + 1, last_at = now(),
    occurrence = i.occurrence + (i.last_at < now() - make_interval(secs => 3600 * $6::float8))::int
RETURNING occurrence, reports, first_at
