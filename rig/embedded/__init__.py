"""Everything in one process: PostgreSQL from the wheel, all servers in one app, agents as children."""
