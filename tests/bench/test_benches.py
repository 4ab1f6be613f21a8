"""Every bench runs and says what it measured in one shape; the README shows the same ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import BENCHES
from bench.__main__ import bench
from bench.common import Result, at_least, at_most, ratio, result
from bench.table import END, START, row

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_prints_its_measurements_as_one_line_of_json(name: str) -> None:
    command = [sys.executable, "-m", "bench", name, "--json", "--quick"]
    process = subprocess.run(command, capture_output=True, text=True, cwd=README.parent, timeout=110)
    assert process.returncode == 0, process.stderr[-2000:]
    (line,) = process.stdout.splitlines()
    measured: dict[str, Any] = json.loads(line)
    assert measured.keys() == Result.__annotations__.keys()
    assert measured["bench"] == name
    assert measured["ours"] > 0
    assert measured["targets"]
    assert {measured["settings"].get(name, "on") for name in ("fsync", "synchronous_commit")} == {"on"}
    assert (measured["peer"] is None) == (measured["peer_name"] is None)
    assert (measured["limit"] is None) == (measured["limit_name"] is None)


def test_the_table_in_the_readme_shows_every_bench() -> None:
    table = README.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(BENCHES)


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_is_named_like_its_file_and_says_what_it_measures(name: str) -> None:
    assert name == bench(name).NAME
    assert re.fullmatch(r"[A-Z][^|\n]+[^.]", bench(name).SENTENCE)


def test_a_result_is_met_only_if_all_its_targets_are() -> None:
    fast, slow = at_least("fast", 2.0, 1.0), at_most("slow", 2.0, 1.0)
    assert result("x", "s", targets=[fast])["met"]
    assert not result("x", "s", targets=[fast, slow])["met"]
    assert not at_least("unmeasured", None, 0.1)["met"]


def test_a_row_of_the_table_says_how_many_times_peer_and_limit_we_are() -> None:
    measured = result("x", "events/s", ours=3.0, peer=2.0, peer_name="the peer", targets=[at_least("a", 1, 1)])
    assert row(measured, "Things done") == "| `x` | Things done | 3 events/s | 1.50 the peer |  | 1 of 1 |"
    assert ratio(1.0, None) is None
