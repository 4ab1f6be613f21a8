"""REST: the caller's own account, Apps and installation tokens, webhooks and their deliveries."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import cast

from starlette.routing import Route

from rig.doubles.github.call import HOURLY_LIMIT, Answer, Call, Reply, rest
from rig.doubles.github.errors import Refused, invalid, not_found, unprocessable
from rig.doubles.github.model import App, Delivery, Hook, Installation, Json, Token, now, stamp
from rig.doubles.github.shapes import people, repos
from rig.doubles.github.state import World


async def get_user(call: Call) -> Answer:
    user = call.viewer.signed_in()
    if call.viewer.installation:
        raise Refused(403, "Resource not accessible by integration")
    return people.profile(call.world, user)


async def get_named_user(call: Call) -> Answer:
    return people.profile(call.world, call.world.find_user(call.param("login")))


async def rate_limit(call: Call) -> Answer:
    used: dict[str, int] = call.request.app.state.used
    spent = used.get(call.viewer.key, 0)
    reset = (int(now().timestamp()) // 3600 + 1) * 3600
    core = {"limit": HOURLY_LIMIT, "used": spent, "remaining": max(HOURLY_LIMIT - spent, 0), "reset": reset}
    return {"resources": {"core": core, "search": core, "graphql": core}, "rate": core}


async def meta(call: Call) -> Answer:
    return {"verifiable_password_authentication": False, "installed_version": "3.19.0"}


def _app(call: Call) -> App:
    if call.viewer.app is None:
        raise Refused(401, "A JSON web token could not be decoded")
    return call.viewer.app


async def get_app(call: Call) -> Answer:
    return people.app(call.world, _app(call))


async def list_installations(call: Call) -> Answer:
    mine = [i for i in call.world.installations.values() if i.app is _app(call)]
    return call.page(mine, lambda installed: people.installation(call.world, installed))


def _installation(call: Call) -> Installation:
    found = call.world.installations.get(int(call.param("id")))
    if found is None or found.app is not _app(call):
        raise not_found()
    return found


async def get_installation(call: Call) -> Answer:
    return people.installation(call.world, _installation(call))


async def installation_of_repository(call: Call) -> Answer:
    app = _app(call)
    repo = call.world.repository(call.param("owner"), call.param("repo"))
    for installed in call.world.installations_on(repo):
        if installed.app is app:
            return people.installation(call.world, installed)
    raise not_found()


async def create_token(call: Call) -> Answer:
    """A token of one hour, held to the repositories and permissions that were asked for."""
    installed = _installation(call)
    chosen = _chosen(call, installed)
    asked = cast(dict[str, str], call.body.get("permissions") or installed.app.permissions)
    beyond = [name for name, level in asked.items() if not _covers(installed.app.permissions.get(name), level)]
    if beyond:
        raise unprocessable(message="The permissions requested are not granted to this installation.")
    secret = _secret(call.world)
    bot = call.world.user(f"{installed.app.slug}[bot]")
    expires = now() + timedelta(hours=1)
    call.world.tokens[secret] = Token(bot, installed, chosen, asked, expires)
    body: Json = {"token": secret, "expires_at": stamp(expires), "permissions": asked}
    body["repository_selection"] = "all" if chosen is None else "selected"
    if chosen is not None:
        listed = [r for r in call.world.repositories.values() if r.id in chosen]
        body["repositories"] = [repos.repository(call.world, each) for each in listed]
    return Reply(body, 201)


def _covers(granted: str | None, asked: str) -> bool:
    return granted == "write" or granted == asked


def _chosen(call: Call, installed: Installation) -> frozenset[int] | None:
    names = cast(list[str] | None, call.body.get("repositories"))
    numbers = cast(list[int] | None, call.body.get("repository_ids"))
    if names is None and numbers is None:
        return None
    own = [r for r in call.world.repositories.values() if r.owner is installed.account]
    chosen = {r.id for r in own if r.name in (names or []) or r.id in (numbers or [])}
    if len(chosen) != len({*(names or []), *(numbers or [])}):
        raise unprocessable(message="There is at least one repository that does not exist or is not accessible")
    return frozenset(chosen)


def _secret(world: World) -> str:
    return f"ghs_{hashlib.sha256(f'{world.url}{world.next_id()}'.encode()).hexdigest()[:36]}"


async def list_installation_repositories(call: Call) -> Answer:
    installed = call.viewer.installation
    if installed is None:
        raise Refused(403, "You must authenticate with an installation access token")
    found = [r for r in call.world.repositories.values() if r.owner is installed.account]
    seen = [r for r in found if call.viewer.may(r, "write")]
    reply = call.page(seen, lambda repo: repos.repository(call.world, repo, call.viewer))
    return Reply({"total_count": len(seen), "repositories": reply.body}, headers=reply.headers)


def _app_hook(call: Call) -> Hook:
    app = _app(call)
    for hook in call.world.hooks:
        if hook.app is app:
            return hook
    raise not_found()


def _repository_hook(call: Call) -> Hook:
    call.require("admin", "repository_hooks")
    for hook in call.world.hooks:
        if hook.repository is call.repository and hook.id == int(call.param("hook")):
            return hook
    raise not_found()


def _hook_of(call: Call) -> Hook:
    return _repository_hook(call) if "hook" in call.request.path_params else _app_hook(call)


async def list_deliveries(call: Call) -> Answer:
    """Newest first, by cursor."""
    hook = _hook_of(call)
    size = min(int(call.query("per_page", "30")), 100)
    cursor = call.query("cursor")
    older = [d for d in reversed(hook.deliveries) if not cursor or d.id < int(cursor.removeprefix("v1_"))]
    wanted = [d for d in older if _has_status(d, call.query("status"))]
    shown = wanted[:size]
    headers: dict[str, str] = {}
    if len(wanted) > size:
        address = f"{call.world.url}{call.request.url.path}?cursor=v1_{shown[-1].id}&per_page={size}"
        headers["Link"] = f'<{address}>; rel="next"'
    return Reply([delivery_item(d, hook) for d in shown], headers=headers)


def _has_status(delivery: Delivery, status: str) -> bool:
    good = 200 <= delivery.status_code < 400
    return not status or good is (status == "success")


def delivery_item(delivery: Delivery, hook: Hook) -> Json:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": stamp(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": json.loads(delivery.payload).get("installation", {}).get("id"),
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


def _delivery(call: Call, hook: Hook) -> Delivery:
    for delivery in hook.deliveries:
        if delivery.id == int(call.param("id")):
            return delivery
    raise not_found()


async def get_delivery(call: Call) -> Answer:
    hook = _hook_of(call)
    delivery = _delivery(call, hook)
    request = {"headers": delivery.headers, "payload": json.loads(delivery.payload)}
    response: Json = {"headers": {}, "payload": delivery.response}
    return delivery_item(delivery, hook) | {"url": hook.url, "request": request, "response": response}


async def attempt_delivery(call: Call) -> Answer:
    hook = _hook_of(call)
    call.world.webhooks.redeliver(hook, _delivery(call, hook))
    return Reply({}, 202)


async def list_hooks(call: Call) -> Answer:
    call.require("admin", "repository_hooks")
    mine = [hook for hook in call.world.hooks if hook.repository is call.repository]
    return call.page(mine, lambda hook: hook_shape(call, hook))


async def create_hook(call: Call) -> Answer:
    call.require("admin", "repository_hooks")
    config = cast(dict[str, str], call.body.get("config") or {})
    if not config.get("url"):
        raise unprocessable(message="Validation Failed")
    events = cast(list[str], call.body.get("events") or ["push"])
    if any(h.url == config["url"] and h.repository is call.repository for h in call.world.hooks):
        raise invalid("Hook", "url", "custom", message="Hook already exists on this repository")
    hook = Hook(call.world.next_id(), config["url"], config.get("secret", ""), events, call.repository)
    call.world.hooks.append(hook)
    call.world.webhooks.ping(hook)
    return Reply(hook_shape(call, hook), 201)


async def delete_hook(call: Call) -> Answer:
    call.world.hooks.remove(_repository_hook(call))
    return Reply(status=204)


async def ping_hook(call: Call) -> Answer:
    call.world.webhooks.ping(_repository_hook(call))
    return Reply(status=204)


def hook_shape(call: Call, hook: Hook) -> Json:
    url = f"{repos.api_url(call.world, call.repository)}/hooks/{hook.id}"
    config = {"url": hook.url, "content_type": "json", "insecure_ssl": "0"}
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": hook.events,
        "config": config | ({"secret": "********"} if hook.secret else {}),
        "created_at": stamp(hook.created_at),
        "updated_at": stamp(hook.created_at),
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None},
    }


REPO = "/repos/{owner}/{repo}"
HOOK = REPO + "/hooks/{hook:int}"
routes: list[Route] = [
    rest("/user", "GET", get_user),
    rest("/users/{login}", "GET", get_named_user),
    rest("/rate_limit", "GET", rate_limit),
    rest("/meta", "GET", meta),
    rest("/app", "GET", get_app),
    rest("/app/installations", "GET", list_installations),
    rest("/app/installations/{id:int}", "GET", get_installation),
    rest("/app/installations/{id:int}/access_tokens", "POST", create_token),
    rest("/app/hook/deliveries", "GET", list_deliveries),
    rest("/app/hook/deliveries/{id:int}", "GET", get_delivery),
    rest("/app/hook/deliveries/{id:int}/attempts", "POST", attempt_delivery),
    rest("/installation/repositories", "GET", list_installation_repositories),
    rest(REPO + "/installation", "GET", installation_of_repository),
    rest(REPO + "/hooks", "GET", list_hooks),
    rest(REPO + "/hooks", "POST", create_hook),
    rest(HOOK, "DELETE", delete_hook),
    rest(HOOK + "/pings", "POST", ping_hook),
    rest(HOOK + "/deliveries", "GET", list_deliveries),
    rest(HOOK + "/deliveries/{id:int}", "GET", get_delivery),
    rest(HOOK + "/deliveries/{id:int}/attempts", "POST", attempt_delivery),
]
