"""What follows when refs move, by git or by the API: webhooks, pull requests, CI."""

from __future__ import annotations

from rig.doubles.github import checks, issues, pulls
from rig.doubles.github import repos as store
from rig.doubles.github.auth import role_of
from rig.doubles.github.model import ZERO, Json, PullRequest, Repository, User, now
from rig.doubles.github.plumbing import git
from rig.doubles.github.state import World

MOST_COMMITS = 20


async def notice(world: World, repo: Repository, pusher: User) -> None:
    """Compare the refs with what was known and tell the world of each that moved."""
    before, after = repo.refs, await store.refs(repo.path)
    repo.refs = after
    for ref in sorted(before.keys() | after.keys()):
        old, new = before.get(ref, ZERO), after.get(ref, ZERO)
        if old != new:
            await moved(world, repo, pusher, ref, old, new)


async def moved(world: World, repo: Repository, pusher: User, ref: str, old: str, new: str) -> None:
    repo.pushed_at = now()
    await announce(world, repo, pusher, ref, old, new)
    if not ref.startswith("refs/heads/"):
        return
    branch = ref.removeprefix("refs/heads/")
    for pull in [p for p in repo.pulls if p.is_open]:
        if pull.base_ref == branch:
            pulls.base_moved(pull)
            await _merged_by_push(world, repo, pull, pusher, new)
        if pull.head_ref == branch and pull.is_open:
            await pulls.head_moved(world, repo, pull, new, pusher)
    if new != ZERO:
        world.ci.pushed(repo, branch, new, old)
        if branch == repo.default_branch and old != ZERO:
            await _close_by_commits(world, repo, pusher, old, new)


async def _merged_by_push(world: World, repo: Repository, pull: PullRequest, actor: User, new: str) -> None:
    """A pull request whose commits were pushed to its base is merged."""
    if new == ZERO or not await store.is_ancestor(repo.path, pull.head_sha, new):
        return
    pull.merged_at, pull.merged_by, pull.merge_sha = now(), actor, new
    issues.record(world, pull.issue, "merged", actor, commit_id=new)
    issues.close(world, repo, pull.issue, actor)
    close_references(world, repo, actor, pull.issue.body or "", new)


async def _close_by_commits(world: World, repo: Repository, actor: User, old: str, new: str) -> None:
    for commit in (await store.log(repo.path, f"{old}..{new}"))[::-1]:
        close_references(world, repo, actor, commit.message, commit.sha)


def close_references(world: World, repo: Repository, actor: User, text: str, sha: str) -> None:
    """Close what the text names by keyword, where the actor may."""
    for home, issue in issues.closing_references(world, repo, text):
        if home is repo or role_of(actor, None, home) in ("triage", "write", "maintain", "admin"):
            issues.close(world, home, issue, actor, commit_id=sha)


async def announce(world: World, repo: Repository, pusher: User, ref: str, old: str, new: str) -> None:
    """The push webhook."""
    page = f"{world.url}/{repo.full_name}"
    listed = await _commits(world, repo, old, new)
    forced = ZERO not in (old, new) and not await store.is_ancestor(repo.path, old, new)
    world.webhooks.emit(
        repo,
        "push",
        pusher,
        ref=ref,
        before=old,
        after=new,
        base_ref=None,
        created=old == ZERO,
        deleted=new == ZERO,
        forced=forced,
        compare=f"{page}/compare/{old[:12]}...{new[:12]}",
        commits=listed,
        head_commit=listed[-1] if listed else None,
        pusher={"name": pusher.login, "email": pusher.email},
    )


async def _commits(world: World, repo: Repository, old: str, new: str) -> list[Json]:
    if new == ZERO:
        return []
    start = repo.branch(repo.default_branch) if old == ZERO else old
    revisions = (new,) if start is None or start == new else (f"{start}..{new}",)
    listed = await store.log(repo.path, *revisions, limit=MOST_COMMITS)
    names = await _names(repo, revisions)
    page = f"{world.url}/{repo.full_name}/commit"
    return [
        {
            **checks.simple_commit(commit),
            "distinct": True,
            "url": f"{page}/{commit.sha}",
            **names.get(commit.sha, {"added": [], "removed": [], "modified": []}),
        }
        for commit in listed[::-1]
    ]


async def _names(repo: Repository, revisions: tuple[str, ...]) -> dict[str, Json]:
    """The files each commit added, removed and changed."""
    options = ("--no-renames", "--name-status", "--format=%x01%H", f"-n{MOST_COMMITS}")
    output = await git(repo.path, "-c", "core.quotePath=off", "log", *options, *revisions, "--")
    found: dict[str, Json] = {}
    for record in output.text.split("\x01")[1:]:
        sha, *lines = record.split("\n")
        kinds: dict[str, list[str]] = {"A": [], "D": [], "M": []}
        for status, _, name in (line.partition("\t") for line in lines if line):
            kinds.get(status[0], kinds["M"]).append(name)
        found[sha] = {"added": kinds["A"], "removed": kinds["D"], "modified": kinds["M"]}
    return found
