"""Statuses, check suites and check runs: recording them and adding them up."""

from __future__ import annotations

from rig.doubles.github import repos as store
from rig.doubles.github.model import (
    App,
    CheckRun,
    CheckSuite,
    Json,
    PullRequest,
    Repository,
    Status,
    User,
    now,
)
from rig.doubles.github.shapes import checks as shapes
from rig.doubles.github.shapes import repos as repo_shapes
from rig.doubles.github.state import World

PASSING = ("success", "neutral", "skipped")


async def set_status(
    world: World, repo: Repository, sha: str, creator: User, context: str, state: str, **more: str | None
) -> Status:
    made = Status(world.next_id(), sha, state, context, more.get("description"), more.get("target_url"), creator)
    repo.statuses.append(made)
    commit = await store.commit(repo.path, sha)
    branches = [ref.removeprefix("refs/heads/") for ref, at in repo.refs.items() if at == sha]
    base = repo_shapes.api_url(world, repo)
    world.webhooks.emit(
        repo,
        "status",
        creator,
        id=made.id,
        sha=sha,
        name=repo.full_name,
        avatar_url=f"{world.url}/avatars/u/{creator.id}",
        target_url=made.target_url,
        context=context,
        description=made.description,
        state=state,
        commit=repo_shapes.commit(world, repo, commit),
        branches=[
            {"name": name, "commit": {"sha": sha, "url": f"{base}/commits/{sha}"}, "protected": False}
            for name in branches
        ],
        created_at=made.created_at.isoformat(),
        updated_at=made.created_at.isoformat(),
    )
    return made


def latest_statuses(repo: Repository, sha: str) -> list[Status]:
    """The last status of each context, which is the one that counts."""
    return list({status.context: status for status in repo.statuses if status.sha == sha}.values())


def latest_runs(repo: Repository, sha: str) -> list[CheckRun]:
    """The last run of each name in each App, as GitHub's `filter=latest`."""
    return list({(r.suite.app.id, r.name): r for r in repo.runs if r.head_sha == sha}.values())


def new_suite(
    world: World, repo: Repository, app: App, sha: str, branch: str | None, before: str | None = None
) -> CheckSuite:
    made = CheckSuite(world.next_id(), app, sha, branch, before)
    repo.suites.append(made)
    return made


def suite_for(world: World, repo: Repository, app: App, sha: str) -> CheckSuite:
    """The App's suite at this commit, made on first use."""
    known = [s for s in repo.suites if s.app is app and s.head_sha == sha]
    if known:
        return known[-1]
    branches = [ref.removeprefix("refs/heads/") for ref, at in repo.refs.items() if at == sha]
    return new_suite(world, repo, app, sha, branches[0] if branches else None)


def new_run(world: World, repo: Repository, suite: CheckSuite, name: str, sender: User) -> CheckRun:
    made = CheckRun(world.next_id(), suite, name, started_at=now())
    repo.runs.append(made)
    announce_run(world, repo, made, "created", sender)
    return made


def start_run(run: CheckRun) -> None:
    run.status, run.started_at = "in_progress", now()
    run.suite.status, run.suite.updated_at = "in_progress", now()


async def complete_run(world: World, repo: Repository, run: CheckRun, conclusion: str, sender: User) -> None:
    run.status, run.conclusion = "completed", conclusion
    run.completed_at = now()
    announce_run(world, repo, run, "completed", sender)
    if all(each.status == "completed" for each in repo.runs if each.suite is run.suite):
        await _complete_suite(world, repo, run.suite, sender)


async def _complete_suite(world: World, repo: Repository, suite: CheckSuite, sender: User) -> None:
    conclusions = [run.conclusion for run in repo.runs if run.suite is suite]
    bad = [each for each in conclusions if each not in PASSING]
    suite.status, suite.updated_at = "completed", now()
    suite.conclusion = bad[0] if bad else "success"
    commit = await store.commit(repo.path, suite.head_sha)
    described = shapes.suite(world, repo, suite) | {"head_commit": simple_commit(commit)}
    world.webhooks.emit(repo, "check_suite", sender, action="completed", check_suite=described)


def announce_run(world: World, repo: Repository, run: CheckRun, action: str, sender: User) -> None:
    suite = shapes.suite(world, repo, run.suite)
    suite["repository"] = repo_shapes.repository(world, repo)
    described = shapes.run(world, repo, run) | {"check_suite": suite}
    world.webhooks.emit(repo, "check_run", sender, action=action, check_run=described)


async def suite_extras(world: World, repo: Repository, sha: str) -> Json:
    """What REST says of a suite beyond the webhook's short form."""
    commit = await store.commit(repo.path, sha)
    return {"head_commit": simple_commit(commit), "repository": repo_shapes.repository(world, repo)}


def simple_commit(commit: store.Commit) -> Json:
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": commit.author.at.isoformat(),
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
    }


def combined_status(world: World, repo: Repository, sha: str) -> Json:
    statuses = latest_statuses(repo, sha)
    states = {status.state for status in statuses}
    state = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
    base = repo_shapes.api_url(world, repo)
    return {
        "state": state,
        "statuses": [shapes.status(world, repo, each) for each in statuses],
        "sha": sha,
        "total_count": len(statuses),
        "repository": repo_shapes.repository(world, repo),
        "commit_url": f"{base}/commits/{sha}",
        "url": f"{base}/commits/{sha}/status",
    }


def rollup_state(repo: Repository, sha: str) -> str | None:
    """GraphQL's one word for everything reported at a commit; None where nothing was."""
    words = {_word_of_run(run) for run in latest_runs(repo, sha)}
    words |= {status.state.upper() for status in latest_statuses(repo, sha)}
    for word in ("ERROR", "FAILURE", "EXPECTED", "PENDING"):
        if word in words:
            return word
    return "SUCCESS" if words else None


def _word_of_run(run: CheckRun) -> str:
    if run.status != "completed":
        return "PENDING"
    return "SUCCESS" if run.conclusion in PASSING else "FAILURE"


def is_required(repo: Repository, pull: PullRequest, name: str) -> bool:
    return name in required(repo, pull.base_ref)


def missing_checks(repo: Repository, pull: PullRequest) -> list[str]:
    """Required checks that have not passed at the head; a run and a status of one name must both pass."""
    return [name for name in required(repo, pull.base_ref) if words_of(repo, pull.head_sha, name) != {"SUCCESS"}]


def required(repo: Repository, base: str) -> list[str]:
    """The checks that a branch demands."""
    protection = repo.protections.get(base)
    return protection.required_checks if protection else []


def words_of(repo: Repository, sha: str, name: str) -> set[str]:
    """What the runs and the status of one name say at a commit; empty where none has reported."""
    words = {_word_of_run(run) for run in latest_runs(repo, sha) if run.name == name}
    return words | {status.state.upper() for status in latest_statuses(repo, sha) if status.context == name}


def bot_of(world: World, app: App) -> User:
    return world.user(f"{app.slug}[bot]")
