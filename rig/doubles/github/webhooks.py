"""Webhooks: signed, delivered in the background, in order for each target, logged, and delivered again on request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass, field, replace

import httpx2

from rig.doubles.github.model import Delivery, Hook, Json, Repository, User, now
from rig.doubles.github.shapes import people, repos
from rig.doubles.github.state import World
from servers.kit.tls import trusted

PATIENCE = 10.0


@dataclass
class Mischief:
    """What goes wrong with the next deliveries of an event."""

    kind: str
    event: str = "*"
    count: int = 1
    seconds: float = 0.5

    def takes(self, event: str) -> bool:
        return self.count > 0 and self.event in ("*", event)


@dataclass
class Lane:
    """One target's deliveries, in order."""

    hook: Hook
    queue: asyncio.Queue[Delivery] = field(default_factory=asyncio.Queue[Delivery])
    held: Delivery | None = None
    task: asyncio.Task[None] | None = None


class Webhooks:
    def __init__(self, world: World) -> None:
        self.world = world
        self.mischief: list[Mischief] = []
        self.lanes: dict[int, Lane] = {}
        self.client = httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, verify=trusted())

    def emit(self, repository: Repository, event: str, sender: User, **fields: object) -> None:
        """Tell every hook that listens; the payload is written now, so it shows this moment."""
        hooks = [hook for hook in self.world.hooks if self._listens(hook, repository, event)]
        if not hooks:
            return
        payload: Json = {
            **fields,
            "repository": repos.repository(self.world, repository),
            "sender": people.user(self.world, sender),
        }
        for hook in hooks:
            self.enqueue(hook, event, payload | self._installation(hook, repository), repository)

    def _listens(self, hook: Hook, repository: Repository, event: str) -> bool:
        if not hook.active or (event not in hook.events and "*" not in hook.events):
            return False
        if hook.app is None:
            return hook.repository is repository
        return any(i.app is hook.app for i in self.world.installations_on(repository))

    def _installation(self, hook: Hook, repository: Repository) -> Json:
        for installed in self.world.installations_on(repository):
            if installed.app is hook.app:
                return {"installation": {"id": installed.id, "node_id": f"MDIz{installed.id}"}}
        return {}

    def ping(self, hook: Hook) -> None:
        described: Json = {
            "type": "App" if hook.app else "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": hook.events,
            "config": {"content_type": "json", "insecure_ssl": "0", "url": hook.url, "secret": "********"},
            "created_at": hook.created_at.isoformat(),
            "updated_at": hook.created_at.isoformat(),
        }
        payload: Json = {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": described}
        if hook.repository:
            payload["repository"] = repos.repository(self.world, hook.repository)
            payload["sender"] = people.user(self.world, hook.repository.owner)
        self.enqueue(hook, "ping", payload, hook.repository)

    def enqueue(self, hook: Hook, event: str, payload: Json, repository: Repository | None) -> None:
        body = json.dumps(payload, separators=(",", ":")).encode()
        guid = str(uuid.uuid4())
        delivery = Delivery(
            self.world.next_id(),
            guid,
            event,
            payload.get("action"),
            body,
            headers_for(hook, event, guid, body),
            repository.id if repository else None,
        )
        self._queue(hook, delivery)

    def redeliver(self, hook: Hook, delivery: Delivery) -> None:
        """Send the same payload under the same GUID again."""
        again = replace(delivery, id=self.world.next_id(), redelivery=True, status="pending", status_code=0)
        self._queue(hook, again)

    def _queue(self, hook: Hook, delivery: Delivery) -> None:
        lane = self.lanes.setdefault(hook.id, Lane(hook))
        if lane.task is None:
            lane.task = asyncio.create_task(self._drive(lane))
        lane.queue.put_nowait(delivery)

    async def _drive(self, lane: Lane) -> None:
        while True:
            delivery = await lane.queue.get()
            try:
                await self._with_mischief(lane, delivery)
            finally:
                lane.queue.task_done()

    async def _with_mischief(self, lane: Lane, delivery: Delivery) -> None:
        mischief = None if delivery.redelivery else self._next_mischief(delivery.event)
        match mischief.kind if mischief else None:
            case "vanish":
                return
            case "drop":
                self._record(lane.hook, delivery, "timed out", 0, "")
                return
            case "reorder":
                self._hold(lane, delivery, mischief.seconds if mischief else 0)
                return
            case "delay":
                await asyncio.sleep(mischief.seconds if mischief else 0)
                await self._send(lane.hook, delivery)
            case "duplicate":
                await self._send(lane.hook, delivery)
                await self._send(lane.hook, replace(delivery, id=self.world.next_id()))
            case _:
                await self._send(lane.hook, delivery)
        await self._release(lane)

    def _next_mischief(self, event: str) -> Mischief | None:
        for mischief in self.mischief:
            if mischief.takes(event):
                mischief.count -= 1
                return mischief
        return None

    def _hold(self, lane: Lane, delivery: Delivery, seconds: float) -> None:
        """Let the next one overtake; where none comes, this one goes out after all."""
        lane.held = delivery

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._release(lane, delivery)

        self.world.spawn(later())

    async def _release(self, lane: Lane, only: Delivery | None = None) -> None:
        held = lane.held
        if held is None or (only is not None and held is not only):
            return
        lane.held = None
        await self._send(lane.hook, held)

    async def _send(self, hook: Hook, delivery: Delivery) -> None:
        began = time.monotonic()
        try:
            answer = await self.client.post(hook.url, content=delivery.payload, headers=delivery.headers)
        except httpx2.TimeoutException:
            self._record(hook, delivery, "timed out", 0, "", time.monotonic() - began)
        except httpx2.HTTPError:
            self._record(hook, delivery, "failed to connect to host", 502, "", time.monotonic() - began)
        else:
            good = answer.status_code < 400
            status = "OK" if good else f"Invalid HTTP Response: {answer.status_code}"
            self._record(hook, delivery, status, answer.status_code, answer.text, time.monotonic() - began)

    def _record(
        self, hook: Hook, delivery: Delivery, status: str, code: int, text: str, seconds: float = 0.0
    ) -> None:
        delivery.status, delivery.status_code = status, code
        delivery.duration, delivery.response = round(seconds, 3), text[:2000]
        delivery.delivered_at = now()
        hook.deliveries.append(delivery)

    async def settle(self) -> None:
        await asyncio.gather(*(lane.queue.join() for lane in self.lanes.values()))

    async def close(self) -> None:
        for lane in self.lanes.values():
            if lane.task:
                lane.task.cancel()
        await self.client.aclose()


def headers_for(hook: Hook, event: str, guid: str, body: bytes) -> dict[str, str]:
    target = hook.app.id if hook.app else (hook.repository.id if hook.repository else 0)
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/rig",
        "X-GitHub-Delivery": guid,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(target),
        "X-GitHub-Hook-Installation-Target-Type": "integration" if hook.app else "repository",
    }
    if hook.secret:
        digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={digest}"
    return headers
