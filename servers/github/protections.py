"""What a base branch demands of a pull request: rulesets, classic protection, and what GraphQL tells everybody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from github.Repository import Repository as GitHubRepository

from servers.github.client import Repo
from servers.github.trees import Json, child, children
from servers.kit.errors import Forbidden, NotFound, RigError

DEMANDS_SECONDS = 30.0
FOR_GOOD = float("inf")
RULES_LIMIT = 100


@dataclass(frozen=True)
class Demands:
    """What must hold before a pull request may land on a branch."""

    checks: tuple[str, ...] = ()
    approvals: int = 0
    code_owners: bool = False
    up_to_date: bool = False
    merge_queue: bool = False


def together(*demands: Demands) -> Demands:
    """All of `demands` at once, as GitHub adds up rulesets and protection."""
    return Demands(
        checks=tuple(sorted({name for one in demands for name in one.checks})),
        approvals=max((one.approvals for one in demands), default=0),
        code_owners=any(one.code_owners for one in demands),
        up_to_date=any(one.up_to_date for one in demands),
        merge_queue=any(one.merge_queue for one in demands),
    )


def of_rules(rules: list[Json]) -> Demands:
    """The demands of the active rules of a branch, as `GET /rules/branches/{branch}` lists them."""
    return together(*(_of_rule(str(rule.get("type")), child(rule, "parameters")) for rule in rules))


def _of_rule(kind: str, parameters: Json) -> Demands:
    match kind:
        case "required_status_checks":
            names = [str(check["context"]) for check in children(parameters, "required_status_checks")]
            return Demands(tuple(names), up_to_date=bool(parameters.get("strict_required_status_checks_policy")))
        case "pull_request":
            count = int(parameters.get("required_approving_review_count") or 0)
            return Demands(approvals=count, code_owners=bool(parameters.get("require_code_owner_review")))
        case "merge_queue":
            return Demands(merge_queue=True)
        case _:
            return Demands()


def of_protection(protection: Json) -> Demands:
    """The demands of a classic protection, as REST shows it to administrators."""
    checks, reviews = child(protection, "required_status_checks"), child(protection, "required_pull_request_reviews")
    names = [str(check["context"]) for check in children(checks, "checks")] or _names(checks.get("contexts"))
    return Demands(
        checks=tuple(names),
        approvals=int(reviews.get("required_approving_review_count") or 0),
        code_owners=bool(reviews.get("require_code_owner_reviews")),
        up_to_date=bool(checks.get("strict")),
    )


def of_update_rule(rule: Json) -> Demands:
    """The demands of a classic protection, as GraphQL shows them to whoever may read."""
    return Demands(
        checks=tuple(_names(rule.get("requiredStatusCheckContexts"))),
        approvals=int(rule.get("requiredApprovingReviewCount") or 0),
        code_owners=bool(rule.get("requiresCodeOwnerReviews")),
    )


async def demands(repo: Repo, branch: str) -> Demands:
    """What `branch` demands as far as REST shows it to the rig; at most half a minute old."""

    async def ask() -> Demands:
        return together(*await asyncio.gather(_rules(repo, branch), _protection(repo, branch)))

    return await repo.github.kept.get(("demands", repo.account, repo.name.lower(), branch), DEMANDS_SECONDS, ask)


async def is_behind(repo: Repo, base: str, head: str) -> bool | None:
    """Whether the commit `base` is missing from the history of `head`; None where GitHub cannot compare them."""

    async def ask() -> bool:
        path = f"/compare/{base}...{head}?per_page=1&page=2"  # files and patches are on the first page only
        return int((await repo.run(lambda opened: _get(opened, path)))["behind_by"]) > 0

    with suppress(RigError):
        return await repo.github.kept.get(("behind", repo.account, repo.name.lower(), base, head), FOR_GOOD, ask)
    return None


async def _rules(repo: Repo, branch: str) -> Demands:
    path = f"/rules/branches/{quote(branch)}?per_page={RULES_LIMIT}"
    with suppress(NotFound, Forbidden):
        return of_rules(cast(list[Json], await repo.run(lambda opened: _get(opened, path))))
    return Demands()


async def _protection(repo: Repo, branch: str) -> Demands:
    """Only administrators may read it, and most rigs are none; GraphQL shows the rest of it to everybody."""
    with suppress(NotFound, Forbidden):
        return of_protection(await repo.run(lambda opened: _get(opened, f"/branches/{quote(branch)}/protection")))
    return Demands()


def _get(repo: GitHubRepository, path: str) -> Any:
    return repo.requester.requestJsonAndCheck("GET", f"{repo.url}{path}")[1]


def _names(value: Any) -> list[str]:
    return [str(name) for name in cast(list[Any], value)] if isinstance(value, list) else []
