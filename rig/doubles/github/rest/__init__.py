"""The REST API, one module per part of GitHub's reference."""
