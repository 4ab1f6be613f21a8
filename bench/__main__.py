"""`python -m bench NAME [--json] [--quick]` measures one thing; `python -m bench all` fills the README's table."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Awaitable
from typing import Protocol, cast

import uvloop

from bench import BENCHES
from bench.common import Result, stderr
from bench.table import write
from servers.kit.logs import configure


class Bench(Protocol):
    """A module of this package: what it is called, one sentence on what it measures, and the measurement."""

    NAME: str
    SENTENCE: str

    def run(self, quick: bool) -> Awaitable[Result]: ...


def bench(name: str) -> Bench:
    """The bench `name`; one whose peer is not installed does not load."""
    return cast(Bench, importlib.import_module(f"bench.{name}"))


async def measured(name: str, quick: bool) -> Result:
    return await bench(name).run(quick)


def show(result: Result) -> None:
    """Print a result for a person."""
    for key in ("ours", "peer", "limit"):
        if result[key] is not None:
            name = result.get(f"{key}_name") or ""
            stderr.print(f"{key:>6} {result[key]:>12,.1f} {result['unit']}  {name}")
    for target in result["targets"]:
        bound = f"≥ {target['at_least']}" if target["at_least"] is not None else f"≤ {target['at_most']}"
        mark = "[green]✓[/green]" if target["met"] else "[red]✗[/red]"
        stderr.print(f"{mark} {target['what']}: {target['value']:g} ({bound})")


def main() -> int:
    """Exit 1 where a target is missed in a full run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    asked, more = parser.parse_known_args()
    if more:
        take = getattr(bench(asked.name), "configure", None) if asked.name != "all" else None
        if take is None:
            parser.error(f"unrecognized arguments: {' '.join(more)}")
        take(more)
    if asked.name == "all":
        return write({name: bench(name).SENTENCE for name in BENCHES}, asked.quick)
    configure("WARNING")
    result = uvloop.run(measured(asked.name, asked.quick))
    if asked.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        show(result)
    return 0 if result["met"] or asked.quick else 1


if __name__ == "__main__":
    sys.exit(main())
