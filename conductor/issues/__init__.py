"""What happens to one issue: pure, from a command to events to a state to effects."""
