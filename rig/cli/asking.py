"""How a command asks a running rig: over MCP, as everybody does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def ask(tool: str, arguments: Mapping[str, Any], server: str = "conductor") -> Any:
    """What `tool` of a server answers to the person at the keyboard; arguments that are None are left out.

    Raises:
        RigError: There is no token, the rig does not run, or it refuses.
    """
    import asyncio

    from rig.cli.access import ClientSettings
    from servers.kit import logs
    from servers.kit.client import tool_client

    logs.configure("ERROR")
    settings = ClientSettings.load()
    token = settings.bearer()
    given = {name: value for name, value in arguments.items() if value is not None}

    async def asked() -> Any:
        async with tool_client(f"{settings.base}/mcp/{server}", lambda: token, attempts=2) as client:
            return await client.call(tool, given)

    return asyncio.run(asked())
