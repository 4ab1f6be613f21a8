"""How GitHub writes each object as JSON."""
