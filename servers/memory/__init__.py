"""The memory server: what agents and people learned, found again by meaning and by word."""
