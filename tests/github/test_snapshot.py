"""The snapshot that the merge gate decides on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from servers.github.models import Check
from servers.github.snapshot import actor, run_state, status_state, summarize
from servers.kit.errors import NotFound
from tests.github.conftest import FILES, TALLY, Rig


async def _snapshot(rig: Rig, number: int) -> Any:
    return await (await rig.service()).call("get_pull_request_snapshot", repository=TALLY, number=number)


async def test_everything_about_a_green_pull_request_is_in_one_read(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.settle()
    seen = await _snapshot(rig, pull["number"])
    repository = await (await rig.service()).call("get_repository", repository=TALLY)
    assert seen["repository_id"] == repository["id"]
    assert (seen["repository"], seen["number"], seen["title"]) == (TALLY, pull["number"], "feat: one")
    assert (seen["author"], seen["state"], seen["draft"]) == ("rig-dev[bot]", "open", False)
    assert (seen["head_sha"], seen["head_ref"], seen["base_ref"]) == (
        pull["head_sha"],
        "feature/one",
        "main",
    )
    assert seen["mergeable"] == "mergeable"
    assert seen["closes"] == [f"{TALLY}#1"]
    assert [(c["name"], c["kind"], c["state"], c["required"]) for c in seen["checks"]] == [
        ("tests", "check_run", "success", False)
    ]
    assert (seen["checks_state"], seen["log_tail"]) == ("success", None)
    assert (seen["reviews"], seen["threads"], seen["labels"]) == ([], [], [])
    assert (seen["files_changed"], seen["merged_sha"], seen["merged_by"]) == (1, None, None)
    assert not seen["in_merge_queue"]


async def test_a_red_check_comes_with_the_end_of_its_log(rig: Rig) -> None:
    pull = await rig.pull(files={"app.py": "broken = 1\n" + FILES["app.py"]})
    await rig.double.settle()
    await rig.double.protect(TALLY, branch="main", required_checks=["tests"])
    seen = await _snapshot(rig, pull["number"])
    assert seen["checks_state"] == "failure"
    assert [(c["state"], c["required"]) for c in seen["checks"]] == [("failure", True)]
    assert "tests: failure" in seen["log_tail"]
    assert "broken = 1" in seen["log_tail"]
    assert len(seen["log_tail"]) <= 4_000


async def test_a_long_log_is_cut_to_its_end(rig: Rig) -> None:
    noisy = "for i in $(seq 2000); do echo noise line $i; done; echo the end; exit 1\n"
    pull = await rig.pull(files={"check.sh": noisy})
    await rig.double.settle()
    seen = await _snapshot(rig, pull["number"])
    assert "the end" in seen["log_tail"]
    assert "tests: failure" in seen["log_tail"]
    assert len(seen["log_tail"]) <= 4_000


async def test_a_failed_status_says_its_description(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.settle()
    service = await rig.service()
    status = {"sha": pull["head_sha"], "context": "deploy", "state": "failure", "description": "No space."}
    await service.call("set_status", repository=TALLY, **status)
    seen = await _snapshot(rig, pull["number"])
    assert {(c["name"], c["kind"], c["state"]) for c in seen["checks"]} == {
        ("tests", "check_run", "success"),
        ("deploy", "status", "failure"),
    }
    assert (seen["checks_state"], seen["log_tail"]) == ("failure", "deploy: No space.")


async def test_more_checks_than_one_page_are_all_read(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.settle()
    path = f"/repos/{TALLY}/statuses/{pull['head_sha']}"
    contexts = [{"state": "success", "context": f"check-{number}"} for number in range(120)]
    await asyncio.gather(*(rig.double.api("POST", path, "conductor", body) for body in contexts))
    seen = await _snapshot(rig, pull["number"])
    assert len(seen["checks"]) == 121
    assert seen["checks_state"] == "success"


async def test_opinions_of_writers_count_at_the_head_they_were_given_on(rig: Rig) -> None:
    pull = await rig.pull()
    review = {"number": pull["number"], "head_sha": pull["head_sha"], "body": "Fine."}
    await (await rig.reviewer()).call("post_review", repository=TALLY, **review, verdict="approve", key="one")
    path = f"/repos/{TALLY}/pulls/{pull['number']}/reviews"
    await rig.double.api("POST", path, "mallory", {"event": "REQUEST_CHANGES", "body": "No!"})
    later = await rig.double.push_files(TALLY, "feature/one", {"more.txt": "x\n"}, login="rig-dev[bot]")
    seen = await _snapshot(rig, pull["number"])
    assert seen["head_sha"] == later
    [opinion] = seen["reviews"]
    assert (opinion["author"], opinion["state"]) == ("rig-review[bot]", "approved")
    assert opinion["head_sha"] == pull["head_sha"]
    assert opinion["body"].startswith("Fine.")


async def test_it_says_who_wrote_the_commits_but_not_who_only_merged_the_base(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.push_files(TALLY, "feature/one", {"more.txt": "x\n"}, login="grace")
    together = "Both\n\nCo-authored-by: mallory <m@x>"
    bot = {"login": "rig-dev[bot]", "message": together}
    await rig.double.push_files(TALLY, "feature/one", {"both.txt": "x\n"}, **bot)
    await rig.double.push_files(TALLY, "main", {"base.txt": "x\n"}, login="ada")
    path = f"/repos/{TALLY}/pulls/{pull['number']}/update-branch"
    assert (await rig.double.api("PUT", path, "ada", {})).status_code == 202
    await rig.double.settle()
    assert (await _snapshot(rig, pull["number"]))["written_by"] == ["grace", "mallory"]


async def test_a_conflict_is_seen(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.push_files(TALLY, "main", {"app.py": "all new\n"}, login="ada")
    assert (await _snapshot(rig, pull["number"]))["mergeable"] == "conflicting"


async def test_a_merged_and_a_closed_pull_request_say_so(rig: Rig) -> None:
    pull = await rig.pull()
    merged = await (await rig.service()).call(
        "merge_pull_request",
        repository=TALLY,
        number=pull["number"],
        head_sha=pull["head_sha"],
        title="feat: one",
        message="",
    )
    seen = await _snapshot(rig, pull["number"])
    assert (seen["state"], seen["merged_sha"]) == ("merged", merged["sha"])
    assert seen["merged_by"] == "rig-conductor[bot]"
    other = await rig.pull("feature/two", {"two.txt": "2\n"})
    await (await rig.dev()).call("update_pull_request", repository=TALLY, number=other["number"], state="closed")
    assert (await _snapshot(rig, other["number"]))["state"] == "closed"


async def test_an_issue_has_no_snapshot(rig: Rig) -> None:
    for number in (1, 999):
        with pytest.raises(NotFound):
            await _snapshot(rig, number)


@pytest.mark.parametrize(
    ("status", "conclusion", "state"),
    [
        ("QUEUED", None, "pending"),
        ("in_progress", None, "pending"),
        ("COMPLETED", "SUCCESS", "success"),
        ("completed", "neutral", "success"),
        ("COMPLETED", "SKIPPED", "skipped"),
        ("COMPLETED", "FAILURE", "failure"),
        ("COMPLETED", "CANCELLED", "failure"),
        ("COMPLETED", "ACTION_REQUIRED", "failure"),
        ("COMPLETED", "STALE", "failure"),
        ("COMPLETED", None, "failure"),
        ("COMPLETED", "SOMETHING_NEW", "failure"),
    ],
)
def test_what_a_check_run_amounts_to(status: str, conclusion: str | None, state: str) -> None:
    assert run_state(status, conclusion) == state


@pytest.mark.parametrize(
    ("said", "state"),
    [("success", "success"), ("PENDING", "pending"), ("EXPECTED", "pending"), ("error", "failure"), ("x", "failure")],
)
def test_what_a_status_amounts_to(said: str, state: str) -> None:
    assert status_state(said) == state


@pytest.mark.parametrize(
    ("states", "together"),
    [
        ([], "none"),
        (["success"], "success"),
        (["skipped"], "success"),
        (["success", "pending"], "pending"),
        (["success", "pending", "failure"], "failure"),
    ],
)
def test_what_checks_amount_to_together(states: list[Any], together: str) -> None:
    checks = [Check(name="x", kind="status", state=state, url=None, required=False) for state in states]
    assert summarize(checks) == together


def test_a_bots_login_is_written_as_rest_writes_it() -> None:
    assert actor({"__typename": "Bot", "login": "rig-dev"}) == "rig-dev[bot]"
    assert actor({"__typename": "Bot", "login": "rig-dev[bot]"}) == "rig-dev[bot]"
    assert actor({"__typename": "User", "login": "ada"}) == "ada"
    assert actor(None) == "ghost"


async def test_what_the_base_demands_is_told_to_whoever_may_not_read_its_protection(rig: Rig) -> None:
    await rig.double.protect(
        TALLY,
        branch="main",
        required_checks=["tests", "build"],
        required_reviews=2,
        strict=True,
        merge_queue=True,
        code_owners=True,
    )
    pull = await rig.pull()
    seen = await _snapshot(rig, pull["number"])
    assert seen["required_checks"] == ["build", "tests"]
    assert seen["required_approvals"] == 2
    assert (seen["requires_code_owners"], seen["requires_up_to_date"], seen["merge_queue"]) == (True, True, True)
    assert not seen["self_review"]


async def test_a_base_without_protection_demands_nothing(rig: Rig) -> None:
    seen = await _snapshot(rig, (await rig.pull())["number"])
    assert (seen["required_checks"], seen["required_approvals"], seen["merge_queue"]) == ([], 0, False)
    assert not seen["requires_up_to_date"]


async def test_the_head_is_behind_once_the_base_moves_on(rig: Rig) -> None:
    pull = await rig.pull()
    before = await _snapshot(rig, pull["number"])
    moved = await rig.double.push_files(TALLY, "main", {"other.txt": "x\n"}, login="ada")
    after = await _snapshot(rig, pull["number"])
    assert (before["behind"], after["behind"]) == (False, True)
    assert after["base_sha"] == moved != before["base_sha"]


async def test_an_opinion_says_whether_the_rig_or_an_app_gave_it(rig: Rig) -> None:
    pull = await rig.pull()
    review = {"number": pull["number"], "head_sha": pull["head_sha"], "body": "Fine."}
    await (await rig.reviewer()).call("post_review", repository=TALLY, **review, verdict="approve", key="one")
    path = f"/repos/{TALLY}/pulls/{pull['number']}/reviews"
    await rig.double.api("POST", path, "ada", {"event": "APPROVE", "body": ""})
    seen = await _snapshot(rig, pull["number"])
    assert {(r["author"], r["bot"], r["ours"]) for r in seen["reviews"]} == {
        ("rig-review[bot]", True, True),
        ("ada", False, False),
    }
