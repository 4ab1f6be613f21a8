"""The webhook's door: verified, kept with its GUID in one transaction, answered; the work comes behind."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conductor.intake.payload import check
from conductor.intake.postbox import Postbox
from servers.kit.errors import InvalidInput, RigError, TooLarge, Unauthenticated, Unavailable

MAX_BYTES = 25 * 1024 * 1024  # GitHub's own limit for a payload
PATHS = ("/webhooks/github", "/api/webhook/github")


def verify(body: bytes, signature: bytes, secrets: Sequence[bytes]) -> None:
    """Check `X-Hub-Signature-256` against each secret in constant time.

    Raises:
        Unauthenticated: No secret made this signature.
    """
    for secret in secrets:
        expected = b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode()
        if hmac.compare_digest(signature, expected):
            return
    raise Unauthenticated("The signature does not match. Check the webhook's secret against RIG_WEBHOOK_SECRET.")


async def body_of(receive: Receive, declared: bytes) -> bytes:
    """A request's body.

    Raises:
        TooLarge: It has more than MAX_BYTES.
        ClientDisconnect: The sender hung up before its end.
    """
    if not declared.isdigit() or int(declared) > MAX_BYTES:
        raise TooLarge(f"A payload has at most {MAX_BYTES} bytes.")
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return _within(message.get("body", b""))
    body = bytearray()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        _within(body)
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
    raise ClientDisconnect


def _within(body: Any) -> Any:
    if len(body) > MAX_BYTES:
        raise TooLarge(f"A payload has at most {MAX_BYTES} bytes.")
    return body


class Intake:
    """Takes deliveries in.

    Args:
        secrets: Every secret that is accepted right now; several while one is being changed.
    """

    def __init__(self, postbox: Postbox, secrets: Sequence[str]) -> None:
        self.postbox = postbox
        self._secrets = [secret.encode() for secret in secrets if secret]

    async def receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a webhook: 202 once it is on disk; 400, 401, 413 and 503 keep nothing."""
        try:
            guid, event, body = await self._checked(dict(scope["headers"]), receive)
            fresh = await self.postbox.keep(guid, event, body)
        except ClientDisconnect:
            await _answer(send, 400, {})
        except RigError as error:
            status = 400 if isinstance(error, InvalidInput) else error.http_status
            await _answer(send, status, {"error": error.code(), "message": str(error)})
        else:
            await _answer(send, 202, {"delivery": guid, "new": fresh})

    async def _checked(self, headers: dict[bytes, bytes], receive: Receive) -> tuple[str, str, bytes]:
        if not self._secrets:
            raise Unavailable("No webhook secret is set. Set RIG_WEBHOOK_SECRET.")
        body = await body_of(receive, headers.get(b"content-length", b"0"))
        verify(body, headers.get(b"x-hub-signature-256", b""), self._secrets)
        if headers.get(b"content-type", b"").partition(b";")[0].strip() != b"application/json":
            raise InvalidInput("Set the webhook's content type to application/json.")
        guid, event = _name(headers, b"x-github-delivery"), _name(headers, b"x-github-event")
        check(body)
        return guid, event, body


def _name(headers: dict[bytes, bytes], header: bytes) -> str:
    name = headers.get(header, b"").decode("latin-1")
    if not 1 <= len(name) <= 100:
        raise InvalidInput("X-GitHub-Delivery and X-GitHub-Event are missing or too long.")
    return name


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    body = msgspec.json.encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


class Front:
    """Stands before the routes, for the framework's own work on a request costs a tenth of all there is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
        elif scope["method"] == "POST":
            intake = cast(Intake, scope["app"].state.conductor.intake)
            await intake.receive(scope, receive, send)
        else:
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
