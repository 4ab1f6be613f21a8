"""Landing a pull request: squash or merge commit by plumbing, guarded by the shas that were seen."""

from __future__ import annotations

from rig.doubles.github import issues, pulls, pushes
from rig.doubles.github import repos as store
from rig.doubles.github.errors import Refused, unprocessable
from rig.doubles.github.model import ZERO, PullRequest, Repository, User, now
from rig.doubles.github.repos import Commit, Person
from rig.doubles.github.state import World

METHODS = ("merge", "squash", "rebase")


def web_committer() -> Person:
    return Person("GitHub", "noreply@github.com", now())


async def merge(
    world: World,
    repo: Repository,
    pull: PullRequest,
    actor: User,
    method: str = "merge",
    sha: str | None = None,
    title: str | None = None,
    message: str | None = None,
    *,
    by_queue: bool = False,
) -> str:
    """Merge, answering the new commit; refusals carry GitHub's status and words."""
    async with repo.writing:
        base = _check(world, repo, pull, method, sha, by_queue=by_queue)
        tree = await store.merge_tree(repo.path, base, pull.head_sha)
        if tree is None:
            pull.mergeable = False
            raise Refused(405, "Pull Request is not mergeable")
        made = await _commit(repo, pull, base, tree, method, actor, title, message)
        if not await store.update_ref(repo.path, f"refs/heads/{pull.base_ref}", made, base):
            raise Refused(405, "Base branch was modified. Review and try the merge again.")
        repo.refs[f"refs/heads/{pull.base_ref}"] = made
        pull.base_sha = base
        _land(world, repo, pull, actor, made)
        await pushes.moved(world, repo, actor, f"refs/heads/{pull.base_ref}", base, made)
        await _delete_branch(world, repo, pull, actor)
    return made


def _check(world: World, repo: Repository, pull: PullRequest, method: str, sha: str | None, *, by_queue: bool) -> str:
    base = repo.branch(pull.base_ref)
    if method not in METHODS:
        raise unprocessable(f"{method} is not a merge method")
    if method == "rebase":
        raise Refused(405, "Rebase merges are not allowed on this repository.")
    if not pull.is_open or base is None:
        raise Refused(405, "Pull Request is not mergeable")
    if sha and sha != pull.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    if pull.draft:
        raise Refused(405, "Pull Request is still a draft")
    if reason := pulls.refusal(world, repo, pull):
        raise Refused(405, reason)
    protection = repo.protections.get(pull.base_ref)
    if protection and protection.merge_queue and not by_queue:
        raise Refused(405, "Changes must be made through the merge queue")
    return base


async def _commit(
    repo: Repository,
    pull: PullRequest,
    base: str,
    tree: str,
    method: str,
    actor: User,
    title: str | None,
    message: str | None,
) -> str:
    if method == "merge":
        title = title or f"Merge pull request #{pull.number} from {repo.owner.login}/{pull.head_ref}"
        text = f"{title}\n\n{pull.issue.title if message is None else message}"
        author = Person(actor.login, actor.email, now())
        return await store.commit_tree(repo.path, tree, [base, pull.head_sha], text.strip(), author, web_committer())
    commits = (await store.log(repo.path, f"{base}..{pull.head_sha}"))[::-1]
    first = commits[0].author if commits else Person(actor.login, actor.email, now())
    text = squash_message(pull, commits, title, message)
    author = Person(first.name, first.email, now())
    return await store.commit_tree(repo.path, tree, [base], text, author, web_committer())


def squash_message(pull: PullRequest, commits: list[Commit], title: str | None, message: str | None) -> str:
    """What was asked for, verbatim; else GitHub's defaults: one commit speaks for itself, more are listed."""
    own = [commit for commit in commits if len(commit.parents) < 2]
    if title is None:
        subject = _split(own[0].message)[0] if len(own) == 1 else pull.issue.title
        title = f"{subject} (#{pull.number})"
    if message is None:
        message = _split(own[0].message)[1] if len(own) == 1 else _listed(own)
    return f"{title}\n\n{message}".strip()


def _split(message: str) -> tuple[str, str]:
    subject, _, body = message.partition("\n")
    return subject, body.strip()


def _listed(commits: list[Commit]) -> str:
    parts = [f"* {commit.message.strip()}" for commit in commits]
    first = commits[0].author.email if commits else ""
    others = {c.author.email: c.author for c in commits if c.author.email != first}
    parts.append("\n".join(f"Co-authored-by: {p.name} <{p.email}>" for p in others.values()))
    return "\n\n".join(filter(None, parts))


def _land(world: World, repo: Repository, pull: PullRequest, actor: User, made: str) -> None:
    pull.merged_at, pull.merged_by, pull.merge_sha = now(), actor, made
    pull.queue_entry = None
    issues.record(world, pull.issue, "merged", actor, commit_id=made)
    issues.close(world, repo, pull.issue, actor)
    if pull.base_ref == repo.default_branch:
        pushes.close_references(world, repo, actor, pull.issue.body or "", made)


async def _delete_branch(world: World, repo: Repository, pull: PullRequest, actor: User) -> None:
    ref = f"refs/heads/{pull.head_ref}"
    if not repo.delete_branch_on_merge or repo.refs.get(ref) != pull.head_sha:
        return
    if await store.update_ref(repo.path, ref, ZERO, pull.head_sha):
        del repo.refs[ref]
        await pushes.moved(world, repo, actor, ref, pull.head_sha, ZERO)


async def update_branch(world: World, repo: Repository, pull: PullRequest, actor: User, expected: str | None) -> None:
    """Merge the base into the branch, as the button does."""
    async with repo.writing:
        base, head = repo.branch(pull.base_ref), pull.head_sha
        if expected and expected != head:
            raise unprocessable(message="expected head sha didn’t match current head ref.")
        if base is None or not pull.is_open or await store.is_ancestor(repo.path, base, head):
            raise unprocessable(message="There are no new commits on the base branch.")
        tree = await store.merge_tree(repo.path, head, base)
        if tree is None:
            raise unprocessable(message="merge conflict between base and head")
        author = Person(actor.login, actor.email, now())
        text = f"Merge branch '{pull.base_ref}' into {pull.head_ref}"
        made = await store.commit_tree(repo.path, tree, [head, base], text, author, web_committer())
        ref = f"refs/heads/{pull.head_ref}"
        if not await store.update_ref(repo.path, ref, made, head):
            raise unprocessable(message="expected head sha didn’t match current head ref.")
        repo.refs[ref] = made
        await pushes.moved(world, repo, actor, ref, head, made)
