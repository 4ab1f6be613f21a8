"""The real Claude Code, joined with the one line that the README gives, works with a live rig as an agent does."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.doubles.anthropic.process import AnthropicDouble, running
from tests.mesh.watching import ISSUE, Watch, watched

pytestmark = pytest.mark.timeout(240)
README = Path(__file__).parents[2] / "README.md"
JOIN = (
    "claude mcp add --transport http rig http://127.0.0.1:7700/mcp/conductor"
    ' --header "Authorization: Bearer $(cat .rig/token)"'
)
ASK = """\
claude -p "See what the rig has to do, take one thing, say that you started, and give it back." \
--allowedTools "mcp__rig__*" --output-format stream-json --verbose"""
SECONDS = 90.0


@dataclass(frozen=True)
class Desk:
    """A person's shell with an empty home, in a folder where `rig up` left its token."""

    folder: Path
    environment: dict[str, str]

    async def run(self, line: str) -> str:
        """What a line says that ends well."""
        process = await asyncio.create_subprocess_shell(
            line,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
        said = output.decode()
        assert process.returncode == 0, said
        return said


@pytest.fixture
async def watch() -> AsyncGenerator[Watch]:
    async with watched() as watch:
        yield watch


@pytest.fixture
async def person() -> AsyncGenerator[AnthropicDouble]:
    """The model that answers the person's Claude Code, apart from the agents' one."""
    async with running(script="rig.doubles.anthropic.scripts_people:play") as double:
        yield double


@pytest.fixture
def desk(watch: Watch, person: AnthropicDouble, tmp_path: Path, need: Callable[..., str]) -> Desk:
    folder = tmp_path / "project"
    (folder / ".rig").mkdir(parents=True)
    (folder / ".rig" / "token").write_text(watch.stage.token())
    path = os.pathsep.join([str(Path(need("claude")).parent), os.environ.get("PATH", os.defpath)])
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    home = {"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"), "PATH": path}
    return Desk(folder, person.environment | quiet | home)


def test_the_readme_gives_the_line_that_is_tested_here() -> None:
    assert JOIN in README.read_text().splitlines()


async def test_a_person_in_claude_code_lists_claims_reports_and_releases(
    watch: Watch, desk: Desk, person: AnthropicDouble
) -> None:
    await watch.ask("pause", scope="agent:dev-e-python")
    await watch.stage.file_issue(0)
    await watch.next("ISSUE_APPROVED")

    await desk.run(JOIN.replace("http://127.0.0.1:7700", watch.stage.url))
    assert "✔ Connected" in await desk.run("claude mcp list")
    result = json.loads((await desk.run(ASK)).splitlines()[-1])

    me = (await watch.next("ISSUE_ASSIGNED", kind="implement"))["actor"]
    for kind in ("WORK_STARTED", "ISSUE_UNASSIGNED"):
        assert (await watch.next(kind, fence=1))["actor"] == me
    assert [one["name"] for entry in await person.requests() for one in entry.tool_uses] == [
        "mcp__rig__list_issues",
        "mcp__rig__claim_assignment",
        "mcp__rig__report_event",
        "mcp__rig__release_assignment",
    ]
    assert (result["is_error"], result["permission_denials"]) == (False, [])
    assert (await watch.ask("get_issue", issue=ISSUE))["state"] == "queued"
