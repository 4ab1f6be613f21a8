"""Fences around other people's words: unguessable, one for a run, and nothing inside can look like one."""

from __future__ import annotations

import re
import secrets

_TAG = re.compile(r"<(?=\W{0,20}untrusted)", re.IGNORECASE)


class Fence:
    """The fence of one run.

    Args:
        nonce: What nobody can guess; given only by tests.
    """

    def __init__(self, nonce: str = "") -> None:
        self.nonce = nonce or secrets.token_hex(8)

    def around(self, source: str, text: str) -> str:
        """`text` as data that came from `source`."""
        return f'<untrusted-{self.nonce} source="{source}">\n{neutral(text)}\n</untrusted-{self.nonce}>'


def neutral(text: str) -> str:
    """`text` in which whatever could be taken for a fence begins with another sign; all else stays as it is."""
    return _TAG.sub("‹", text)
