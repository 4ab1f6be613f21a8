"""Tools for webhook deliveries, which GitHub does not repeat by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Annotated, cast

from github.HookDelivery import HookDeliverySummary
from github.PaginatedList import PaginatedList
from github.Repository import Repository as GitHubRepository
from github.Requester import Requester
from pydantic import Field

from servers.github.arguments import Limit, Repository
from servers.github.models import Deliveries, Delivery, Redelivery
from servers.github.toolbox import STEWARDS, AccessDep, tools
from servers.github.trees import Json
from servers.kit.errors import NotFound
from servers.kit.tools import READ_WORLD, WRITE_WORLD

APP_HOOK = "/app/hook"
INTAKES = ("/webhooks/github", "/api/webhook/github")


@tools.tool(READ_WORLD, STEWARDS)
async def list_deliveries(
    repository: Repository,
    access: AccessDep,
    failed: Annotated[bool, Field(description="Only those that never arrived, one per GUID")] = True,
    limit: Annotated[Limit, Field(description="How many of the newest to look at, per webhook")] = 500,
    since: Annotated[datetime | None, Field(description="Only those that were sent later")] = None,
) -> Deliveries:
    """List webhook deliveries about a repository, the newest first.

    With a GitHub App these are the App's; with a token those of the repository's webhooks that lead to a rig,
    for which the token must be an administrator's.
    """
    repo = access.reading(repository)

    def read(opened: GitHubRepository) -> Deliveries:
        app = repo.account.app
        found = list(_of_app(app, opened.id, limit, since) if app else _of_hooks(opened, limit, since))
        return Deliveries(deliveries=_never_arrived(found) if failed else found)

    return await repo.run(read)


@tools.tool(WRITE_WORLD, STEWARDS)
async def redeliver(
    repository: Repository,
    delivery_id: Annotated[int, Field(description="From list_deliveries", ge=1)],
    access: AccessDep,
    hook_id: Annotated[int | None, Field(description="From list_deliveries", ge=1)] = None,
) -> Redelivery:
    """Ask GitHub to deliver once more, under the same GUID, so that arriving twice does no harm."""
    repo = await access.writing(repository)

    def write(opened: GitHubRepository) -> Redelivery:
        app = repo.account.app
        if app:
            _, delivery = app.requestJsonAndCheck("GET", f"{APP_HOOK}/deliveries/{delivery_id}")
            if delivery.get("repository_id") != opened.id:
                raise NotFound(f"Delivery {delivery_id} is not about {repository}.")
            app.requestJsonAndCheck("POST", f"{APP_HOOK}/deliveries/{delivery_id}/attempts")
            return Redelivery(accepted=True)
        if hook_id is None:
            raise NotFound("A delivery of a repository's webhook needs its hook_id, see list_deliveries.")
        hook = f"{opened.url}/hooks/{hook_id}"
        opened.requester.requestJsonAndCheck("POST", f"{hook}/deliveries/{delivery_id}/attempts")
        return Redelivery(accepted=True)

    return await repo.run(write)


def _of_app(app: Requester, repository_id: int, limit: int, since: datetime | None) -> Iterator[Delivery]:
    page = PaginatedList(HookDeliverySummary, app, f"{APP_HOOK}/deliveries", {"per_page": 100})
    about = (delivery for delivery in _newest(page, limit, since) if delivery.repository_id == repository_id)
    return (_delivery(delivery, None) for delivery in about)


def _newest(page: Iterable[HookDeliverySummary], limit: int, since: datetime | None) -> Iterator[HookDeliverySummary]:
    return takewhile(lambda sent: since is None or _sent_at(sent) > since, islice(page, limit))


def _sent_at(delivery: HookDeliverySummary) -> datetime:
    sent = cast(datetime, delivery.delivered_at)
    return sent if sent.tzinfo else sent.replace(tzinfo=UTC)


def _of_hooks(repo: GitHubRepository, limit: int, since: datetime | None) -> Iterator[Delivery]:
    for hook in repo.get_hooks():
        config = cast(Json, hook.config)  # pyright: ignore[reportUnknownMemberType]
        if str(config.get("url")).rstrip("/").endswith(INTAKES):
            for delivery in _newest(repo.get_hook_deliveries(hook.id), limit, since):
                yield _delivery(delivery, hook.id)


def _delivery(found: HookDeliverySummary, hook_id: int | None) -> Delivery:
    return Delivery(
        id=found.id or 0,
        guid=found.guid or "",
        hook_id=hook_id,
        event=found.event or "",
        action=found.action,
        status=found.status or "",
        status_code=found.status_code or 0,
        delivered_at=_sent_at(found),
        redelivery=bool(found.redelivery),
    )


def _never_arrived(deliveries: list[Delivery]) -> list[Delivery]:
    arrived = {delivery.guid for delivery in deliveries if 200 <= delivery.status_code < 400}
    lost = {d.guid: d for d in reversed(deliveries) if d.guid not in arrived}
    return list(reversed(lost.values()))
