"""Pull requests through the server: opened once, read, changed, updated."""

from __future__ import annotations

import pytest

from servers.kit.errors import Conflict, InvalidInput, NotFound, TooLarge
from tests.github.conftest import TALLY, Rig


async def test_a_pull_request_is_opened_once_for_a_branch(rig: Rig) -> None:
    first = await rig.pull()
    again = await (await rig.dev()).call(
        "open_pull_request", repository=TALLY, head="feature/one", base="main", title="Another", body="x"
    )
    assert first["created"]
    assert not again["created"]
    assert again["number"] == first["number"]
    assert again["head_sha"] == first["head_sha"]
    read = await (await rig.dev()).call("get_pull_request", repository=TALLY, number=first["number"])
    assert (read["title"], read["author"], read["state"]) == ("feat: one", "rig-dev[bot]", "open")
    assert (read["head_ref"], read["base_ref"], read["files_changed"]) == ("feature/one", "main", 1)
    assert read["merged_sha"] is None


async def test_only_the_changed_lines_are_in_the_diff(rig: Rig) -> None:
    pull = await rig.pull()
    dev = await rig.dev()
    diff = await dev.call("get_diff", repository=TALLY, number=pull["number"])
    assert "+line_3 = 33" in diff["diff"]
    assert not diff["truncated"]
    one = await dev.call("get_diff", repository=TALLY, number=pull["number"], path="app.py")
    assert one == diff
    with pytest.raises(NotFound, match="does not change README"):
        await dev.call("get_diff", repository=TALLY, number=pull["number"], path="README.md")
    files = await dev.call("list_changed_files", repository=TALLY, number=pull["number"])
    assert files == {
        "files": [{"path": "app.py", "previous_path": None, "status": "modified", "additions": 1, "deletions": 1}],
        "truncated": False,
    }


async def test_a_long_diff_is_cut_and_says_so(rig: Rig) -> None:
    pull = await rig.pull("feature/long", {"long.txt": "a line of some length\n" * 20_000})
    diff = await (await rig.dev()).call("get_diff", repository=TALLY, number=pull["number"])
    assert len(diff["diff"]) == 200_000
    assert diff["truncated"]


async def test_pull_requests_are_listed_by_branch(rig: Rig) -> None:
    one, two = await rig.pull(), await rig.pull("feature/two", {"two.txt": "2\n"})
    dev = await rig.dev()
    listed = await dev.call("list_pull_requests", repository=TALLY)
    assert {p["number"] for p in listed["pull_requests"]} == {one["number"], two["number"]}
    found = await dev.call("list_pull_requests", repository=TALLY, head="feature/two", base="main")
    assert [p["number"] for p in found["pull_requests"]] == [two["number"]]
    assert len((await dev.call("list_pull_requests", repository=TALLY, limit=1))["pull_requests"]) == 1


async def test_title_body_and_state_change_and_the_rest_stays(rig: Rig) -> None:
    number = (await rig.pull())["number"]
    dev = await rig.dev()
    changed = await dev.call("update_pull_request", repository=TALLY, number=number, title="fix: two")
    assert changed["title"] == "fix: two"
    read = await dev.call("get_pull_request", repository=TALLY, number=number)
    assert read["body"] == "Closes #1"
    closed = await dev.call("update_pull_request", repository=TALLY, number=number, state="closed")
    assert closed["state"] == "closed"
    with pytest.raises(InvalidInput):
        await dev.call("update_pull_request", repository=TALLY, number=number, state="all")


async def test_a_file_is_read_at_a_ref(rig: Rig) -> None:
    await rig.pull()
    dev = await rig.dev()
    main = await dev.call("get_file", repository=TALLY, path="app.py")
    branch = await dev.call("get_file", repository=TALLY, path="app.py", ref="feature/one")
    assert "line_3 = 3\n" in main["content"]
    assert "line_3 = 33\n" in branch["content"]
    assert main["sha"] != branch["sha"]
    with pytest.raises(NotFound):
        await dev.call("get_file", repository=TALLY, path="nowhere.py")
    with pytest.raises(NotFound):
        await dev.call("get_file", repository=TALLY, path="app.py", ref="no-such-branch")
    with pytest.raises(InvalidInput, match="folder"):
        await dev.call("get_file", repository=TALLY, path=".github")


async def test_a_huge_file_is_refused(rig: Rig) -> None:
    await rig.pull("feature/huge", {"huge.txt": "x" * 600_000})
    with pytest.raises(TooLarge):
        await (await rig.dev()).call("get_file", repository=TALLY, path="huge.txt", ref="feature/huge")


async def test_the_base_is_merged_into_the_branch(rig: Rig) -> None:
    pull = await rig.pull()
    dev = await rig.dev()
    at = {"repository": TALLY, "number": pull["number"]}
    same = await dev.call("update_branch", **at, head_sha=pull["head_sha"])
    assert not same["updated"]
    await rig.double.push_files(TALLY, "main", {"README.md": "# Tally 2\n"}, login="ada")
    updated = await dev.call("update_branch", **at, head_sha=pull["head_sha"])
    assert updated["updated"]
    await rig.double.settle()
    with pytest.raises(Conflict):
        await dev.call("update_branch", **at, head_sha=pull["head_sha"])


async def test_a_branch_that_conflicts_is_not_updated(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.push_files(TALLY, "main", {"app.py": "all new\n"}, login="ada")
    with pytest.raises(Conflict):
        await (await rig.dev()).call(
            "update_branch", repository=TALLY, number=pull["number"], head_sha=pull["head_sha"]
        )
