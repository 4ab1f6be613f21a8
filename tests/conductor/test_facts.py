"""What is read before the gate decides: only when needed, and at the base."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from conductor.github import BaseFile, GitHubServer, SeenChanges
from conductor.issues.issue import Issue
from conductor.merge.facts import BASE_FILES, read_pull
from conductor.merge.gate import Human, Merge, Policy, Wait, gate
from conductor.merge.snapshot import Change, Snapshot
from servers.kit.errors import Conflict, Unavailable
from tests.conductor import histories as h
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD, REPOSITORY, pull_request

READY = h.ready()
CODE = Change(path="src/app.py", patch="@@\n+x = 1", additions=1, blob="b1")
RIG = Policy(hold_labels=["the-rigs-own"])


def github(*base: BaseFile) -> MemoryGitHub:
    memory = MemoryGitHub()
    memory.show(pull_request(READY, changes=None, files_changed=1))
    memory.changed[34] = SeenChanges(files=[CODE], base=list(base))
    return memory


async def read(memory: MemoryGitHub, issue: Issue = READY) -> tuple[Snapshot, Policy]:
    return await read_pull(memory, issue, REPOSITORY, 34, RIG)


@pytest.mark.parametrize("name", ["in_review", "green", "under_review", "disputed", "escalated"])
async def test_files_are_not_read_before_the_review_has_passed(name: str) -> None:
    memory = github()
    pull, policy = await read(memory, h.EVERY[name])
    assert (pull.changes, policy) == (None, RIG)
    assert memory.calls["changes"] == 0


async def test_files_of_a_pull_request_that_is_over_are_not_read() -> None:
    memory = github()
    memory.show(memory.pulls[34], state="merged")
    assert (await read(memory))[0].changes is None


async def test_a_repository_that_says_nothing_has_the_built_in_policy() -> None:
    pull, policy = await read(github())
    assert policy == Policy()
    assert gate(READY, pull, policy) == Merge(HEAD)


async def test_the_bases_settings_lay_down_the_policy() -> None:
    text = "policy:\n  holdLabels: [wait]\n  humanGates:\n    paths:\n      core: [src/]\n"
    pull, policy = await read(github(BaseFile(path=".rig-agent.yaml", text=text)))
    assert policy.hold_labels == ["wait"]
    verdict = gate(READY, pull, policy)
    assert isinstance(verdict, Human)
    assert verdict.reasons == ["`src/app.py` concerns core (path `src/`)."]


@pytest.mark.parametrize("text", ["polcy: {}\n", "[", None], ids=["misspelt", "no YAML", "no text"])
async def test_settings_that_cannot_be_read_hold_the_merge_and_loosen_nothing(text: str | None) -> None:
    pull, policy = await read(github(BaseFile(path=".rig-agent.yaml", text=text)))
    assert policy == Policy()
    verdict = gate(READY, pull, policy)
    assert isinstance(verdict, Wait)
    assert verdict.people
    assert verdict.reasons[0].startswith("`.rig-agent.yaml` ")
    assert verdict.reasons[0].endswith("Correct it on main.")


async def test_the_first_codeowners_file_counts_and_teams_of_changed_paths_are_looked_up() -> None:
    first = BaseFile(path=".github/CODEOWNERS", text="* @acme/core\n*.md @acme/docs\n")
    memory = github(BaseFile(path="docs/CODEOWNERS", text="* @nobody"), first)
    memory.teams["@acme/core"] = ["grace"]
    pull, policy = await read(memory)
    assert pull.changes
    assert pull.changes.accounts == {"@acme/core": ["grace"]}
    verdict = gate(READY, pull, policy)
    assert isinstance(verdict, Wait)
    assert verdict.reasons == ["`src/app.py` needs an approval by @acme/core (CODEOWNERS)."]


async def test_teams_are_not_looked_up_where_nobody_needs_them() -> None:
    ignoring = BaseFile(path=".rig-agent.yaml", text="policy: {codeOwners: ignore}\n")
    memory = github(BaseFile(path="CODEOWNERS", text="* @acme/core"), ignoring)
    pull, policy = await read(memory)
    assert memory.calls["accounts"] == 0
    assert gate(READY, pull, policy) == Merge(HEAD)
    memory = github(BaseFile(path="CODEOWNERS", text="* @ada"))
    await read(memory)
    assert memory.calls["accounts"] == 0


async def test_a_codeowners_file_that_is_no_text_holds_the_merge() -> None:
    pull, policy = await read(github(BaseFile(path="CODEOWNERS", text=None)))
    verdict = gate(READY, pull, policy)
    assert isinstance(verdict, Wait)
    assert verdict.reasons == ["`CODEOWNERS` is no text, or too large to read. Correct it on main."]


async def test_fewer_files_than_github_counts_need_a_person() -> None:
    memory = github()
    memory.show(memory.pulls[34], files_changed=2)
    pull, policy = await read(memory)
    assert isinstance(gate(READY, pull, policy), Human)


async def test_a_head_that_moves_meanwhile_is_looked_at_again() -> None:
    memory = github()
    memory.failing["changes"] = [Conflict("The head of #34 moved.")]
    with pytest.raises(Unavailable, match="moved"):
        await read(memory)


class Tools:
    """Answers one tool and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    async def call(self, tool: str, arguments: dict[str, Any], meta: Any = None) -> Any:
        assert tool == "get_changes"
        self.calls.append(arguments)
        return msgspec.to_builtins(SeenChanges(files=[CODE]))


async def test_changes_are_read_once_for_a_head_and_its_base() -> None:
    tools = Tools()
    server = GitHubServer(tools)  # type: ignore[arg-type]
    for base in ("b1", "b1", "b2"):
        seen = await server.changes(REPOSITORY, 34, HEAD, base, ["go.mod"], BASE_FILES)
        assert seen.files == [CODE]
    assert [call["base_sha"] for call in tools.calls] == ["b1", "b2"]
