"""The runtime of an agent: a character, its MCP connections, a model loop and a verified result."""
