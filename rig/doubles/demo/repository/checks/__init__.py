"""What CI checks beyond the unit tests."""
