"""What each kind of command may do."""
