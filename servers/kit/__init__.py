"""What every server is built from: serving, auth, settings, database, wake-ups, errors, logs, clock."""
