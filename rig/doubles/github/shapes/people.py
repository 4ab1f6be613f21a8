"""Accounts, Apps and installations as JSON."""

from __future__ import annotations

from rig.doubles.github.model import App, Installation, Json, Repository, User, stamp
from rig.doubles.github.state import World


def user(world: World, account: User) -> Json:
    url = f"{world.api}/users/{account.login}"
    page = f"apps/{account.name}" if account.kind == "Bot" else account.login
    return {
        "login": account.login,
        "id": account.id,
        "node_id": f"U_{account.id}",
        "avatar_url": f"{world.url}/avatars/u/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.url}/{page}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": account.kind,
        "site_admin": False,
    }


def maybe_user(world: World, account: User | None) -> Json | None:
    return user(world, account) if account else None


def profile(world: World, account: User) -> Json:
    return user(world, account) | {
        "name": account.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": sum(r.owner is account for r in world.repositories.values()),
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    }


def app(world: World, integration: App) -> Json:
    installed = [i for i in world.installations.values() if i.app is integration]
    return {
        "id": integration.id,
        "slug": integration.slug,
        "client_id": f"Iv1.{integration.id}",
        "node_id": f"A_{integration.id}",
        "owner": user(world, integration.owner),
        "name": integration.name,
        "description": "",
        "external_url": world.url,
        "html_url": f"{world.url}/github-apps/{integration.slug}",
        "created_at": stamp(integration.created_at),
        "updated_at": stamp(integration.created_at),
        "permissions": integration.permissions,
        "events": [],
        "installations_count": len(installed),
    }


def installation(world: World, installed: Installation) -> Json:
    url = f"{world.api}/app/installations/{installed.id}"
    return {
        "id": installed.id,
        "account": profile(world, installed.account) | {"slug": installed.account.login},
        "repository_selection": "all",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{world.api}/installation/repositories",
        "html_url": f"{world.url}/settings/installations/{installed.id}",
        "app_id": installed.app.id,
        "client_id": f"Iv1.{installed.app.id}",
        "app_slug": installed.app.slug,
        "target_id": installed.account.id,
        "target_type": installed.account.kind,
        "permissions": installed.app.permissions,
        "events": [],
        "created_at": stamp(installed.created_at),
        "updated_at": stamp(installed.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }


def association(repository: Repository, account: User) -> str:
    """How GitHub names the tie between an account and a repository."""
    if account is repository.owner:
        return "OWNER"
    return "COLLABORATOR" if account.login in repository.permissions else "NONE"
