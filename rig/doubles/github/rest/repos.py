"""REST: repositories, collaborators, branches, protection and rules."""

from __future__ import annotations

from typing import cast

from starlette.routing import Route

from rig.doubles.github import repos as store
from rig.doubles.github.auth import role_of
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import Refused, not_found
from rig.doubles.github.model import Json, Protection, Repository, Role, User
from rig.doubles.github.shapes import people
from rig.doubles.github.shapes import repos as shapes

LEGACY: dict[Role, str] = {"maintain": "write", "triage": "read"}


async def get_repository(call: Call) -> Answer:
    return shapes.repository(call.world, call.repository, call.viewer)


async def edit_repository(call: Call) -> Answer:
    call.require("admin", "administration")
    repo = call.repository
    repo.description = call.body.get("description", repo.description)
    repo.private = bool(call.body.get("private", repo.private))
    repo.delete_branch_on_merge = bool(call.body.get("delete_branch_on_merge", repo.delete_branch_on_merge))
    return shapes.repository(call.world, repo, call.viewer)


async def list_own_repositories(call: Call) -> Answer:
    user = call.viewer.signed_in()
    mine = [r for r in call.world.repositories.values() if r.owner is user or user.login in r.permissions]
    return call.page(mine, lambda repo: shapes.repository(call.world, repo, call.viewer))


async def list_collaborators(call: Call) -> Answer:
    call.require("write")
    repo = call.repository
    found = [repo.owner, *(call.world.user(login) for login in repo.permissions)]
    return call.page(list({u.id: u for u in found}.values()), lambda user: _collaborator(call, user))


def _collaborator(call: Call, user: User) -> Json:
    role = role_of(user, None, call.repository)
    held = {"pull": True, "triage": role != "read", "push": role in ("write", "maintain", "admin")}
    held |= {"maintain": role in ("maintain", "admin"), "admin": role == "admin"}
    return people.user(call.world, user) | {"permissions": held, "role_name": role}


async def is_collaborator(call: Call) -> Answer:
    call.require("write")
    login = call.param("login")
    if login not in call.repository.permissions and login != call.repository.owner.login:
        raise not_found()
    return Reply(status=204)


async def get_permission(call: Call) -> Answer:
    """A person's role; a bot is not a user here, as at GitHub."""
    login = call.param("login")
    call.viewer.signed_in()
    known = call.world.users.get(login.lower())
    if known is None or known.kind == "Bot":
        raise Refused(404, f"{login} is not a user")
    role = role_of(known, None, call.repository)
    return {"permission": LEGACY.get(role, role), "role_name": role, "user": _collaborator(call, known)}


async def list_branches(call: Call) -> Answer:
    repo = call.repository
    names = [ref.removeprefix("refs/heads/") for ref in repo.refs if ref.startswith("refs/heads/")]
    return call.page(sorted(names), lambda name: short_branch(call, repo, name))


def short_branch(call: Call, repo: Repository, name: str) -> Json:
    sha = repo.branch(name)
    link = {"sha": sha, "url": f"{shapes.api_url(call.world, repo)}/commits/{sha}"}
    return {"name": name, "commit": link, "protected": name in repo.protections}


async def get_branch(call: Call) -> Answer:
    repo, name = call.repository, call.param("branch")
    sha = repo.branch(name)
    if sha is None:
        raise Refused(404, "Branch not found")
    base = shapes.api_url(call.world, repo)
    protection = repo.protections.get(name)
    contexts = protection.required_checks if protection else []
    level = "non_admins" if contexts else "off"
    return short_branch(call, repo, name) | {
        "commit": shapes.commit(call.world, repo, await store.commit(repo.path, sha)),
        "_links": {"self": f"{base}/branches/{name}", "html": f"{call.world.url}/{repo.full_name}/tree/{name}"},
        "protection": {
            "enabled": protection is not None,
            "required_status_checks": {"enforcement_level": level, "contexts": contexts, "checks": []},
        },
        "protection_url": f"{base}/branches/{name}/protection",
    }


async def get_protection(call: Call) -> Answer:
    repo, name = call.repository, call.param("branch")
    call.require("admin", "administration")
    if repo.branch(name) is None or name not in repo.protections:
        raise Refused(404, "Branch not protected" if repo.branch(name) else "Branch not found")
    return _protection(call, name, repo.protections[name])


async def put_protection(call: Call) -> Answer:
    call.require("admin", "administration")
    name, body = call.param("branch"), call.body
    wanted: Json = body.get("required_status_checks") or {}
    reviews: Json = body.get("required_pull_request_reviews") or {}
    count = int(reviews.get("required_approving_review_count", 1)) if reviews else 0
    contexts = [*cast(list[str], wanted.get("contexts") or [])]
    contexts += [str(each["context"]) for each in cast(list[Json], wanted.get("checks") or [])]
    owners = bool(reviews.get("require_code_owner_reviews"))
    made = Protection(contexts, count, bool(wanted.get("strict")), restrict_pushes=True, code_owners=owners)
    call.repository.protections[name] = made
    return _protection(call, name, made)


async def delete_protection(call: Call) -> Answer:
    call.require("admin", "administration")
    if call.repository.protections.pop(call.param("branch"), None) is None:
        raise Refused(404, "Branch not protected")
    return Reply(status=204)


def _protection(call: Call, name: str, held: Protection) -> Json:
    url = f"{shapes.api_url(call.world, call.repository)}/branches/{name}/protection"
    shape: Json = {"url": url, "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True}}
    if held.required_checks:
        checks = [{"context": each, "app_id": None} for each in held.required_checks]
        shape["required_status_checks"] = {
            "url": f"{url}/required_status_checks",
            "strict": held.strict,
            "contexts": held.required_checks,
            "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": checks,
        }
    if held.required_reviews:
        shape["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": held.code_owners,
            "required_approving_review_count": held.required_reviews,
        }
    return shape


async def rules_of_branch(call: Call) -> Answer:
    """The rules of a ruleset that says the same as the branch's protection."""
    held = call.repository.protections.get(call.param("branch"))
    return call.page(_rules(held) if held else [], lambda rule: rule | _source(call))


def _source(call: Call) -> Json:
    name = call.repository.full_name
    return {"ruleset_source_type": "Repository", "ruleset_source": name, "ruleset_id": call.repository.id}


def _rules(held: Protection) -> list[Json]:
    rules: list[Json] = []
    if held.required_checks:
        checks = [{"context": each} for each in held.required_checks]
        parameters = {"required_status_checks": checks, "strict_required_status_checks_policy": held.strict}
        rules.append({"type": "required_status_checks", "parameters": parameters})
    if held.required_reviews:
        flags = ("dismiss_stale_reviews_on_push", "require_last_push_approval", "required_review_thread_resolution")
        parameters: Json = dict.fromkeys(flags, False) | {"require_code_owner_review": held.code_owners}
        count = {"required_approving_review_count": held.required_reviews}
        rules.append({"type": "pull_request", "parameters": parameters | count})
    if held.merge_queue:
        rules.append({"type": "merge_queue"})
    return rules


REPO = "/repos/{owner}/{repo}"
routes: list[Route] = [
    rest(REPO, "GET", get_repository),
    rest(REPO, "PATCH", edit_repository),
    rest("/user/repos", "GET", list_own_repositories),
    rest(REPO + "/collaborators", "GET", list_collaborators),
    rest(REPO + "/collaborators/{login}", "GET", is_collaborator),
    rest(REPO + "/collaborators/{login}/permission", "GET", get_permission),
    rest(REPO + "/branches", "GET", list_branches),
    rest(REPO + "/branches/{branch:path}/protection", "GET", get_protection),
    rest(REPO + "/branches/{branch:path}/protection", "PUT", put_protection),
    rest(REPO + "/branches/{branch:path}/protection", "DELETE", delete_protection),
    rest(REPO + "/branches/{branch:path}", "GET", get_branch),
    rest(REPO + "/rules/branches/{branch:path}", "GET", rules_of_branch),
]
