"""The `rig` command; each command's module says what it does and imports what it needs only when it runs."""

from __future__ import annotations

import sys

from servers.kit.garbage import look_seldom


def main() -> None:
    """Run one command; what the rig refuses is one line on standard error, exit code 2 for bad input."""
    if sys.argv[1:3] == ["guard", "hook"] and not {"-h", "--help"} & set(sys.argv):
        # It starts before every call of a tool, so it does without the others' imports.
        from servers.workspace.guard.hook import main as hook

        sys.exit(hook(sys.argv[3:]))
    look_seldom()
    from rig.cli.commands import run

    run()
