"""Who is calling: a token or an App's signed assertion becomes a viewer with a role per repository."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta

import jwt

from rig.doubles.github.errors import Refused, bad_credentials, forbidden, not_found
from rig.doubles.github.model import ROLES, App, Installation, Repository, Role, Token, User, now
from rig.doubles.github.state import World

LONGEST_ASSERTION = timedelta(minutes=10, seconds=60)


@dataclass(frozen=True)
class Viewer:
    user: User | None = None
    token: Token | None = None
    app: App | None = None
    key: str = "anonymous"

    @property
    def login(self) -> str | None:
        return self.user.login if self.user else None

    @property
    def installation(self) -> Installation | None:
        return self.token.installation if self.token else None

    def signed_in(self) -> User:
        if self.user is None:
            raise Refused(401, "Requires authentication")
        return self.user

    def role(self, repository: Repository) -> Role:
        """What the caller may do there; an installation is held to its own repositories."""
        if self.token and self.token.repositories is not None and repository.id not in self.token.repositories:
            return "none" if repository.private else "read"
        return role_of(self.user, self.installation, repository)

    def may(self, repository: Repository, role: Role) -> bool:
        return ROLES.index(self.role(repository)) >= ROLES.index(role)

    def require(self, repository: Repository, role: Role) -> None:
        """Refuse as GitHub does: what may not be read does not exist."""
        if self.may(repository, role):
            return
        if not self.may(repository, "read"):
            raise not_found()
        self.signed_in()
        if self.installation:
            raise forbidden()
        raise forbidden("Must have admin rights to Repository.")

    def require_grant(self, permission: str, level: str = "write") -> None:
        """An installation token acts only within the permissions it was given."""
        if self.token is None or self.token.permissions is None:
            return
        granted = self.token.permissions.get(permission, "")
        if granted != "write" and granted != level:
            raise forbidden()


def role_of(user: User | None, installation: Installation | None, repository: Repository) -> Role:
    if user is not None:
        if user is repository.owner:
            return "admin"
        if user.login in repository.permissions:
            return repository.permissions[user.login]
        if installation is not None and installation.account is repository.owner:
            return "write"
    return "none" if repository.private else "read"


def viewer_of(world: World, header: str | None) -> Viewer:
    """Read an Authorization header; none at all is an anonymous viewer, a wrong one is refused."""
    if not header:
        return Viewer()
    scheme, _, value = header.partition(" ")
    secret = _basic(value) if scheme.lower() == "basic" else value.strip()
    if scheme.lower() not in ("basic", "bearer", "token") or not secret:
        raise bad_credentials()
    if secret.count(".") == 2 and secret not in world.tokens:
        return _app_viewer(world, secret)
    return _token_viewer(world, secret)


def _basic(value: str) -> str:
    """The password, or the user name where the password is empty, as git sends a token either way."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise bad_credentials() from None
    return user if password in ("", "x-oauth-basic") else password


def _token_viewer(world: World, secret: str) -> Viewer:
    token = world.tokens.get(secret)
    if token is None or (token.expires_at and token.expires_at <= now()):
        raise bad_credentials()
    return Viewer(token.user, token, key=secret)


def _app_viewer(world: World, assertion: str) -> Viewer:
    """Check an App's JWT the way GitHub does: RS256, its key, issued in the past, at most ten minutes."""
    try:
        issuer = str(jwt.decode(assertion, options={"verify_signature": False}).get("iss", ""))
        app = world.apps.get(int(issuer)) if issuer.isdigit() else None
        if app is None or not app.public_key:
            raise Refused(401, "A JSON web token could not be decoded")
        claims = jwt.decode(
            assertion,
            app.public_key,
            algorithms=["RS256"],
            options={"require": ["iat", "exp"], "verify_iat": True},
            leeway=60,
        )
    except jwt.PyJWTError:
        raise Refused(401, "A JSON web token could not be decoded") from None
    if claims["exp"] - claims["iat"] > LONGEST_ASSERTION.total_seconds():
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
    return Viewer(app=app, key=f"app-{app.id}")
