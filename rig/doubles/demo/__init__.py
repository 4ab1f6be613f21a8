"""The demo's world: a small real repository, ten issues on it, and the scripts of those who work on them."""
