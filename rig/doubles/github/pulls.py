"""Pull requests: opening them, keeping them beside their branches, and saying whether they can merge."""

from __future__ import annotations

from rig.doubles.github import checks, issues, reviews
from rig.doubles.github import repos as store
from rig.doubles.github.errors import Refused, invalid
from rig.doubles.github.model import ZERO, Json, PullRequest, Repository, Stats, User
from rig.doubles.github.state import World


async def open_pull(world: World, repo: Repository, author: User, wanted: Json) -> PullRequest:
    """Open a pull request for a pushed branch, with GitHub's refusals."""
    head_ref = str(wanted["head"]).removeprefix(f"{repo.owner.login}:")
    base_ref = str(wanted["base"])
    head, base = await _ends(repo, head_ref, base_ref)
    made = issues.new_issue(world, repo, author, str(wanted["title"]), wanted.get("body"))
    pull = PullRequest(world.next_id(), made, head_ref, head, base_ref, base, bool(wanted.get("draft")))
    made.pull = pull
    pull.stats = await stats(repo, pull)
    store.point_pull_ref(repo.path, pull.number, head)
    issues.announce_pull(world, repo, pull, "opened", author)
    world.ci.pull_changed(repo, pull)
    return pull


async def _ends(repo: Repository, head_ref: str, base_ref: str) -> tuple[str, str]:
    head, base = repo.branch(head_ref), repo.branch(base_ref)
    if base is None:
        raise invalid("PullRequest", "base")
    if head is None:
        raise invalid("PullRequest", "head")
    label = f"{repo.owner.login}:{head_ref}"
    if any(p.is_open and p.head_ref == head_ref and p.base_ref == base_ref for p in repo.pulls):
        raise _custom(f"A pull request already exists for {label}.")
    if await store.is_ancestor(repo.path, head, base):
        raise _custom(f"No commits between {base_ref} and {head_ref}")
    return head, base


def _custom(message: str) -> Refused:
    return Refused(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])


async def merge_base(repo: Repository, pull: PullRequest) -> str:
    """Where the branch left its base; the base itself where they share nothing."""
    return await store.merge_base(repo.path, pull.base_sha, pull.head_sha) or pull.base_sha


async def stats(repo: Repository, pull: PullRequest) -> Stats:
    files = await store.diff(repo.path, await merge_base(repo, pull), pull.head_sha)
    listed = await store.log(repo.path, f"{pull.base_sha}..{pull.head_sha}")
    return Stats(len(listed), sum(f.additions for f in files), sum(f.deletions for f in files), len(files))


async def commits(repo: Repository, pull: PullRequest) -> list[store.Commit]:
    """The branch's commits, oldest first."""
    return (await store.log(repo.path, f"{pull.base_sha}..{pull.head_sha}"))[::-1]


async def head_moved(world: World, repo: Repository, pull: PullRequest, new: str, actor: User) -> None:
    """A push to the branch: a deleted branch closes the pull request, any other is a synchronize."""
    if new == ZERO:
        issues.close(world, repo, pull.issue, actor)
        return
    before, pull.head_sha = pull.head_sha, new
    pull.base_sha = repo.branch(pull.base_ref) or pull.base_sha
    forget_mergeable(pull)
    store.point_pull_ref(repo.path, pull.number, new)
    if pull.threads:
        await reviews.carry_threads(reviews.Place(world, repo, pull), before, new)
    pull.stats = await stats(repo, pull)
    issues.touch(pull.issue)
    issues.announce_pull(world, repo, pull, "synchronize", actor, before=before, after=new)
    world.ci.pull_changed(repo, pull)


def base_moved(pull: PullRequest) -> None:
    forget_mergeable(pull)


def forget_mergeable(pull: PullRequest) -> None:
    pull.mergeable, pull.mergeable_check = None, None


async def read_mergeable(world: World, repo: Repository, pull: PullRequest) -> None:
    """Unknown on the first read, which starts the computation; the next read has the answer."""
    if not pull.is_open or pull.mergeable is not None:
        return
    if pull.mergeable_check is None:
        pull.mergeable_check = world.spawn(compute_mergeable(repo, pull))
    else:
        await pull.mergeable_check


async def compute_mergeable(repo: Repository, pull: PullRequest) -> None:
    head, base = pull.head_sha, repo.branch(pull.base_ref)
    if base is None:
        return
    tree = await store.merge_tree(repo.path, base, head)
    if pull.head_sha == head and repo.branch(pull.base_ref) == base:
        pull.base_sha, pull.mergeable = base, tree is not None


async def merge_state(world: World, repo: Repository, pull: PullRequest) -> str:
    """GraphQL's mergeStateStatus; REST says the same in lower case."""
    if not pull.is_open or pull.mergeable is None:
        return "UNKNOWN"
    if not pull.mergeable:
        return "DIRTY"
    if pull.draft or refusal(world, repo, pull):
        return "BLOCKED"
    if await _is_behind(repo, pull):
        return "BEHIND"
    rollup = checks.rollup_state(repo, pull.head_sha)
    return "CLEAN" if rollup in (None, "SUCCESS") else "UNSTABLE"


async def _is_behind(repo: Repository, pull: PullRequest) -> bool:
    protection = repo.protections.get(pull.base_ref)
    base = repo.branch(pull.base_ref)
    if protection is None or not protection.strict or base is None:
        return False
    return not await store.is_ancestor(repo.path, base, pull.head_sha)


def refusal(world: World, repo: Repository, pull: PullRequest) -> str | None:
    """Why branch protection would not let it land, in GitHub's words."""
    protection = repo.protections.get(pull.base_ref)
    if protection is None:
        return None
    if missing := checks.missing_checks(repo, pull):
        return f'Required status check "{missing[0]}" is expected.'
    decision = reviews.decision(world, repo, pull)
    if protection.required_reviews and decision != "APPROVED":
        if decision == "CHANGES_REQUESTED":
            return "Changes have been requested."
        wanted = protection.required_reviews
        return f"At least {wanted} approving review is required by reviewers with write access."
    return None


async def edit(world: World, repo: Repository, pull: PullRequest, actor: User, body: Json) -> None:
    """Title, body, base and state, as PATCH takes them."""
    base = body.get("base")
    if base is not None and base != pull.base_ref:
        await _retarget(world, repo, pull, actor, str(base))
    issues.edit(world, repo, pull.issue, actor, body.get("title"), body.get("body"))
    if body.get("state") == "closed":
        issues.close(world, repo, pull.issue, actor)
    elif body.get("state") == "open" and not pull.is_open:
        await _reopen(world, repo, pull, actor)


async def _retarget(world: World, repo: Repository, pull: PullRequest, actor: User, base: str) -> None:
    sha = repo.branch(base)
    if sha is None:
        raise invalid("PullRequest", "base")
    changes = {"base": {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}}
    pull.base_ref, pull.base_sha = base, sha
    forget_mergeable(pull)
    pull.stats = await stats(repo, pull)
    issues.announce_pull(world, repo, pull, "edited", actor, changes=changes)


async def _reopen(world: World, repo: Repository, pull: PullRequest, actor: User) -> None:
    head = repo.branch(pull.head_ref)
    if pull.merged_at or head is None:
        raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "field": "state", "code": "invalid"}])
    pull.head_sha = head
    pull.stats = await stats(repo, pull)
    forget_mergeable(pull)
    issues.reopen(world, repo, pull.issue, actor)
    world.ci.pull_changed(repo, pull)
