"""The least that an MCP server can be: one trivial tool on the SDK as it comes, served by its own `run`."""

from __future__ import annotations

import sys

from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
def nothing(kinds: list[str] | None = None, wait_seconds: float = 0) -> dict[str, str]:
    """Answer at once."""
    return {"said": "nothing"}


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]))
