"""A repository's set-up runs before the model, with more in reach than the model's commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from rig.doubles.anthropic.script import Play, say, use

if TYPE_CHECKING:
    from tests.agents.stage import Stage

FINISH = use("finish", title="fix: double the number", summary="It added one too many.")


def rules(stage: Stage, text: str) -> None:
    """Put other settings of the repository on its base."""
    stage.push({".rig-agent.yaml": text}, "main", branch="main")


def looking(command: str, said: list[str]) -> Callable[[], Play]:
    """A model that runs a command, notes what it says, and repairs."""

    def play() -> Play:
        ran = yield say("", use("mcp__workspace__run_command", command=command))
        said.append(ran.only.text)
        whole = "def double(n):\n    return 2 * n\n"
        (yield say("", use("mcp__workspace__write_file", path="app.py", content=whole))).only.ok()
        yield say("", FINISH)

    return play


async def test_set_up_runs_before_the_model_and_what_it_made_stays(stage: Stage) -> None:
    tool = "mkdir -p .venv/bin; cp /bin/true .venv/bin/fetched"
    said_there = f"setupCommand: echo fetched > ~/dependency; {tool}\ntestCommand: grep fetched ~/dependency\n"
    rules(stage, f"tools: [git, fetched]\n{said_there}")
    said: list[str] = []
    stage.script(looking("cat ~/dependency; git log --oneline | wc -l; git status --short | grep -vc venv/", said))
    stage.offer()
    await stage.run()
    assert stage.conductor.facts()[-1] == "complete_assignment"
    assert "fetched\\n2\\n0\\n" in said[0]


@pytest.mark.parametrize(
    ("settings", "error_class", "words"),
    [
        ("setupCommand: echo no such package; exit 3\n", "setup_failed", "no such package"),
        ("tools: [git, 'no such;tool', nosuch]\n", "missing_tools", "lack no such;tool, nosuch, which"),
    ],
)
async def test_what_the_set_up_lacks_is_said_before_a_model_is_asked(
    stage: Stage, settings: str, error_class: str, words: str
) -> None:
    rules(stage, settings)
    stage.offer()
    await stage.run()
    stuck = stage.conductor.said("report_stuck")[0]
    assert stuck["error_class"] == error_class
    assert words in stuck["reason"] + stuck["evidence"]
    assert not stage.requests


async def test_the_models_commands_have_no_way_out(stage: Stage) -> None:
    said: list[str] = []
    port = stage.url.rpartition(":")[2]
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 3); print('reached')"
    stage.script(looking(f'env | grep -ci proxy; python3 -c "{connect}"', said))
    stage.offer()
    await stage.run()
    assert "reached\\n" not in said[0]
    assert '"stdout": "0\\n"' in said[0]


async def test_hosts_that_the_base_names_are_in_reach_of_the_models_commands(stage: Stage) -> None:
    rules(stage, "policy:\n  network: [api.example.org]\n")
    said: list[str] = []
    stage.script(looking("env | grep -c HTTPS_PROXY", said))
    stage.offer()
    await stage.run()
    assert '"stdout": "1\\n"' in said[0]
