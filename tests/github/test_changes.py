"""What a pull request changes, and who owns it."""

from __future__ import annotations

from typing import Any

import pytest

from servers.github.changes import PATCHES_LIMIT
from servers.kit.errors import Conflict
from tests.github.conftest import FILES, TALLY, Rig

MANIFESTS = ["pyproject.toml", "requirements*.txt", "*.csproj"]
BASE = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".rig-agent.yaml"]


async def _changes(rig: Rig, pull: Any, **more: Any) -> Any:
    service = await rig.service()
    seen = await service.call("get_pull_request_snapshot", repository=TALLY, number=pull["number"])
    asked: dict[str, Any] = {"head_sha": seen["head_sha"], "base_sha": seen["base_sha"]}
    asked |= {"contents": MANIFESTS, "base_files": BASE} | more
    return await service.call("get_changes", repository=TALLY, number=pull["number"], **asked)


async def test_files_come_with_their_patches_and_named_ones_in_full(rig: Rig) -> None:
    await rig.double.push_files(TALLY, "main", {"requirements.txt": "rich\n", "CODEOWNERS": "* @ada\n"}, login="ada")
    files: dict[str, str | None] = {
        "app.py": FILES["app.py"].replace("line_3 = 3", "line_3 = 33"),
        "requirements.txt": "rich\nhttpx\n",
        "lib/pyproject.toml": "[project]\n",
        "README.md": None,
    }
    seen = await _changes(rig, await rig.pull(files=files))
    by_path = {file["path"]: file for file in seen["files"]}
    assert set(by_path) == {"app.py", "requirements.txt", "lib/pyproject.toml", "README.md"}
    assert "+line_3 = 33" in by_path["app.py"]["patch"].splitlines()
    assert (by_path["README.md"]["status"], by_path["app.py"]["additions"]) == ("removed", 1)
    assert seen["complete"]
    assert {(c["path"], c["before"], c["after"], c["readable"]) for c in seen["contents"]} == {
        ("requirements.txt", "rich\n", "rich\nhttpx\n", True),
        ("lib/pyproject.toml", None, "[project]\n", True),
    }
    assert seen["base"] == [{"path": "CODEOWNERS", "text": "* @ada\n"}]


async def test_a_renamed_file_names_both_paths(rig: Rig) -> None:
    pull = await rig.pull(files={"app.py": None, "core.py": FILES["app.py"]})
    [file] = (await _changes(rig, pull))["files"]
    assert (file["path"], file["previous_path"], file["status"]) == ("core.py", "app.py", "renamed")


async def test_what_was_read_of_another_head_is_refused(rig: Rig) -> None:
    pull = await rig.pull()
    head = pull["head_sha"]
    await rig.double.push_files(TALLY, "feature/one", {"more.txt": "x\n"}, login="rig-dev[bot]")
    with pytest.raises(Conflict, match="moved"):
        await _changes(rig, pull, head_sha=head)


async def test_patches_beyond_the_limit_are_left_out(rig: Rig) -> None:
    lines = "".join(f"x{n} = '{'y' * 90}'\n" for n in range(9_000))
    files: dict[str, str | None] = {"one.py": lines, "two.py": lines, "z.py": "x = 1\n"}
    assert len(lines) < PATCHES_LIMIT < 2 * len(lines)
    shown = {file["path"]: file["patch"] for file in (await _changes(rig, await rig.pull(files=files)))["files"]}
    assert shown["one.py"]
    assert shown["two.py"] is None
    assert shown["z.py"]


async def test_teams_and_addresses_lead_to_accounts_where_github_tells(rig: Rig) -> None:
    await rig.double.team("acme/core", ["ada", "mallory"])
    await rig.double.public_email("ada", "ada@example.com")
    owners = ["@acme/core", "@acme/hidden", "ada@example.com", "nobody@example.com"]
    seen = await (await rig.service()).call("resolve_owners", repository=TALLY, owners=owners)
    assert seen["accounts"] == {
        "@acme/core": ["ada", "mallory"],
        "@acme/hidden": None,
        "ada@example.com": ["ada"],
        "nobody@example.com": None,
    }
