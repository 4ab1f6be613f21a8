"""A token is believed only if this rig signed it, for itself, and lately."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.applications import Starlette
from starlette.testclient import TestClient

from servers.kit.auth import REMEMBERED, SigningKey, Verifier, jwks_route, needs_renewal
from servers.kit.clock import ManualClock
from servers.kit.errors import InvalidInput, Unauthenticated, Unavailable

HOUR = timedelta(hours=1)
GOOD = {"iss": "rig", "aud": "rig", "sub": "dev-e", "role": "dev", "jti": "1"}


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey(ed25519.Ed25519PrivateKey.generate())


@pytest.fixture
def verifier(key: SigningKey) -> Verifier:
    return Verifier.of(key)


def signed(key: SigningKey, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token with claims of one's own; None leaves a claim out."""
    now = int(datetime.now(UTC).timestamp())
    claims = {**GOOD, "iat": now, "exp": now + 600, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key.private, algorithm="EdDSA", headers={"kid": key.kid, **(headers or {})})


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


async def test_a_token_names_its_subject_role_and_times(key: SigningKey, verifier: Verifier) -> None:
    who = await verifier.verify(key.issue("dev-e", "dev", HOUR))
    assert (who.subject, who.role) == ("dev-e", "dev")
    assert who.expires_at - who.issued_at == HOUR
    assert who.issued_at.tzinfo is not None


async def test_two_tokens_are_never_the_same(key: SigningKey, verifier: Verifier) -> None:
    ids = {(await verifier.verify(key.issue("dev-e", "dev", HOUR))).token_id for _ in range(5)}
    assert len(ids) == 5


async def test_a_token_expires_with_a_little_leeway(key: SigningKey) -> None:
    clock = ManualClock(datetime.now(UTC))
    token = key.issue("dev-e", "dev", HOUR, clock)
    verifier = Verifier.of(key, clock)
    clock.advance(3605)
    assert (await verifier.verify(token)).subject == "dev-e"
    clock.advance(10)
    with pytest.raises(Unauthenticated, match="expired at"):
        await verifier.verify(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": None},
        {"iss": "other"},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"jti": None},
        {"role": None},
        {"role": "root"},
        {"role": ["dev"]},
        {"sub": 5},
        {"exp": "never"},
        {"exp": 10**18},
        {"exp": {}},
        {"exp": 0},
        {"iat": "x"},
        {"nbf": 4102444800},
    ],
    ids=str,
)
async def test_a_token_with_wrong_claims_does_not_hold(
    key: SigningKey, verifier: Verifier, changes: dict[str, Any]
) -> None:
    token = signed(key, **changes)
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)
    assert await verifier.verify_token(token) is None


async def test_no_other_algorithm_is_believed(key: SigningKey, verifier: Verifier) -> None:
    public = key.private.public_key()
    now = int(datetime.now(UTC).timestamp())
    body = encoded({**GOOD, "iat": now, "exp": now + 600})
    forged = [f"{encoded({'alg': 'none', 'kid': key.kid})}.{body}.", f"{encoded({'kid': key.kid})}.{body}."]
    for secret in (
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        b"",
    ):
        head = encoded({"alg": "HS256", "typ": "JWT", "kid": key.kid})
        mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
        forged.append(f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")
    claims = {**GOOD, "iat": now, "exp": now + 600}
    rsa_key = rsa.generate_private_key(65537, 2048)
    forged.append(jwt.encode(claims, rsa_key, algorithm="RS256", headers={"kid": key.kid}))
    ec_key = ec.generate_private_key(ec.SECP256R1())
    forged.append(jwt.encode(claims, ec_key, algorithm="ES256", headers={"kid": key.kid}))
    for token in forged:
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)


async def test_a_key_that_comes_with_the_token_is_not_believed(key: SigningKey, verifier: Verifier) -> None:
    stranger = SigningKey(ed25519.Ed25519PrivateKey.generate())
    [jwk] = stranger.jwks()["keys"]
    for headers in ({"kid": key.kid}, {}, {"kid": key.kid, "jwk": jwk}, {"jwk": jwk, "jku": "http://127.0.0.1/x"}):
        with pytest.raises(Unauthenticated):
            await verifier.verify(signed(stranger, headers))


async def test_a_changed_token_does_not_hold(key: SigningKey, verifier: Verifier) -> None:
    head, body, signature = key.issue("dev-e", "dev", HOUR).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    for token in (
        f"{head}.{encoded(claims | {'role': 'ops'})}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        f"{head}.{body}",
    ):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "x" * 100_000, "\0", "é.é.é", f"{encoded({'kid': 5})}.e30.x", f"{encoded([])}.e30.x"],
)
async def test_what_is_no_token_is_refused(verifier: Verifier, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)
    assert await verifier.verify_token(token) is None


async def test_unknown_keys_are_asked_for_at_most_once_in_a_while(key: SigningKey) -> None:
    clock, fetched = ManualClock(datetime.now(UTC)), 0
    old, new = key, SigningKey(ed25519.Ed25519PrivateKey.generate())
    published = [old.jwks()["keys"][0]]

    async def fetch() -> dict[str, Any]:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return {"keys": published}

    verifier = Verifier(fetch, clock, refresh_seconds=10)
    tokens = [signed(old, {"kid": f"made-up-{n}"}) for n in range(50)]
    answers = await asyncio.gather(*(verifier.verify(token) for token in tokens), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unauthenticated}
    assert fetched == 1
    assert (await verifier.verify(old.issue("dev-e", "dev", HOUR))).subject == "dev-e"
    published.append(new.jwks()["keys"][0])
    with pytest.raises(Unauthenticated):
        await verifier.verify(new.issue("dev-e", "dev", HOUR))
    clock.advance(10)
    assert (await verifier.verify(new.issue("dev-e", "dev", HOUR))).subject == "dev-e"
    assert fetched == 2


async def test_a_token_that_was_good_is_refused_once_its_key_is_withdrawn(key: SigningKey, tmp_path: Path) -> None:
    other, clock = SigningKey.load_or_create(tmp_path / "other.pem"), ManualClock(datetime.now(UTC))
    published = [key]

    async def fetch() -> dict[str, Any]:
        return published[0].jwks()

    verifier = Verifier(fetch, clock)
    token = key.issue("dev-e", "dev", HOUR)
    assert await verifier.verify(token) == await verifier.verify(token)
    published[0] = other
    clock.advance(11)
    assert (await verifier.verify(other.issue("dev-e", "dev", HOUR))).subject == "dev-e"
    clock.advance(11)
    with pytest.raises(Unauthenticated, match="key this rig does not know"):
        await verifier.verify(token)


async def test_so_many_tokens_are_remembered_and_all_are_known(key: SigningKey, verifier: Verifier) -> None:
    tokens = [key.issue(f"dev-{n}", "dev", HOUR) for n in range(REMEMBERED + 10)]
    for _ in range(2):
        assert [(await verifier.verify(token)).subject for token in tokens] == [
            f"dev-{n}" for n in range(len(tokens))
        ]


async def test_while_the_keys_cannot_be_read_known_ones_serve_on_and_nobody_queues(key: SigningKey) -> None:
    clock, fetched, up = ManualClock(datetime.now(UTC)), 0, False

    async def fetch() -> dict[str, Any]:
        nonlocal fetched
        fetched += 1
        if not up:
            raise Unavailable("The token keys cannot be read.")
        return key.jwks()

    verifier = Verifier(fetch, clock)
    token = key.issue("dev-e", "dev", HOUR)
    answers = await asyncio.gather(*(verifier.verify(token) for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert fetched == 1
    up = True
    clock.advance(1)
    assert (await verifier.verify(token)).subject == "dev-e"
    up = False
    clock.advance(100)
    with pytest.raises(Unavailable):
        await verifier.verify(signed(key, {"kid": "made-up"}))
    assert (await verifier.verify(token)).subject == "dev-e"


@pytest.mark.parametrize(
    "answer",
    [[], {}, {"keys": 5}, {"keys": [5]}, {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "short"}]}],
    ids=str,
)
async def test_what_is_no_key_set_is_said_to_be_none(key: SigningKey, answer: Any) -> None:
    async def fetch() -> dict[str, Any]:
        return answer

    with pytest.raises(Unavailable):
        await Verifier(fetch).verify(key.issue("dev-e", "dev", HOUR))


async def test_a_verifier_of_a_server_that_is_down_says_so(key: SigningKey) -> None:
    verifier = Verifier.at("http://127.0.0.1:9/.well-known/jwks.json")
    with pytest.raises(Unavailable, match="jwks"):
        await verifier.verify(key.issue("dev-e", "dev", HOUR))


async def test_the_keys_are_published_without_the_private_half(key: SigningKey) -> None:
    with TestClient(Starlette(routes=[jwks_route(key)])) as http:
        published = http.get("/.well-known/jwks.json").json()

    async def fetch() -> dict[str, Any]:
        return published

    assert {field for jwk in published["keys"] for field in jwk} == {"kty", "crv", "x", "kid", "alg", "use"}
    assert (await Verifier(fetch).verify(key.issue("ada", "person", HOUR))).role == "person"


async def test_a_token_is_renewed_in_the_second_half_of_its_life(key: SigningKey) -> None:
    clock = ManualClock(datetime.now(UTC).replace(microsecond=0))
    who = await Verifier.of(key, clock).verify(key.issue("dev-e", "dev", HOUR, clock))
    clock.advance(1799)
    assert not needs_renewal(who, clock.now())
    clock.advance(2)
    assert needs_renewal(who, clock.now())


def test_the_key_file_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "signing.pem"
    first = SigningKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load_or_create(path).kid == first.kid
    assert [file.name for file in path.parent.iterdir()] == ["signing.pem"]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    program = """if True:
        import pathlib, sys
        from servers.kit.auth import SigningKey
        sys.stdin.read()
        print(SigningKey.load_or_create(pathlib.Path(sys.argv[1])).kid)
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert {process.communicate(timeout=60)[0] for process in started} == {f"{SigningKey.load_or_create(path).kid}\n"}
    assert [file.name for file in tmp_path.iterdir()] == ["signing.pem"]


@pytest.mark.parametrize("content", [b"", b"not a key", "rsa", "folder"])
def test_a_file_that_is_no_signing_key_is_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "key.pem"
    if content == "folder":
        path.mkdir()
    elif content == "rsa":
        rsa_key = rsa.generate_private_key(65537, 2048)
        path.write_bytes(rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=str(path)):
        SigningKey.load_or_create(path)


def test_a_folder_in_which_no_key_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"key\.pem"):
        SigningKey.load_or_create(tmp_path / "file" / "key.pem")
