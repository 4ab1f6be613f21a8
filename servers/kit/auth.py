"""Bearer tokens: EdDSA JWTs (RFC 7519, RFC 8037) for the audience `rig`, and their published keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm
from mcp.server.auth.provider import AccessToken
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from servers.kit.clock import Clock, SystemClock
from servers.kit.errors import InvalidInput, Unauthenticated, Unavailable
from servers.kit.roles import AGENT_ROLES as AGENT_ROLES
from servers.kit.roles import ROLES as ROLES
from servers.kit.roles import AgentRole as AgentRole
from servers.kit.roles import Role as Role
from servers.kit.tls import trusted

AUDIENCE = "rig"
LEEWAY = timedelta(seconds=10)
REMEMBERED = 1000  # tokens whose signature was found good, for each look at it costs a call 0.2 ms


@dataclass(frozen=True)
class Principal:
    """Whom a token names: the character or person (`subject`), what it may do (`role`), until when."""

    subject: str
    role: Role
    token_id: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class SigningKey:
    """The key that signs the rig's tokens; its `kid` is the RFC 7638 thumbprint's first 16 characters."""

    private: Ed25519PrivateKey

    @property
    def kid(self) -> str:
        return _kid(self.private.public_key())

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """Read the PEM at `path`, or make one there that only its owner may read (0600).

        Raises:
            InvalidInput: The file is not an Ed25519 private key in PEM, or cannot be read or made.
        """
        try:
            if not path.exists():
                _write_private(path, Ed25519PrivateKey.generate())
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read or made ({error.strerror}).") from error
        except ValueError as error:
            raise InvalidInput(f"{path} is not a private key in PEM; delete it to make a new one.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(f"{path} is not an Ed25519 key; delete it to make a new one.")
        return cls(key)

    def issue(self, subject: str, role: Role, lifetime: timedelta, clock: Clock | None = None) -> str:
        """Sign a token for `subject` in `role` that is valid for `lifetime` from now."""
        now = (clock or SystemClock()).now()
        claims = {"iss": AUDIENCE, "aud": AUDIENCE, "sub": subject, "role": role, "jti": uuid4().hex}
        times = {"iat": int(now.timestamp()), "exp": int((now + lifetime).timestamp())}
        return jwt.encode(claims | times, self.private, algorithm="EdDSA", headers={"kid": self.kid})

    def jwks(self) -> dict[str, Any]:
        """The public half as a JSON Web Key Set."""
        return {"keys": [_public_jwk(self.private.public_key())]}


def _write_private(path: Path, key: Ed25519PrivateKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    staged = path.with_suffix(f".{uuid4().hex}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    try:
        os.link(staged, path)  # the first of several starting processes wins; the others read its key
    except FileExistsError:
        pass
    finally:
        staged.unlink()


def _kid(public: Ed25519PublicKey) -> str:
    x = base64.urlsafe_b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).rstrip(b"=").decode()
    thumbprint = hashlib.sha256(json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":")).encode())
    return thumbprint.hexdigest()[:16]


def _public_jwk(public: Ed25519PublicKey) -> dict[str, Any]:
    jwk = cast(dict[str, Any], json.loads(OKPAlgorithm.to_jwk(public)))
    return jwk | {"kid": _kid(public), "alg": "EdDSA", "use": "sig"}


FetchKeys = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class _Verified:
    """What was read from a token, which holds as long as the key that it names is the one that signed it."""

    kid: str
    key: Ed25519PublicKey
    who: Principal


class Verifier:
    """Checks tokens against published keys; implements the MCP SDK's `TokenVerifier`.

    Args:
        fetch: Reads the JSON Web Key Set; called at first use and when a token names an unknown `kid`,
            at most every `refresh_seconds` (every second while it fails).
    """

    def __init__(self, fetch: FetchKeys, clock: Clock | None = None, refresh_seconds: float = 10) -> None:
        self._fetch = fetch
        self._clock = clock or SystemClock()
        self._refresh_seconds = refresh_seconds
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._next_fetch = float("-inf")
        self._failure = ""
        self._fetching = asyncio.Lock()
        self._verified: dict[bytes, _Verified] = {}

    @classmethod
    def of(cls, key: SigningKey, clock: Clock | None = None) -> Verifier:
        """A verifier for a process that holds the signing key itself."""

        async def own() -> dict[str, Any]:
            return key.jwks()

        return cls(own, clock)

    @classmethod
    def at(cls, url: str) -> Verifier:
        """A verifier that reads the keys which another server publishes at `url`."""

        async def remote() -> dict[str, Any]:
            try:
                async with httpx2.AsyncClient(timeout=5, verify=trusted()) as http:
                    answer = await http.get(url)
                    answer.raise_for_status()
                    return cast(dict[str, Any], answer.json())
            except (httpx2.HTTPError, ValueError) as error:
                raise Unavailable(f"The token keys at {url} cannot be read ({error}).") from error

        return cls(remote)

    async def verify(self, token: str) -> Principal:
        """Who `token` names.

        Raises:
            Unauthenticated: It is malformed, expired, for another audience, or signed by an unknown key.
            Unavailable: The keys cannot be read.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._verified.get(digest)
        key = await self._key(known.kid if known else _key_id(token))
        if key is None:
            raise Unauthenticated("The token was signed by a key this rig does not know. Get a new one.")
        if known is None or known.key != key:
            who = self._principal(token, key)
            self._remember(digest, _Verified(_key_id(token), key, who))
            return who
        self._check_times(known.who)
        return known.who

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        while len(self._verified) >= REMEMBERED:
            self._verified.pop(next(iter(self._verified)))
        self._verified[digest] = verified

    def _check_times(self, who: Principal) -> None:
        if who.expires_at + LEEWAY < self._clock.now():
            raise Unauthenticated(f"The token expired at {who.expires_at:%Y-%m-%d %H:%M:%S} UTC. Get a new one.")

    async def verify_token(self, token: str) -> AccessToken | None:
        """The SDK's form of `verify`: None for a token that does not hold."""
        try:
            who = await self.verify(token)
        except Unauthenticated:
            return None
        return AccessToken(
            token=token,
            client_id=who.subject,
            subject=who.subject,
            scopes=[who.role],
            expires_at=int(who.expires_at.timestamp()),
            claims={"iss": AUDIENCE, "jti": who.token_id, "iat": who.issued_at.timestamp()},
        )

    def _principal(self, token: str, key: Ed25519PublicKey) -> Principal:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=AUDIENCE,
                options={"require": ["exp", "iat", "sub", "jti"], "verify_exp": False, "verify_iat": False},
            )
            issued, expires = (datetime.fromtimestamp(claims[k], self._clock.now().tzinfo) for k in ("iat", "exp"))
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError, OSError) as error:
            raise Unauthenticated(f"The token does not hold: {error}.") from error
        if claims.get("role") not in ROLES:
            raise Unauthenticated(f"The token names the unknown role {claims.get('role')!r}.")
        who = Principal(claims["sub"], claims["role"], claims["jti"], issued, expires)
        self._check_times(who)
        return who

    async def _key(self, kid: str) -> Ed25519PublicKey | None:
        if kid not in self._keys:
            async with self._fetching:
                if kid not in self._keys and self._clock.monotonic() >= self._next_fetch:
                    await self._refresh()
            if kid not in self._keys and self._failure:
                raise Unavailable(self._failure)
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        try:
            self._keys, self._failure = _parse(await self._fetch()), ""
        except Unavailable as error:
            self._failure = str(error)
        wait = min(1.0, self._refresh_seconds) if self._failure else self._refresh_seconds
        self._next_fetch = self._clock.monotonic() + wait


def _key_id(token: str) -> str:
    try:
        return str(jwt.get_unverified_header(token).get("kid"))
    except jwt.PyJWTError as error:
        raise Unauthenticated("The token is not a JWT. Get one with `rig token issue`.") from error


def _parse(jwks: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    try:
        keys = cast(Sequence[dict[str, Any]], jwks["keys"])
        parsed = {str(k.get("kid")): OKPAlgorithm.from_jwk(k) for k in keys if k.get("crv") == "Ed25519"}
    except (jwt.PyJWTError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"The published token keys are no JSON Web Key Set ({error}).") from error
    return {kid: key for kid, key in parsed.items() if isinstance(key, Ed25519PublicKey)}


def needs_renewal(who: Principal, now: datetime) -> bool:
    """Whether more than half of the token's life is over."""
    return now - who.issued_at > (who.expires_at - who.issued_at) / 2


def jwks_route(key: SigningKey) -> Route:
    """Publishes the verification keys at `/.well-known/jwks.json`."""

    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse(key.jwks(), headers={"Cache-Control": "max-age=60"})

    return Route("/.well-known/jwks.json", jwks, methods=["GET"])
