"""The MCP servers of the rig, one folder each, all of one shape."""
