"""REST: pull requests, their files, commits and merging."""

from __future__ import annotations

from starlette.routing import Route

from rig.doubles.github import merging, pulls
from rig.doubles.github import repos as store
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import forbidden, not_found, unprocessable
from rig.doubles.github.model import Json, PullRequest
from rig.doubles.github.rest.issues import in_order
from rig.doubles.github.shapes import pulls as shapes
from rig.doubles.github.shapes import repos as repo_shapes


async def list_pulls(call: Call) -> Answer:
    state, head, base = call.query("state", "open"), call.query("head"), call.query("base")
    prefix = f"{call.repository.owner.login}:"
    found = [
        pull.issue
        for pull in call.repository.pulls
        if state in ("all", pull.issue.state) and head in ("", prefix + pull.head_ref) and base in ("", pull.base_ref)
    ]
    listed = [issue.pull for issue in in_order(call, found) if issue.pull]
    return call.page(listed, lambda pull: shapes.simple(call.world, call.repository, pull))


async def create_pull(call: Call) -> Answer:
    author = call.require("write", "pull_requests")
    for name in ("title", "head", "base"):
        call.text(name, "PullRequest")
    made = await pulls.open_pull(call.world, call.repository, author, call.body)
    return Reply(shapes.pull(call.world, call.repository, made), 201)


async def get_pull(call: Call) -> Answer:
    pull, repo = call.pull, call.repository
    base = await pulls.merge_base(repo, pull)
    if call.accepts("diff"):
        text = await store.diff_text(repo.path, base, pull.head_sha)
        return Reply(text, media="application/vnd.github.diff; charset=utf-8")
    if call.accepts("patch"):
        text = await store.patch_text(repo.path, base, pull.head_sha)
        return Reply(text, media="application/vnd.github.patch; charset=utf-8")
    await pulls.read_mergeable(call.world, repo, pull)
    return await described(call, pull)


async def described(call: Call, pull: PullRequest) -> Json:
    state = await pulls.merge_state(call.world, call.repository, pull)
    return shapes.pull(call.world, call.repository, pull, state.lower())


async def edit_pull(call: Call) -> Answer:
    pull = call.pull
    actor = call.require("read", "pull_requests")
    if actor is not pull.issue.user and not call.viewer.may(call.repository, "write"):
        raise forbidden()
    if call.body.get("state") not in (None, "open", "closed"):
        raise unprocessable("state must be one of: open, closed")
    await pulls.edit(call.world, call.repository, pull, actor, call.body)
    return await described(call, pull)


async def list_files(call: Call) -> Answer:
    repo, pull = call.repository, call.pull
    files = await store.diff(repo.path, await pulls.merge_base(repo, pull), pull.head_sha)
    return call.page(files, lambda f: repo_shapes.file_diff(call.world, repo, pull.head_sha, f))


async def list_commits(call: Call) -> Answer:
    listed = await pulls.commits(call.repository, call.pull)
    return call.page(listed, lambda commit: repo_shapes.commit(call.world, call.repository, commit))


async def is_merged(call: Call) -> Answer:
    if call.pull.merged_at is None:
        raise not_found()
    return Reply(status=204)


async def merge(call: Call) -> Answer:
    actor = call.require("write", "contents")
    body = call.body
    sha = await merging.merge(
        call.world,
        call.repository,
        call.pull,
        actor,
        body.get("merge_method") or "merge",
        body.get("sha"),
        body.get("commit_title"),
        body.get("commit_message"),
    )
    return {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}


async def update_branch(call: Call) -> Answer:
    actor = call.require("write", "contents")
    expected = call.body.get("expected_head_sha")
    await merging.update_branch(call.world, call.repository, call.pull, actor, expected)
    url = shapes.pull_url(call.world, call.repository, call.pull)
    return Reply({"message": "Updating pull request branch.", "url": url}, 202)


async def reviewers(call: Call) -> Answer:
    return {"users": [], "teams": []} if call.pull else {}


REPO = "/repos/{owner}/{repo}"
ONE = REPO + "/pulls/{number:int}"
routes: list[Route] = [
    rest(REPO + "/pulls", "GET", list_pulls),
    rest(REPO + "/pulls", "POST", create_pull),
    rest(ONE, "GET", get_pull),
    rest(ONE, "PATCH", edit_pull),
    rest(ONE + "/files", "GET", list_files),
    rest(ONE + "/commits", "GET", list_commits),
    rest(ONE + "/merge", "GET", is_merged),
    rest(ONE + "/merge", "PUT", merge),
    rest(ONE + "/update-branch", "PUT", update_branch),
    rest(ONE + "/requested_reviewers", "GET", reviewers),
]
