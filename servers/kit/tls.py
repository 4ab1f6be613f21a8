"""Which certificates a client of the rig trusts."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import httpx2

from servers.kit.errors import InvalidInput


@cache
def trusted() -> ssl.SSLContext:
    """Whom this machine trusts; one for all clients, for it takes time and memory to read."""
    return httpx2.create_ssl_context()


def trusting(ca_file: Path | None) -> ssl.SSLContext | None:
    """A context that trusts whom this machine trusts and, besides, who is in `ca_file`; None without one.

    Raises:
        InvalidInput: The file holds no certificates.
    """
    if ca_file is None:
        return None
    context = httpx2.create_ssl_context()
    try:
        context.load_verify_locations(cafile=ca_file.expanduser())
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(f"RIG_CA_FILE: {ca_file} holds no certificates in PEM ({error}).") from error
    return context
