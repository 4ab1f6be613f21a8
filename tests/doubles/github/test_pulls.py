"""From a pushed branch to a merged pull request, and everything that may stand between."""

from __future__ import annotations

from typing import Any

import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import (
    ADA,
    DEV,
    FILES,
    FIXED,
    MALLORY,
    REPO,
    REVIEW,
    Copy,
    Receiver,
    pull_request,
)

PULLS = f"/repos/{REPO}/pulls"


async def merge(github: GitHubDouble, number: int, **wanted: str) -> tuple[int, dict[str, Any]]:
    answer = await github.api("PUT", f"{PULLS}/{number}/merge", DEV, {"merge_method": "squash", **wanted})
    return answer.status_code, answer.json()


async def mergeable(github: GitHubDouble, number: int) -> list[tuple[bool | None, str]]:
    """What two reads in a row say."""
    seen = [(await github.api("GET", f"{PULLS}/{number}", DEV)).json() for _ in range(2)]
    return [(pull["mergeable"], pull["mergeable_state"]) for pull in seen]


async def message(copy: Copy, ref: str = "origin/main") -> str:
    await copy.git("fetch", "-q")
    return (await copy.git("log", "-1", "--format=%B", ref)).text.strip()


async def test_a_pull_request_is_checked_reviewed_and_merged(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    issue = await github.file_issue(REPO, "add subtracts", token=ADA)
    number = await pull_request(github, copy)
    await github.settle()
    verdict = {"event": "APPROVE", "body": "Good.", "commit_id": await copy.head()}
    assert (await github.api("POST", f"{PULLS}/{number}/reviews", REVIEW, verdict)).status_code == 200
    title, text = f"fix: add (#{number})", f"Rig-Issue: {REPO}#{issue}"
    head = await copy.head()
    status, merged = await merge(github, number, sha=head, commit_title=title, commit_message=text)
    assert status == 200
    await github.settle()

    await copy.git("fetch", "-q")
    shown = await copy.git("log", "-1", "--format=%H|%an <%ae>|%cn|%B", "origin/main")
    sha, author, committer, message = shown.text.strip().split("|")
    assert (sha, author, committer) == (merged["sha"], "Dev-E <dev-e@rig.example>", "GitHub")
    assert message == f"{title}\n\n{text}"
    found = (await github.api("GET", f"/repos/{REPO}/issues/{issue}", ADA)).json()
    assert (found["state"], found["state_reason"]) == ("closed", "completed")
    assert hooks.names() == [
        "issues.opened",
        "push",
        "pull_request.opened",
        "check_run.created",
        "check_run.completed",
        "check_suite.completed",
        "pull_request_review.submitted",
        "pull_request.closed",
        "issues.closed",
        "push",
    ]
    assert hooks.payload("pull_request.closed")["pull_request"]["merged"] is True
    assert (await github.api("GET", f"{PULLS}/{number}/merge", DEV)).status_code == 204


async def test_whether_it_can_merge_is_unknown_at_first_and_again_when_either_end_moves(
    github: GitHubDouble, copy: Copy
) -> None:
    number = await pull_request(github, copy)
    await github.settle()
    assert await mergeable(github, number) == [(None, "unknown"), (True, "clean")]
    await github.push_files(REPO, "main", {"calc.py": "def add(a, b):\n    return sum([a, b])\n"}, login="ada")
    assert await mergeable(github, number) == [(None, "unknown"), (False, "dirty")]
    assert (await merge(github, number))[0] == 405
    await copy.git("fetch", "-q")
    await copy.git("merge", "-q", "-s", "ours", "-m", "Merge main", "origin/main")
    await copy.push()
    await github.settle()
    assert await mergeable(github, number) == [(None, "unknown"), (True, "clean")]


async def test_a_moved_head_is_a_conflict_and_nothing_lands(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    seen = await copy.head()
    await copy.commit("fix: more", README_md="# More\n")
    await copy.push()
    before = (await copy.git("ls-remote", "origin", "main")).text
    status, body = await merge(github, number, sha=seen)
    assert (status, body["message"]) == (409, "Head branch was modified. Review and try the merge again.")
    assert (await copy.git("ls-remote", "origin", "main")).text == before


async def test_a_push_is_a_synchronize_and_starts_ci_again(github: GitHubDouble, copy: Copy, hooks: Receiver) -> None:
    number = await pull_request(github, copy, text=FILES["calc.py"] + "# still wrong\n")
    first = await copy.head()
    await github.settle()
    second = await copy.commit("fix: really", calc_py=FIXED)
    await copy.push()
    await github.settle()
    told = hooks.payload("pull_request.synchronize")
    assert (told["number"], told["before"], told["after"]) == (number, first, second)
    assert told["pull_request"]["commits"] == 2
    runs = [payload["check_run"] for name, _, payload in hooks.taken if name == "check_run"]
    ended = [(run["head_sha"], run["conclusion"]) for run in runs if run["status"] == "completed"]
    assert ended == [(first, "failure"), (second, "success")]


DRAFT = (
    """mutation($id: ID!) { convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { isDraft } } }"""
)
READY = """mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) {
  pullRequest { isDraft } } }"""


async def test_whatever_happens_to_a_pull_request_is_told_as_its_own(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    await github.push_files(REPO, "next", {"README.md": "# Next\n"}, login="ada")
    await github.settle()
    seen = len(hooks.taken)
    await github.label_issue(REPO, number, "do-not-merge", token=ADA)
    await github.unlabel_issue(REPO, number, "do-not-merge", token=ADA)
    issue = f"/repos/{REPO}/issues/{number}"
    await github.api("POST", f"{issue}/assignees", ADA, {"assignees": ["ada"]})
    await github.api("POST", f"{issue}/comments", ADA, {"body": "Hm"})
    node = (await github.api("GET", f"{PULLS}/{number}", ADA)).json()["node_id"]
    for mutation in (DRAFT, READY):
        assert "errors" not in await github.graphql(mutation, {"id": node}, DEV)
    moved = await github.api("PATCH", f"{PULLS}/{number}", DEV, {"base": "next", "title": "fix: all of it"})
    assert moved.json()["base"]["ref"] == "next"
    await github.settle()
    assert hooks.names()[seen:] == [
        "pull_request.labeled",
        "pull_request.unlabeled",
        "pull_request.assigned",
        "issue_comment.created",
        "pull_request.converted_to_draft",
        "pull_request.ready_for_review",
        "pull_request.edited",
        "pull_request.edited",
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"head": "nowhere"}, "head"),
        ({"base": "nowhere"}, "base"),
        ({"title": ""}, "title"),
        ({"head": "main"}, "No commits between main and main"),
        ({}, "A pull request already exists for ada:fix."),
    ],
)
async def test_what_cannot_be_opened_is_refused(
    github: GitHubDouble, copy: Copy, wrong: dict[str, str], field: str
) -> None:
    await pull_request(github, copy)
    wanted = {"title": "Again", "head": "fix", "base": "main"} | wrong
    answer = await github.api("POST", PULLS, DEV, wanted)
    assert answer.status_code == 422
    assert field in answer.text
    assert (await github.api("POST", PULLS, MALLORY, wanted)).status_code == 403


async def test_files_commits_and_diff_are_those_of_the_branch_alone(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    await github.push_files(REPO, "main", {"README.md": "# Changed on main\n"}, login="ada")
    await copy.git("mv", "docs/usage.md", "docs/how to use it.md")
    await copy.commit("docs: rename", added_txt="1\n2\n")
    await copy.push()
    files = (await github.api("GET", f"{PULLS}/{number}/files", DEV)).json()
    assert [(f["filename"], f["status"], f["additions"], f["deletions"]) for f in files] == [
        ("added.txt", "added", 2, 0),
        ("calc.py", "modified", 1, 1),
        ("docs/how to use it.md", "renamed", 0, 0),
    ]
    assert files[2]["previous_filename"] == "docs/usage.md"
    assert files[1]["patch"].startswith("@@ -1,5 +1,5 @@")
    commits = (await github.api("GET", f"{PULLS}/{number}/commits", DEV)).json()
    assert [one["commit"]["message"].splitlines()[0] for one in commits] == ["fix: fix", "docs: rename"]
    diff = await github.api("GET", f"{PULLS}/{number}", DEV, Accept="application/vnd.github.v3.diff")
    assert diff.headers["content-type"].startswith("application/vnd.github.diff")
    assert diff.text.startswith("diff --git a/added.txt b/added.txt\n")
    assert "README" not in diff.text


async def test_lists_filter_by_head_base_and_state(github: GitHubDouble, copy: Copy) -> None:
    first = await pull_request(github, copy, "one")
    second = await pull_request(github, copy, "two")
    await github.api("PATCH", f"{PULLS}/{first}", DEV, {"state": "closed"})

    async def numbers(query: str) -> list[int]:
        return [pull["number"] for pull in (await github.api("GET", f"{PULLS}?{query}", DEV)).json()]

    assert await numbers("") == [second]
    assert await numbers("state=all&head=ada:one") == [first]
    assert await numbers("state=closed&base=main") == [first]
    assert await numbers("head=mallory:two") == []


async def test_a_closed_pull_request_opens_again_and_a_deleted_branch_closes_it(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    await github.api("PATCH", f"{PULLS}/{number}", DEV, {"state": "closed"})
    assert (await merge(github, number))[0] == 405
    reopened = await github.api("PATCH", f"{PULLS}/{number}", DEV, {"state": "open", "title": "fix: again"})
    assert (reopened.json()["state"], reopened.json()["title"]) == ("open", "fix: again")
    await copy.git("push", "-q", "origin", ":fix")
    assert (await github.api("GET", f"{PULLS}/{number}", DEV)).json()["state"] == "closed"
    assert (await github.api("PATCH", f"{PULLS}/{number}", DEV, {"state": "open"})).status_code == 422
    await github.settle()
    told = [name for name in hooks.names() if name.startswith("pull_request.")]
    assert told == [
        "pull_request.opened",
        "pull_request.closed",
        "pull_request.edited",
        "pull_request.reopened",
        "pull_request.closed",
    ]


async def test_the_branch_is_brought_up_to_date_by_a_merge_of_its_base(
    github: GitHubDouble, copy: Copy, hooks: Receiver
) -> None:
    number = await pull_request(github, copy)
    head = await copy.head()
    path = f"{PULLS}/{number}/update-branch"
    assert (await github.api("PUT", path, DEV, {})).status_code == 422
    tip = await github.push_files(REPO, "main", {"README.md": "# Newer\n"}, login="ada")
    assert (await github.api("PUT", path, DEV, {"expected_head_sha": tip})).status_code == 422
    assert (await github.api("PUT", path, DEV, {"expected_head_sha": head})).status_code == 202
    await copy.git("fetch", "-q")
    parents = (await copy.git("log", "-1", "--format=%P", "origin/fix")).text.split()
    assert parents == [head, tip]
    await github.push_files(REPO, "main", {"calc.py": "nothing\n"}, login="ada")
    assert (await github.api("PUT", path, DEV, {})).status_code == 422
    await github.settle()
    assert "pull_request.synchronize" in hooks.names()


async def test_a_squash_of_one_commit_speaks_with_its_words(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    assert (await merge(github, number))[0] == 200
    assert await message(copy) == f"fix: fix (#{number})\n\nRig-Issue: {REPO}#1"


async def test_a_squash_of_several_lists_them_and_their_authors(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    await copy.git("commit", "-q", "--allow-empty", "--author", "Ada <ada@example>", "-m", "test: more")
    await copy.push()
    assert (await merge(github, number))[0] == 200
    assert await message(copy) == (
        f"fix: fix (#{number})\n\n* fix: fix\n\nRig-Issue: {REPO}#1\n\n* test: more\n\n"
        "Co-authored-by: Ada <ada@example>"
    )


async def test_a_merge_commit_has_both_parents(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    base = (await copy.git("rev-parse", "origin/main")).text.strip()
    assert (await merge(github, number, merge_method="merge"))[0] == 200
    assert await message(copy) == f"Merge pull request #{number} from ada/fix\n\nfix: fix"
    parents = (await copy.git("log", "-1", "--format=%P", "origin/main")).text.split()
    assert parents == [base, await copy.head()]


async def test_what_may_not_land_is_refused_in_githubs_words(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy, text=FILES["calc.py"] + "# wrong\n")
    await github.settle()
    assert (await github.api("PUT", f"{PULLS}/{number}/merge", MALLORY, {})).status_code == 403
    assert (await merge(github, number, merge_method="rebase"))[0] == 405
    await github.protect(REPO, required_checks=["test"], required_reviews=1)
    assert await mergeable(github, number) == [(None, "unknown"), (True, "blocked")]
    assert (await merge(github, number))[1]["message"] == 'Required status check "test" is expected.'
    await copy.commit("fix: right", calc_py=FIXED)
    await copy.push()
    await github.settle()
    assert "At least 1 approving review" in (await merge(github, number))[1]["message"]
    await github.api("POST", f"{PULLS}/{number}/reviews", MALLORY, {"event": "APPROVE"})
    assert (await merge(github, number))[0] == 405
    await github.api("POST", f"{PULLS}/{number}/reviews", REVIEW, {"event": "APPROVE"})
    assert (await merge(github, number))[0] == 200
    assert (await merge(github, number))[0] == 405


async def test_a_draft_does_not_merge(github: GitHubDouble, copy: Copy) -> None:
    await copy.git("checkout", "-q", "-b", "draft")
    await copy.commit("fix: half", calc_py=FIXED)
    await copy.push()
    wanted = {"title": "Half", "head": "draft", "base": "main", "draft": True}
    number = (await github.api("POST", PULLS, DEV, wanted)).json()["number"]
    assert (await merge(github, number))[1]["message"] == "Pull Request is still a draft"
    assert (await github.api("GET", f"{PULLS}/{number}", DEV)).json()["draft"] is True


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("Closes #1", [1]),
        ("fixes #1, resolved: ada/demo#2", [1, 2]),
        ("FIXED #2.", [2]),
        ("See #1 and discloses #2", []),
        ("Closes #99, closes mallory/other#1, closes #", []),
        ("Closes\n#1", [1]),
    ],
)
async def test_closing_words_close_issues_when_it_lands(
    github: GitHubDouble, copy: Copy, text: str, closed: list[int]
) -> None:
    for title in ("One", "Two"):
        await github.file_issue(REPO, title, token=ADA)
    number = await pull_request(github, copy)
    await github.api("PATCH", f"{PULLS}/{number}", DEV, {"body": text})
    assert (await merge(github, number, commit_title="fix", commit_message=""))[0] == 200
    issues = (await github.api("GET", f"/repos/{REPO}/issues?state=closed&direction=asc", DEV)).json()
    assert [issue["number"] for issue in issues if "pull_request" not in issue] == closed


async def test_one_of_two_that_touch_the_same_line_no_longer_merges(github: GitHubDouble, copy: Copy) -> None:
    first = await pull_request(github, copy, "one")
    second = await pull_request(github, copy, "two", FIXED.replace("a + b", "b + a"))
    assert [can for can, _ in await mergeable(github, second)] == [None, True]
    assert (await merge(github, first))[0] == 200
    assert await mergeable(github, second) == [(None, "unknown"), (False, "dirty")]
    assert (await merge(github, second))[1]["message"] == "Pull Request is not mergeable"


async def test_commits_pushed_to_the_base_merge_the_pull_request(github: GitHubDouble, copy: Copy) -> None:
    await github.file_issue(REPO, "One", token=ADA)
    number = await pull_request(github, copy)
    await copy.git("push", "-q", "origin", "fix:main")
    assert (await github.api("GET", f"{PULLS}/{number}", DEV)).json()["merged"] is True
    assert (await github.api("GET", f"/repos/{REPO}/issues/1", DEV)).json()["state"] == "closed"
