"""REST: commits, files at a ref, and git refs."""

from __future__ import annotations

import base64
import binascii

from starlette.routing import Route

from rig.doubles.github import merging, pushes
from rig.doubles.github import repos as store
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import Refused, invalid, not_found, unprocessable
from rig.doubles.github.model import ZERO, Json, now
from rig.doubles.github.repos import Entry, Person
from rig.doubles.github.rest.checks import sha_of
from rig.doubles.github.shapes import pulls as pull_shapes
from rig.doubles.github.shapes import repos as shapes


async def list_commits(call: Call) -> Answer:
    start = call.query("sha") or call.repository.default_branch
    sha = await store.resolve(call.repository.path, start)
    if sha is None:
        raise Refused(409, "Git Repository is empty.") if not call.repository.refs else not_found()
    listed = await store.log(call.repository.path, sha, file=call.query("path") or "")
    return call.page(listed, lambda commit: shapes.commit(call.world, call.repository, commit))


async def get_commit(call: Call) -> Answer:
    repo, sha = call.repository, await sha_of(call)
    commit = await store.commit(repo.path, sha)
    empty_tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    files = await store.diff(repo.path, commit.parents[0] if commit.parents else empty_tree, sha)
    added, deleted = sum(f.additions for f in files), sum(f.deletions for f in files)
    return shapes.commit(call.world, repo, commit) | {
        "stats": {"additions": added, "deletions": deleted, "total": added + deleted},
        "files": [shapes.file_diff(call.world, repo, sha, file) for file in files],
    }


async def pulls_of_commit(call: Call) -> Answer:
    sha = await sha_of(call)
    found = [pull for pull in call.repository.pulls if sha in (pull.head_sha, pull.merge_sha)]
    return call.page(found, lambda pull: pull_shapes.simple(call.world, call.repository, pull))


async def compare(call: Call) -> Answer:
    """Two commits against each other, as three dots do."""
    repo = call.repository
    names = call.param("range").split("...")
    ends = [await store.resolve(repo.path, name) for name in names]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise not_found()
    base, head = ends[0], ends[1]
    middle = await store.merge_base(repo.path, base, head) or base
    ahead, behind = await store.log(repo.path, f"{base}..{head}"), await store.log(repo.path, f"{head}..{base}")
    status = ("diverged" if behind else "ahead") if ahead else "behind" if behind else "identical"
    url = f"{shapes.api_url(call.world, repo)}/compare/{base}...{head}"
    page = f"{call.world.url}/{repo.full_name}/compare/{base}...{head}"
    return {
        "url": url,
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": shapes.commit(call.world, repo, await store.commit(repo.path, base)),
        "merge_base_commit": shapes.commit(call.world, repo, await store.commit(repo.path, middle)),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [shapes.commit(call.world, repo, commit) for commit in ahead[::-1]],
        "files": [shapes.file_diff(call.world, repo, head, f) for f in await store.diff(repo.path, middle, head)],
    }


async def get_contents(call: Call) -> Answer:
    repo, path = call.repository, call.request.path_params.get("path", "").strip("/")
    if ".." in path.split("/"):
        raise not_found()
    ref = call.query("ref") or repo.default_branch
    sha = await store.resolve(repo.path, ref.removeprefix("refs/heads/"))
    if sha is None:
        raise Refused(404, f"No commit found for the ref {ref}")
    if not path:
        return _listing(call, await store.entries(repo.path, sha, ""), ref)
    found = await store.entries(repo.path, sha, path)
    if not found:
        raise not_found()
    if found[0].kind == "tree":
        return _listing(call, await store.entries(repo.path, sha, f"{path}/"), ref)
    content = await store.blob(repo.path, found[0].sha)
    if call.accepts("raw"):
        return Reply(content, media="application/vnd.github.raw; charset=utf-8")
    encoded = base64.encodebytes(content).decode()
    return _entry(call, found[0], ref) | {"encoding": "base64", "content": encoded}


def _listing(call: Call, found: list[Entry], ref: str) -> list[Json]:
    return [_entry(call, entry, ref) for entry in found]


def _entry(call: Call, entry: Entry, ref: str) -> Json:
    base = shapes.api_url(call.world, call.repository)
    page = f"{call.world.url}/{call.repository.full_name}"
    is_file = entry.kind == "blob"
    url = f"{base}/contents/{entry.path}?ref={ref}"
    git_url = f"{base}/git/{'blobs' if is_file else 'trees'}/{entry.sha}"
    html_url = f"{page}/{'blob' if is_file else 'tree'}/{ref}/{entry.path}"
    return {
        "name": entry.path.rsplit("/", 1)[-1],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size,
        "url": url,
        "html_url": html_url,
        "git_url": git_url,
        "download_url": f"{page}/raw/{ref}/{entry.path}" if is_file else None,
        "type": "file" if is_file else "dir",
        "_links": {"self": url, "git": git_url, "html": html_url},
    }


async def put_contents(call: Call) -> Answer:
    """Write one file as a commit of its own, guarded by the blob that is being replaced."""
    path = call.param("path")
    try:
        content = base64.b64decode(call.text("content", "Contents", required=False))
    except binascii.Error:
        raise unprocessable(message="content is not valid Base64") from None
    return await _write(call, path, content)


async def delete_contents(call: Call) -> Answer:
    return await _write(call, call.param("path"), None)


async def _write(call: Call, path: str, content: bytes | None) -> Answer:
    actor, repo = call.require("write", "contents"), call.repository
    message = call.text("message", "Contents")
    if not path or {"", ".", "..", ".git"} & {*path.split("/")}:
        raise unprocessable(message="path contains a malformed path component")
    branch = call.body.get("branch") or repo.default_branch
    async with repo.writing:
        head = repo.branch(branch)
        if head is None:
            raise Refused(404, f"Branch {branch} not found")
        existing = await _guard(call, head, path, content)
        tree = await store.tree_with_file(repo.path, head, path, content)
        author = Person(actor.login, actor.email, now())
        made = await store.commit_tree(repo.path, tree, [head], message, author, merging.web_committer())
        await _move(call, f"refs/heads/{branch}", head, made)
    entry = next(iter(await store.entries(repo.path, made, path)), None)
    commit = await store.commit(repo.path, made)
    described = shapes.git_commit(call.world, repo, commit) | {"sha": made, "node_id": f"C_{made}"}
    described |= {"html_url": f"{call.world.url}/{repo.full_name}/commit/{made}", "parents": [{"sha": head}]}
    body: Json = {"content": _entry(call, entry, branch) if entry else None, "commit": described}
    return Reply(body, 200 if existing else 201)


async def _guard(call: Call, head: str, path: str, content: bytes | None) -> bool:
    existing = await store.entries(call.repository.path, head, path)
    sha = call.body.get("sha")
    if existing and sha is None:
        raise unprocessable(message='Invalid request.\n\n"sha" wasn\'t supplied.')
    if existing and sha != existing[0].sha:
        raise Refused(409, f"{path} does not match {sha}")
    if content is None and not existing:
        raise not_found()
    return bool(existing)


async def _move(call: Call, ref: str, old: str, new: str) -> None:
    repo = call.repository
    guard = old if old != ZERO or new == ZERO else ZERO
    if not await store.update_ref(repo.path, ref, new, guard):
        raise Refused(409, "is at a different commit than expected")
    if new == ZERO:
        repo.refs.pop(ref, None)
    else:
        repo.refs[ref] = new
    await pushes.moved(call.world, repo, call.user, ref, old, new)


def _ref(call: Call, name: str, sha: str) -> Json:
    base = shapes.api_url(call.world, call.repository)
    link = {"type": "commit", "sha": sha, "url": f"{base}/git/commits/{sha}"}
    return {"ref": name, "node_id": f"REF_{name}", "url": f"{base}/git/{name}", "object": link}


def _known(call: Call) -> tuple[str, str]:
    name = f"refs/{call.param('ref')}"
    if name not in call.repository.refs:
        raise not_found()
    return name, call.repository.refs[name]


async def get_ref(call: Call) -> Answer:
    return _ref(call, *_known(call))


async def matching_refs(call: Call) -> Answer:
    prefix = f"refs/{call.param('ref')}"
    found = sorted(item for item in call.repository.refs.items() if item[0].startswith(prefix))
    return call.page(found, lambda item: _ref(call, *item))


async def create_ref(call: Call) -> Answer:
    call.require("write", "contents")
    name, sha = call.text("ref", "Reference"), call.text("sha", "Reference")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise unprocessable(message="Reference name must start with 'refs/'.")
    async with call.repository.writing:
        if name in call.repository.refs:
            raise unprocessable(message="Reference already exists")
        if await store.resolve(call.repository.path, sha) is None:
            raise unprocessable(message="Object does not exist")
        await _move(call, name, ZERO, sha)
    return Reply(_ref(call, name, sha), 201)


async def update_ref(call: Call) -> Answer:
    call.require("write", "contents")
    sha = call.text("sha", "Reference")
    async with call.repository.writing:
        name, old = _known(call)
        if await store.resolve(call.repository.path, sha) is None:
            raise unprocessable(message="Object does not exist")
        forward = await store.is_ancestor(call.repository.path, old, sha)
        if not forward and not call.body.get("force"):
            raise unprocessable(message="Update is not a fast forward")
        await _move(call, name, old, sha)
    return _ref(call, name, sha)


async def delete_ref(call: Call) -> Answer:
    call.require("write", "contents")
    async with call.repository.writing:
        if f"refs/{call.param('ref')}" not in call.repository.refs:
            raise unprocessable(message="Reference does not exist")
        name, old = _known(call)
        if name == f"refs/heads/{call.repository.default_branch}":
            raise invalid("Reference", "ref", "custom", message="Cannot delete the default branch")
        await _move(call, name, old, ZERO)
    return Reply(status=204)


REPO = "/repos/{owner}/{repo}"
routes: list[Route] = [
    rest(REPO + "/commits", "GET", list_commits),
    rest(REPO + "/commits/{ref}/pulls", "GET", pulls_of_commit),
    rest(REPO + "/commits/{ref:path}", "GET", get_commit),
    rest(REPO + "/compare/{range:path}", "GET", compare),
    rest(REPO + "/contents", "GET", get_contents),
    rest(REPO + "/contents/{path:path}", "GET", get_contents),
    rest(REPO + "/contents/{path:path}", "PUT", put_contents),
    rest(REPO + "/contents/{path:path}", "DELETE", delete_contents),
    rest(REPO + "/git/ref/{ref:path}", "GET", get_ref),
    rest(REPO + "/git/matching-refs/{ref:path}", "GET", matching_refs),
    rest(REPO + "/git/refs", "POST", create_ref),
    rest(REPO + "/git/refs/{ref:path}", "GET", get_ref),
    rest(REPO + "/git/refs/{ref:path}", "PATCH", update_ref),
    rest(REPO + "/git/refs/{ref:path}", "DELETE", delete_ref),
]
