"""The door for monitoring: an incident is kept, told once, and becomes work for monitor-e, or an issue without it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from conductor import comments
from conductor.dispatch.chores import Chore, Chores, Effect, by_kind, keep, write_effect
from conductor.events import IncidentReported
from conductor.store.records import Append
from conductor.store.writer import ASSIGNMENTS, EFFECTS, connection_of
from conductor.text import all_storable
from servers.kit.database import load_queries
from servers.kit.errors import Conflict, InvalidInput, RigError, TooLarge, Unauthenticated, Unavailable

SQL = load_queries(Path(__file__).with_name("incidents.sql"))
PATH = "/webhooks/incident"
MAX_BYTES = 1_000_000
MOST = 50  # of one request
SHOWN = 20_000
LABEL = "incident"
Line = Annotated[str, Field(min_length=1, max_length=500)]


class Incident(BaseModel):
    """What monitoring reports; whatever else it sends is evidence.

    Attributes:
        fingerprint: The same for the same incident; by default of its repository and title.
    """

    model_config = ConfigDict(extra="allow")

    title: Line
    repository: Annotated[str, Field(max_length=201)] = ""
    severity: Annotated[str, Field(max_length=50)] = "unknown"
    fingerprint: Annotated[str, Field(max_length=500)] = ""


@dataclass(frozen=True)
class Seen:
    """An incident that the rig takes, with everything that was sent of it as text."""

    incident: Incident
    repository: str
    evidence: str

    @property
    def digest(self) -> str:
        """Names it in keys and streams, whatever its fingerprint is made of."""
        said = self.incident.fingerprint or self.incident.title
        return hashlib.sha256(f"{self.repository.lower()}\n{said}".encode()).hexdigest()[:16]


class Incidents:
    """Takes incidents in.

    Args:
        secret: What they are signed with; empty where none are taken.
        repositories: Those that are enrolled.
        default: Where an incident happened that does not say so.
        quiet_hours: After so long without a report the same incident is a new one.
    """

    def __init__(
        self, chores: Chores, secret: str, repositories: Sequence[str], default: str = "", quiet_hours: float = 24
    ) -> None:
        self._chores = chores
        self._secret = secret.encode()
        self._enrolled = {name.lower(): name for name in repositories}
        self._default = default
        self._quiet_hours = quiet_hours

    def admit(self, body: bytes, signature: str, authorization: str) -> None:
        """Check the signature over `body`, or the bearer token, in constant time.

        Raises:
            Unauthenticated: Neither is right.
            Unavailable: No secret is set, so nobody can send any.
        """
        if not self._secret:
            raise Unavailable("No incidents are taken. Set RIG_INCIDENT_SECRET.")
        signed = "sha256=" + hmac.digest(self._secret, body, "sha256").hex()
        if hmac.compare_digest(signature.encode(), signed.encode()):
            return
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._secret):
            return
        raise Unauthenticated("Sign the body in X-Rig-Signature-256, or send RIG_INCIDENT_SECRET as bearer token.")

    def read(self, body: bytes) -> list[Seen]:
        """The incidents of a request: one, or those alerts of Alertmanager's webhook that are firing.

        Raises:
            InvalidInput: It is no incident, or happened where the rig is not.
        """
        try:
            said = all_storable(msgspec.json.decode(body, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"The body is not a JSON object ({error}).") from error
        alerts = said.get("alerts")
        if isinstance(alerts, list):
            firing = [_from_alert(alert) for alert in cast(list[Any], alerts) if _is_firing(alert)]
            if len(firing) > MOST:
                raise TooLarge(f"A request holds at most {MOST} alerts.")
            return [self._seen(one) for one in firing]
        return [self._seen(said)]

    def _seen(self, said: dict[str, Any]) -> Seen:
        try:
            incident = Incident.model_validate(said)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False))
            raise InvalidInput(f"The incident is not valid: {wrong}") from error
        named = incident.repository or self._default
        if named.lower() not in self._enrolled:
            raise InvalidInput(f"repository: {named or 'none is named, and'} is not among the rig's repositories.")
        pretty = msgspec.json.format(msgspec.json.encode(said), indent=2).decode()
        return Seen(incident, self._enrolled[named.lower()], pretty[:SHOWN])

    async def report(self, seen: Seen) -> bool:
        """Keep an incident; whether it is one that nobody knows of yet."""
        incident, store = seen.incident, self._chores.store
        who = by_kind(self._chores.catalogue, "triage")
        async with connection_of(store.pool) as connection, connection.transaction():
            said = (seen.digest, seen.repository, incident.title, incident.severity, seen.evidence)
            row = await connection.fetchrow(SQL["report"], *said, self._quiet_hours)
            occurrence = int(row["occurrence"]) if row else 1
            effect = _issue(seen, occurrence)
            chore = _chore(seen, occurrence, who, effect) if who else None
            await (keep(connection, chore) if chore else write_effect(connection, effect))
        await store.wake.publish(ASSIGNMENTS, EFFECTS)
        return await self._note(seen, occurrence)

    async def _note(self, seen: Seen, occurrence: int) -> bool:
        event = IncidentReported(
            fingerprint=seen.digest,
            repository=seen.repository,
            title=seen.incident.title,
            severity=seen.incident.severity,
            occurrence=occurrence,
        )
        store = self._chores.store
        first = Append(f"incident-{seen.digest}", occurrence - 1, [event], "monitoring", store.clock.now())
        try:
            await store.append(first)
        except Conflict:
            return False
        return True


def _issue(seen: Seen, occurrence: int) -> Effect:
    """The issue in the rig's own words."""
    key = f"incident:{seen.digest}:{occurrence}"
    again = f"It came back; this is occurrence {occurrence}." if occurrence > 1 else "It is the first time."
    said = {
        "repository": seen.repository,
        "title": comments.incident_title(seen.incident.title),
        "body": comments.incident(seen.repository, seen.incident.severity, again, seen.evidence),
        "labels": [LABEL],
        "key": key,
    }
    stream = f"incident-{seen.digest}"
    return Effect(key, stream, stream, "open_issue", said)


def _chore(seen: Seen, occurrence: int, who: str, effect: Effect) -> Chore:
    """Work for whoever looks at incidents; where that fails twice, the issue is opened as it would be without."""
    data = {"key": effect.key, "severity": seen.incident.severity, "otherwise": vars(effect)}
    body = f"Severity: {seen.incident.severity}. Occurrence: {occurrence}.\n\n{seen.evidence}"
    priority = "critical" if seen.incident.severity.lower() == "critical" else "high"
    return Chore("triage", who, effect.key, seen.incident.title, body, seen.repository, data=data, priority=priority)


def _is_firing(alert: Any) -> bool:
    return isinstance(alert, dict) and cast(dict[str, Any], alert).get("status", "firing") == "firing"


def _from_alert(alert: dict[str, Any]) -> dict[str, Any]:
    """One of Alertmanager's alerts as an incident; what it does not say is left out."""
    labels, notes = (cast("dict[str, Any]", alert.get(name) or {}) for name in ("labels", "annotations"))
    found = {
        "title": notes.get("summary") or labels.get("alertname"),
        "repository": labels.get("repository"),
        "severity": labels.get("severity"),
        "fingerprint": alert.get("fingerprint"),
    }
    return alert | {name: str(value) for name, value in found.items() if value}


async def receive(request: Request) -> Response:
    """Answer monitoring: 202 once it is kept; 400, 401, 413 and 503 keep nothing."""
    desk: Incidents = request.app.state.conductor.incidents
    try:
        body = await _body(request)
        desk.admit(body, request.headers.get("x-rig-signature-256", ""), request.headers.get("authorization", ""))
        new = [await desk.report(seen) for seen in desk.read(body)]
    except ClientDisconnect:
        return Response(status_code=400)
    except RigError as error:
        status = 400 if isinstance(error, InvalidInput) and not isinstance(error, TooLarge) else error.http_status
        return JSONResponse({"error": error.code(), "message": str(error)}, status)
    return JSONResponse({"incidents": len(new), "new": sum(new)}, 202)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge(f"A request has at most {MAX_BYTES} bytes.")
    return bytes(body)


def routes() -> list[Route]:
    """The door's path."""
    return [Route(PATH, receive, methods=["POST"])]
