"""Which hosts the package clients of this machine fetch from."""

from __future__ import annotations

import asyncio
import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LIST = Path(__file__).with_name("registries.toml")
VARIABLES = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "npm_config_registry",
    "GOPROXY",
)
ASK_SECONDS = 15


async def known(path: Path = LIST) -> tuple[str, ...]:
    """The hosts, from the clients' own settings and the list beside this file; asking takes about a second."""
    clients: list[dict[str, Any]] = tomllib.loads(await asyncio.to_thread(path.read_text))["client"]
    said = await asyncio.gather(*(_asked(client["ask"]) for client in clients if "ask" in client))
    named = [host for client in clients for host in client.get("hosts", [])]
    urls = " ".join([*said, *(os.environ.get(name, "") for name in VARIABLES)])
    return tuple(dict.fromkeys([*named, *hosts_in(urls)]))


def hosts_in(text: str) -> list[str]:
    """The hosts of the URLs in a text, with their port where it is not the web's."""
    found: list[str] = []
    for url in re.finditer(r"https?://[^\s,|'\"]+", text):
        parts = urlsplit(url[0])
        if parts.hostname:
            found.append(f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname)
    return found


async def _asked(argv: list[str]) -> str:
    """What a client says; nothing where it is not installed."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        # Not in the workspace, whose files could say otherwise.
        process = await asyncio.create_subprocess_exec(*argv, cwd="/", stdin=null, stdout=pipe, stderr=null)
    except OSError:
        return ""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        return ""
    return out.decode(errors="replace") if process.returncode == 0 else ""
