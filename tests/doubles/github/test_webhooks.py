"""Webhooks: signed, in order, logged, delivered again, and disturbed on request."""

from __future__ import annotations

import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, DEV, REPO, SECRET, Receiver

HOOKS = f"/repos/{REPO}/hooks"


async def label_three(github: GitHubDouble) -> None:
    number = await github.file_issue(REPO, "One", token=ADA)
    for label in ("a", "b", "c"):
        await github.label_issue(REPO, number, label, token=ADA)
    await github.settle()


def labels(hooks: Receiver) -> list[str]:
    return [payload["label"]["name"] for _, _, payload in hooks.taken if payload["action"] == "labeled"]


async def test_deliveries_are_logged_with_what_the_target_answered(github: GitHubDouble, hooks: Receiver) -> None:
    hooks.answers = [202, 500]
    await github.file_issue(REPO, "One", token=ADA, labels=["x"])
    await github.settle()
    hook = (await github.api("GET", HOOKS, ADA)).json()[0]["id"]
    logged = (await github.api("GET", f"{HOOKS}/{hook}/deliveries", ADA)).json()
    told = [(each["event"], each["action"], each["status"], each["status_code"]) for each in logged]
    assert told == [
        ("issues", "labeled", "Invalid HTTP Response: 500", 500),
        ("issues", "opened", "OK", 202),
    ]
    assert [each["guid"] for each in logged[::-1]] == [guid for _, guid, _ in hooks.taken]


async def test_a_redelivery_has_the_same_guid_and_payload(github: GitHubDouble, hooks: Receiver) -> None:
    hooks.answers = [503]
    await github.file_issue(REPO, "One", token=ADA)
    await github.settle()
    hook = (await github.api("GET", HOOKS, ADA)).json()[0]["id"]
    failed = (await github.api("GET", f"{HOOKS}/{hook}/deliveries?status=failure", ADA)).json()[0]
    path = f"{HOOKS}/{hook}/deliveries/{failed['id']}"
    shown = (await github.api("GET", path, ADA)).json()
    assert shown["request"]["headers"]["X-GitHub-Delivery"] == failed["guid"]
    assert (await github.api("POST", f"{path}/attempts", ADA)).status_code == 202
    await github.settle()
    assert hooks.taken[0] == hooks.taken[1]
    newest = (await github.api("GET", f"{HOOKS}/{hook}/deliveries", ADA)).json()[0]
    assert (newest["guid"], newest["redelivery"], newest["status_code"]) == (failed["guid"], True, 202)
    assert (await github.api("GET", f"{HOOKS}/{hook}/deliveries", DEV)).status_code == 403


async def test_deliveries_are_paged_by_cursor(github: GitHubDouble, hooks: Receiver) -> None:
    await label_three(github)
    hook = (await github.api("GET", HOOKS, ADA)).json()[0]["id"]
    first = await github.api("GET", f"{HOOKS}/{hook}/deliveries?per_page=3", ADA)
    rest = await github.http.get(first.links["next"]["url"], headers={"Authorization": f"Bearer {ADA}"})
    assert [len(first.json()), len(rest.json())] == [3, 1]
    assert "next" not in rest.links


async def test_a_target_that_is_down_is_logged(github: GitHubDouble) -> None:
    hook = await github.add_webhook("http://127.0.0.1:9/hook", SECRET, repository=REPO)
    await github.file_issue(REPO, "One", token=ADA)
    await github.settle()
    logged = (await github.api("GET", f"{HOOKS}/{hook}/deliveries", ADA)).json()
    assert (logged[0]["status"], logged[0]["status_code"]) == ("failed to connect to host", 502)


@pytest.mark.parametrize(
    ("kind", "arrived"),
    [
        ("drop", ["b", "c"]),
        ("vanish", ["b", "c"]),
        ("duplicate", ["a", "a", "b", "c"]),
        ("reorder", ["b", "a", "c"]),
        ("delay", ["a", "b", "c"]),
    ],
)
async def test_deliveries_are_disturbed_on_request(
    github: GitHubDouble, hooks: Receiver, kind: str, arrived: list[str]
) -> None:
    number = await github.file_issue(REPO, "One", token=ADA)
    await github.settle()
    await github.mischief(kind, "issues", seconds=0.2)
    for label in ("a", "b", "c"):
        await github.label_issue(REPO, number, label, token=ADA)
    await github.settle()
    assert labels(hooks) == arrived
    logged = [each["status"] for each in await github.deliveries()]
    assert ("timed out" in logged) is (kind == "drop")


async def test_what_is_held_back_goes_out_where_nothing_overtakes_it(github: GitHubDouble, hooks: Receiver) -> None:
    await github.mischief("reorder", "issues", seconds=0.05)
    await github.file_issue(REPO, "One", token=ADA)
    await github.settle()
    assert hooks.names() == ["issues.opened"]


async def test_a_duplicate_has_the_guid_of_the_first(github: GitHubDouble, hooks: Receiver) -> None:
    await github.mischief("duplicate")
    await github.file_issue(REPO, "One", token=ADA)
    await github.settle()
    assert len(hooks.taken) == 2
    assert hooks.taken[0] == hooks.taken[1]


async def test_hooks_are_made_pinged_and_removed_over_rest(github: GitHubDouble, hooks: Receiver) -> None:
    url = hooks.url + "?second"
    body = {"config": {"url": url, "secret": SECRET, "content_type": "json"}, "events": ["issues"]}
    made = await github.api("POST", HOOKS, ADA, body)
    assert made.status_code == 201
    assert (await github.api("POST", HOOKS, ADA, body)).status_code == 422
    assert (await github.api("POST", f"{HOOKS}/{made.json()['id']}/pings", ADA)).status_code == 204
    assert (await github.api("DELETE", f"{HOOKS}/{made.json()['id']}", ADA)).status_code == 204
    assert (await github.api("POST", HOOKS, DEV, body)).status_code == 403
    await github.settle()
    assert hooks.names() == ["ping", "ping"]


async def test_a_hook_hears_only_the_events_it_asked_for(github: GitHubDouble) -> None:
    hook = await github.add_webhook("http://127.0.0.1:9/hook", SECRET, repository=REPO, events=["push"])
    await github.file_issue(REPO, "One", token=ADA)
    await github.push_files(REPO, "main", {"a": "b"}, login="ada")
    await github.settle()
    assert [each["event"] for each in await github.deliveries() if each["hook_id"] == hook] == ["push"]


async def test_statuses_are_announced_with_their_commit(github: GitHubDouble, hooks: Receiver) -> None:
    sha = (await github.state())["repositories"][REPO]["refs"]["refs/heads/main"]
    body = {"state": "pending", "context": "rig/gate", "description": "waits for CI", "target_url": "http://x/"}
    assert (await github.api("POST", f"/repos/{REPO}/statuses/{sha}", DEV, body)).status_code == 201
    await github.api("POST", f"/repos/{REPO}/statuses/{sha}", DEV, body | {"state": "success"})
    combined = (await github.api("GET", f"/repos/{REPO}/commits/main/status", DEV)).json()
    assert (combined["state"], combined["total_count"]) == ("success", 1)
    assert len((await github.api("GET", f"/repos/{REPO}/commits/{sha}/statuses", DEV)).json()) == 2
    await github.settle()
    told = hooks.payload("status")
    assert (told["sha"], told["branches"][0]["name"], told["context"]) == (sha, "main", "rig/gate")
    wrong = await github.api("POST", f"/repos/{REPO}/statuses/{sha}", DEV, {"state": "fine"})
    assert wrong.status_code == 422
