"""Which of git's settings nobody changes from here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from servers.workspace.guard.verdict import Blocked

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

TAKES_OVER = re.compile(
    r"core\.(hookspath|sshcommand|gitproxy|askpass|fsmonitor|worktree|attributesfile|excludesfile.exec)"
    r"|credential\..*|url\..*|remote\..*\.(url|pushurl|vcs|proxy|uploadpack|receivepack|push|mirror)"
    r"|http\..*(proxy|extraheader|sslverify|cookiefile|sslcert|sslkey)|https\..*|include\.path|includeif\..*"
    r"|protocol\..*|filter\..*|diff\..*\.(command|textconv)|merge\..*\.driver|gpg\.(.*\.)?program|ssh\.variant"
    r"|uploadpack\..*|receive\..*|transfer\..*hook.*|sendemail\..*|http\.sslverify|safe\.directory\.all|init\.templatedir"
    r"|submodule\..*\.(url|update)|trailer\..*|branch\..*\.(pushremote)|remote\.pushdefault|push\.default\.none"
)
RUNS = re.compile(
    r"alias\..*|core\.(editor|pager)|sequence\.editor|pager\..*|diff\.external|(diff|merge)tool\..*\.cmd"
    r"|browser\..*\.cmd|man\..*\.cmd|instaweb\..*|web\.browser|interactive\.difffilter|difftool\..*"
)
HARMLESS_VALUES = ("", "true", "cat", "false", ":")


def check(shell: Shell, key: str, value: str) -> None:
    """Setting `key` to `value`, for one command or for good.

    Raises:
        Blocked: It takes over git's transport, hooks or credentials, or starts what is forbidden.
    """
    name = key.lower()
    if name in ("http.sslverify",) and value == "true":
        return
    if TAKES_OVER.fullmatch(name):
        raise Blocked(f"Setting {key} puts another program, place or credential under git. Use git as it is set up.")
    if RUNS.fullmatch(name) and value not in HARMLESS_VALUES:
        script = value[1:] if value.startswith("!") else f"git {value}" if name.startswith("alias.") else value
        shell.script(script)
