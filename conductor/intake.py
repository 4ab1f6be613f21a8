"""From webhook to event: verified, kept with its GUID in one transaction, answered, and translated behind."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from conductor.sight import SQL, Sights
from conductor.store import Store, connection_of
from conductor.text import storable
from conductor.translate import Payload, Sighting, translate
from servers.kit.errors import InvalidInput, RigError, TooLarge, Unauthenticated, Unavailable
from servers.kit.logs import get

MAX_BYTES = 25 * 1024 * 1024  # GitHub's own limit for a payload
DELIVERIES = "deliveries"
BATCH = 50
MAX_ATTEMPTS = 10
PATHS = ("/webhooks/github", "/api/webhook/github")
log = get(__name__)


def verify(body: bytes, signature: str, secrets: Sequence[str]) -> None:
    """Check `X-Hub-Signature-256` against each secret in constant time.

    Raises:
        Unauthenticated: No secret made this signature.
    """
    expected = [b"sha256=" + hmac.new(s.encode(), body, hashlib.sha256).hexdigest().encode() for s in secrets]
    matches = [hmac.compare_digest(signature.encode("utf-8", "replace"), value) for value in expected]
    if not any(matches):
        raise Unauthenticated("The signature does not match. Check the webhook's secret against RIG_WEBHOOK_SECRET.")


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MAX_BYTES:
        raise TooLarge(f"A payload has at most {MAX_BYTES} bytes.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge(f"A payload has at most {MAX_BYTES} bytes.")
    return bytes(body)


def parse(body: bytes) -> Payload:
    """The payload as a JSON object.

    Raises:
        InvalidInput: It is not one.
    """
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"The payload is not a JSON object ({error}).") from error


class Intake:
    """Takes deliveries in and works them off.

    Args:
        secrets: Every secret that is accepted right now; several while one is being changed.
    """

    def __init__(self, store: Store, sights: Sights, secrets: Sequence[str]) -> None:
        self.store = store
        self.sights = sights
        self._secrets = [secret for secret in secrets if secret]

    async def receive(self, request: Request) -> Response:
        """Answer a webhook: 202 once it is on disk; 400, 401, 413 and 503 keep nothing."""
        try:
            guid, event, body = await self._checked(request)
            async with connection_of(self.store.pool) as connection:
                fresh = await connection.fetchval(SQL["store_delivery"], guid, event, body)
        except ClientDisconnect:
            return Response(status_code=400)
        except RigError as error:
            status = 400 if isinstance(error, InvalidInput) else error.http_status
            return JSONResponse({"error": error.code(), "message": str(error)}, status)
        if fresh:
            await self.store.wake.publish(DELIVERIES)
        return JSONResponse({"delivery": guid, "new": fresh is not None}, 202)

    async def _checked(self, request: Request) -> tuple[str, str, bytes]:
        if not self._secrets:
            raise Unavailable("No webhook secret is set. Set RIG_WEBHOOK_SECRET.")
        body = await _body(request)
        verify(body, request.headers.get("x-hub-signature-256", ""), self._secrets)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise InvalidInput("Set the webhook's content type to application/json.")
        guid, event = request.headers.get("x-github-delivery", ""), request.headers.get("x-github-event", "")
        if not 1 <= len(guid) <= 100 or not 1 <= len(event) <= 100:
            raise InvalidInput("X-GitHub-Delivery and X-GitHub-Event are missing or too long.")
        parse(body)
        return guid, event, body

    async def release(self) -> None:
        """Take back what a killed process was translating; only where no other process can be at it."""
        await self.store.persist(SQL["release_deliveries"])

    async def run(self) -> None:
        """Translate deliveries for ever."""
        while True:
            seen = self.store.wake.count(DELIVERIES)
            try:
                if await self.work():
                    continue
            except Unavailable as error:
                log.warning("deliveries wait for the database", error=str(error))
            await self.store.wake.wait(DELIVERIES, 1.0, seen)

    async def work(self) -> int:
        """Translate what waits; deliveries that point at one thing share one look. How many there were."""
        async with connection_of(self.store.pool) as connection:
            rows = await connection.fetch(SQL["lease_deliveries"], BATCH)
        translated = {row["guid"]: _translated(row["event"], row["payload"]) for row in rows}
        wanted = dict.fromkeys(s for found in translated.values() if isinstance(found, list) for s in found)
        outcomes = await self._follow_all(list(wanted))
        for row in rows:
            await self._finish(row, translated[row["guid"]], outcomes)
        return len(rows)

    async def _follow_all(self, sightings: list[Sighting]) -> dict[Sighting, str | Exception | None]:
        results = await asyncio.gather(*(self.sights.follow(s) for s in sightings), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
        return dict(zip(sightings, cast("list[str | Exception | None]", results), strict=True))

    async def _finish(
        self,
        row: Any,
        found: list[Sighting] | str | InvalidInput,
        outcomes: dict[Sighting, str | Exception | None],
    ) -> None:
        if not isinstance(found, list):
            state = "ignored" if isinstance(found, str) else "failed"
            await self._set("finish_delivery", row["guid"], state, str(found))
            return
        results = [outcomes[sighting] for sighting in found]
        errors = [result for result in results if isinstance(result, Exception)]
        if errors and row["attempts"] < MAX_ATTEMPTS and not isinstance(errors[0], InvalidInput):
            log.info("delivery put off", guid=row["guid"], error=str(errors[0]))
            await self._set("postpone_delivery", row["guid"], min(0.5 * 2 ** row["attempts"], 60.0), str(errors[0]))
        elif errors:
            log.warning("delivery failed", guid=row["guid"], error=str(errors[0]))
            await self._set("finish_delivery", row["guid"], "failed", str(errors[0]))
        else:
            reasons = [result for result in results if isinstance(result, str)]
            ignored = len(reasons) == len(results)
            await self._set(
                "finish_delivery", row["guid"], "ignored" if ignored else "done", " ".join(reasons) or None
            )

    async def _set(self, query: str, guid: str, what: str | float, words: str | None) -> None:
        await self.store.persist(SQL[query], guid, what, words and storable(words))


def _translated(event: str, payload: bytes) -> list[Sighting] | str | InvalidInput:
    try:
        return translate(event, parse(payload))
    except InvalidInput as error:
        return error


def routes() -> list[Route]:
    """The webhook's paths."""

    async def webhook(request: Request) -> Response:
        return await cast(Intake, request.app.state.conductor.intake).receive(request)

    return [Route(path, webhook, methods=["POST"]) for path in PATHS]
