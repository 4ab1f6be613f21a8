"""Webhook deliveries: found when they never arrived, and repeated."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from servers.kit.errors import NotFound
from tests.github.conftest import OTHER, TALLY, Open, Rig, apps, register
from tests.loopback import served


class Intake:
    """Takes webhooks, and fails as long as it is broken."""

    def __init__(self) -> None:
        self.broken = True
        self.taken: list[str] = []

    async def take(self, request: Request) -> Response:
        await request.body()
        if not self.broken:
            self.taken.append(request.headers["X-GitHub-Delivery"])
        return Response(status_code=500 if self.broken else 202)


@asynccontextmanager
async def _intake() -> AsyncGenerator[tuple[Intake, str]]:
    intake = Intake()
    app = Starlette(routes=[Route("/{path:path}", intake.take, methods=["POST"])])
    async with served(app) as url:
        yield intake, url


async def _lose_one(rig: Rig, repository: str = TALLY) -> None:
    await rig.double.label_issue(repository, 1, "agent-ready", token="ada")
    await rig.double.settle()


async def test_a_lost_delivery_of_a_repository_is_found_and_repeated(open_rig: Open) -> None:
    async with open_rig(github_token="ada") as rig, _intake() as (intake, url):
        await rig.double.add_webhook(f"{url}/webhooks/github", "secret", repository=TALLY)
        await rig.double.add_webhook(f"{url}/somebody/else", "secret", repository=TALLY)
        await _lose_one(rig)
        service = await rig.service()
        lost = (await service.call("list_deliveries", repository=TALLY))["deliveries"]
        assert [(d["event"], d["action"], d["status_code"]) for d in lost] == [("issues", "labeled", 500)]
        later = await service.call("list_deliveries", repository=TALLY, since=lost[0]["delivered_at"])
        assert later["deliveries"] == []
        intake.broken = False
        again = {"delivery_id": lost[0]["id"], "hook_id": lost[0]["hook_id"]}
        assert (await service.call("redeliver", repository=TALLY, **again))["accepted"]
        await rig.double.settle()
        assert intake.taken == [lost[0]["guid"]]
        assert (await service.call("list_deliveries", repository=TALLY))["deliveries"] == []
        everything = (await service.call("list_deliveries", repository=TALLY, failed=False))["deliveries"]
        assert [d["redelivery"] for d in everything] == [True, False]
        with pytest.raises(NotFound, match="hook_id"):
            await service.call("redeliver", repository=TALLY, delivery_id=lost[0]["id"])


async def test_a_lost_delivery_of_an_app_is_found_and_repeated(open_rig: Open, app_key: tuple[str, str]) -> None:
    async with open_rig(**apps(app_key[0])) as rig, _intake() as (intake, url):
        await register(rig, app_key[1])
        await rig.double.add_webhook(f"{url}/webhooks/github", "secret", app_id=101)
        await _lose_one(rig)
        await _lose_one(rig, OTHER)
        service = await rig.service()
        [lost] = (await service.call("list_deliveries", repository=TALLY))["deliveries"]
        assert lost["hook_id"] is None
        with pytest.raises(NotFound, match="not about"):
            await service.call("redeliver", repository=OTHER, delivery_id=lost["id"])
        intake.broken = False
        assert (await service.call("redeliver", repository=TALLY, delivery_id=lost["id"]))["accepted"]
        await rig.double.settle()
        assert intake.taken == [lost["guid"]]
