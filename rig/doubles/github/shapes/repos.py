"""Repositories, branches, commits and files as JSON."""

from __future__ import annotations

from rig.doubles.github.auth import Viewer
from rig.doubles.github.diffs import FileDiff
from rig.doubles.github.model import ROLES, Json, Repository, User, stamp
from rig.doubles.github.repos import Commit, Person
from rig.doubles.github.shapes import people
from rig.doubles.github.state import World

LINKS = """archive_url={/archive_format}{/ref} assignees_url=/assignees{/user} blobs_url=/git/blobs{/sha}
branches_url=/branches{/branch} collaborators_url=/collaborators{/collaborator} comments_url=/comments{/number}
commits_url=/commits{/sha} compare_url=/compare/{base}...{head} contents_url=/contents/{+path}
contributors_url=/contributors deployments_url=/deployments downloads_url=/downloads events_url=/events
forks_url=/forks git_commits_url=/git/commits{/sha} git_refs_url=/git/refs{/sha} git_tags_url=/git/tags{/sha}
hooks_url=/hooks issue_comment_url=/issues/comments{/number} issue_events_url=/issues/events{/number}
issues_url=/issues{/number} keys_url=/keys{/key_id} labels_url=/labels{/name} languages_url=/languages
merges_url=/merges milestones_url=/milestones{/number}
notifications_url=/notifications{?since,all,participating} pulls_url=/pulls{/number} releases_url=/releases{/id}
stargazers_url=/stargazers statuses_url=/statuses/{sha} subscribers_url=/subscribers
subscription_url=/subscription tags_url=/tags teams_url=/teams trees_url=/git/trees{/sha}"""
COUNTS = "size stargazers_count watchers_count forks_count forks watchers network_count subscribers_count"


def api_url(world: World, repository: Repository) -> str:
    return f"{world.api}/repos/{repository.full_name}"


def repository(world: World, repo: Repository, viewer: Viewer | None = None) -> Json:
    open_issues = sum(issue.state == "open" for issue in repo.issues.values())
    shape: Json = {
        "id": repo.id,
        "node_id": f"R_{repo.id}",
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": people.user(world, repo.owner),
        "description": repo.description,
        "fork": False,
        "default_branch": repo.default_branch,
        "created_at": stamp(repo.created_at),
        "updated_at": stamp(repo.pushed_at),
        "pushed_at": stamp(repo.pushed_at),
        "open_issues_count": open_issues,
        "open_issues": open_issues,
        "visibility": "private" if repo.private else "public",
        **_addresses(world, repo),
        **_settings(repo),
    }
    if viewer and viewer.user:
        shape["permissions"] = permissions(viewer, repo)
    return shape


def permissions(viewer: Viewer, repo: Repository) -> Json:
    held = ROLES.index(viewer.role(repo))
    names = {"admin": "admin", "maintain": "maintain", "push": "write", "triage": "triage", "pull": "read"}
    return {name: held >= [*ROLES].index(role) for name, role in names.items()}


def _addresses(world: World, repo: Repository) -> Json:
    base = api_url(world, repo)
    page = f"{world.url}/{repo.full_name}"
    pairs = (link.partition("=") for link in LINKS.split())
    links = {name: tail for name, _, tail in pairs}
    own = {
        "url": base,
        "html_url": page,
        "clone_url": f"{page}.git",
        "git_url": f"git://{world.url.split('://')[1]}/{repo.full_name}.git",
        "ssh_url": f"git@{world.url.split('://')[1]}:{repo.full_name}.git",
        "svn_url": page,
        "mirror_url": None,
    }
    return {name: base + tail for name, tail in links.items()} | own


def _settings(repo: Repository) -> Json:
    counts: Json = dict.fromkeys(COUNTS.split(), 0)
    flags = {"has_issues": True, "has_projects": False, "has_wiki": False, "has_pages": False}
    return (
        counts
        | flags
        | {
            "has_downloads": False,
            "has_discussions": False,
            "homepage": None,
            "language": None,
            "license": None,
            "archived": False,
            "disabled": False,
            "is_template": False,
            "topics": [],
            "allow_forking": True,
            "web_commit_signoff_required": False,
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": False,
            "allow_auto_merge": False,
            "delete_branch_on_merge": repo.delete_branch_on_merge,
        }
    )


def person(who: Person) -> Json:
    return {"name": who.name, "email": who.email, "date": who.stamp}


def account_of(world: World, who: Person) -> User | None:
    """The account a commit belongs to, by the address GitHub gives out or the author's name."""
    return next((u for u in world.users.values() if who.email == u.email or who.name == u.login), None)


def git_commit(world: World, repo: Repository, commit: Commit) -> Json:
    base = api_url(world, repo)
    return {
        "author": person(commit.author),
        "committer": person(commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": f"{base}/git/trees/{commit.tree}"},
        "url": f"{base}/git/commits/{commit.sha}",
        "comment_count": 0,
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


def commit(world: World, repo: Repository, one: Commit) -> Json:
    base = api_url(world, repo)
    page = f"{world.url}/{repo.full_name}/commit"
    return {
        "sha": one.sha,
        "node_id": f"C_{repo.id}_{one.sha}",
        "commit": git_commit(world, repo, one),
        "url": f"{base}/commits/{one.sha}",
        "html_url": f"{page}/{one.sha}",
        "comments_url": f"{base}/commits/{one.sha}/comments",
        "author": people.maybe_user(world, account_of(world, one.author)),
        "committer": people.maybe_user(world, account_of(world, one.committer)),
        "parents": [{"sha": sha, "url": f"{base}/commits/{sha}", "html_url": f"{page}/{sha}"} for sha in one.parents],
    }


def file_diff(world: World, repo: Repository, head: str, file: FileDiff) -> Json:
    base = api_url(world, repo)
    page = f"{world.url}/{repo.full_name}"
    shape: Json = {
        "sha": file.sha if file.status != "removed" else None,
        "filename": file.path,
        "status": file.status,
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": f"{page}/blob/{head}/{file.path}",
        "raw_url": f"{page}/raw/{head}/{file.path}",
        "contents_url": f"{base}/contents/{file.path}?ref={head}",
    }
    if file.previous:
        shape["previous_filename"] = file.previous
    if file.patch is not None:
        shape["patch"] = file.patch
    return shape
