"""Runs every bench, each in a process of its own, and writes the README's table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.common import Result

README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- bench -->", "<!-- /bench -->"
HEAD = "| Bench | | Ours | × peer | × limit | Targets met |\n|---|---|---|---|---|---|"


def write(benches: Mapping[str, str], quick: bool) -> int:
    """Run all and write the table between its marks; 1 where a target is missed or a bench fails."""
    results = [measure(name, quick) for name in benches]
    rows = [row(result, benches[result["bench"]]) for result in results]
    said = f"{machine()}; {database(results)}."
    how = "One short round each, only to see that all run," if quick else "Medians of interleaved rounds"
    text = "\n".join([START, f"{how} on {said}", "", HEAD, *rows, END])
    readme = README.read_text(encoding="utf-8")
    README.write_text(re.sub(f"{START}.*?{END}", lambda _: text, readme, flags=re.DOTALL), encoding="utf-8")
    return 0 if quick or all(result["met"] for result in results) else 1


def measure(name: str, quick: bool) -> Result:
    """The result of one bench in a fresh process.

    Raises:
        RuntimeError: The bench printed no result, for it failed.
    """
    command = [sys.executable, "-m", "bench", name, "--json", *(["--quick"] if quick else [])]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=README.parent, check=False)
    if not process.stdout.strip():
        raise RuntimeError(f"The bench {name} failed.")
    return json.loads(process.stdout)


def row(result: Result, sentence: str) -> str:
    """A bench's line of the table."""
    ours = f"{result['ours']:,.0f} {result['unit']}" if result["ours"] is not None else ""
    peer = _times(result["ratio_peer"], result["peer_name"])
    limit = _times(result["ratio_limit"], result["limit_name"])
    met = f"{sum(target['met'] for target in result['targets'])} of {len(result['targets'])}"
    return f"| `{result['bench']}` | {sentence} | {ours} | {peer} | {limit} | {met} |"


def _times(ratio: float | None, name: str | None) -> str:
    return f"{ratio:.2f} {name}" if ratio is not None else ""


def machine() -> str:
    """The processor and how many of its cores there are for us."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores {model}".strip()


def database(results: list[Result]) -> str:
    """The PostgreSQL of the results and what makes it durable."""
    settings = max((result["settings"] for result in results), key=len)
    said = [f"{name} {value}" for name, value in settings.items() if name != "server_version"]
    return ", ".join([f"PostgreSQL {settings.get('server_version', '')}", *said])
