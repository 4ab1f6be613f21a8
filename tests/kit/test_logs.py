"""No secret reaches a log line, whatever it is wrapped in."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from servers.kit import logs
from servers.kit.errors import InvalidInput

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJkZXYtZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----"
SECRETS = (JWT, "s3cr3t-pass", "s3cr3t0123456789", "MC4CAQAwBQYDK2Vw", "dXNlcjpwYXNzd29yZA", "123456789")
TEXTS = [
    f"Authorization: Bearer {JWT}",
    "Cookie: session=s3cr3t-pass; theme=dark",
    "Basic dXNlcjpwYXNzd29yZA==",
    f"token {JWT} refused",
    "cloning https://x-access-token:ghs_s3cr3t0123456789@github.com/o/r.git",
    "cloning https://github_pat_s3cr3t0123456789@github.com/o/r.git",
    "postgresql://rig:s3cr3t-pass@db:5432/rig",
    "redis://:s3cr3t-pass@valkey:6379/0",
    "GET /cb?access_token=s3cr3t-pass&x=1",
    "sk-ant-s3cr3t0123456789 is refused",
    "RIG_WEBHOOK_SECRET='s3cr3t-pass'",
    '{"password": "s3cr3t-pass"}',
    PEM,
    PEM.replace("\n", "\\n"),
]
Logged = Callable[[Callable[[], Any]], str]


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What a block writes to the log, as JSON lines."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    def run(block: Callable[[], Any]) -> str:
        stream = io.StringIO()
        with redirect_stderr(stream):
            logs.configure("DEBUG", json=True)
            block()
        return stream.getvalue()

    yield run
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


class Settings(BaseModel):
    api_key: str = "s3cr3t-pass"
    port: int = 7700


class Opaque:
    def __repr__(self) -> str:
        return f"<Opaque Bearer {JWT}>"


@pytest.mark.parametrize(
    "value",
    [
        *TEXTS,
        f"Bearer {JWT}".encode(),
        {"headers": {"Authorization": "s3cr3t-pass"}},
        {"x-api-key": "s3cr3t-pass"},
        {"token": {"value": "s3cr3t-pass"}},
        {"cookies": ["s3cr3t-pass"]},
        {"password": 123456789},
        [{"deep": ({"secret": b"s3cr3t-pass"},)}],
        {"error": ValueError(f"bad {JWT}")},
        [Opaque()],
        pytest.param({"a", f"Bearer {JWT}"}, id="a set, whose text has no order"),
        Settings(),
        {f"Bearer {JWT}": 1},
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_secret_is_never_shown(logged: Logged, value: object) -> None:
    for said in (
        logged(lambda: logs.get("test").info("said", value=value)),
        logged(lambda: logging.getLogger("lib").warning("said", extra={"value": value})),
    ):
        assert not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize(
    "text", [*TEXTS, str(Settings()), str({"error": ValueError(JWT)}), str({"secret": b"s3cr3t-pass"})]
)
def test_a_secret_within_text_is_never_shown(logged: Logged, text: str) -> None:
    for said in (
        logged(lambda: logs.get("test").info(f"said {text}")),
        logged(lambda: logging.getLogger("lib").warning("said %s", text)),
    ):
        assert not [secret for secret in SECRETS if secret in said]


@pytest.mark.parametrize("name", ["token", "api_key", "RIG_TOKEN", "webhook_secret", "privateKey", "Authorization"])
def test_a_field_with_a_secret_s_name_is_never_shown(logged: Logged, name: str) -> None:
    assert "plain-words" not in logged(lambda: logs.get("test").info("said", **{name: "plain-words"}))


def fail() -> None:
    raise RuntimeError("outer Bearer abcdefghijkl") from ValueError(f"inner postgresql://rig:pw@db/rig {JWT}")


def test_an_exception_is_shown_without_the_secrets_in_its_chain(logged: Logged) -> None:
    def report() -> None:
        try:
            fail()
        except RuntimeError:
            logs.get("test").exception("failed")
            logging.getLogger("lib").exception("failed too")

    said = logged(report)
    for line in map(json.loads, said.splitlines()):
        assert "inner postgresql://[redacted]@db/rig [redacted]" in line["exception"]
        assert "RuntimeError: outer [redacted]" in line["exception"]


def test_what_is_no_secret_is_shown_as_it_is(logged: Logged) -> None:
    fields = {
        "input_tokens": 12,
        "url": "https://github.com/o/r/pull/3?x=1#y",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "issue": "owner/repo#12",
        "said": "the token expired at noon; the secret: patience",
        "ratio": 0.5,
        "missing": None,
        "list": [1, {"a": True}],
    }
    line = json.loads(logged(lambda: logs.get("test").info("done", **fields)))
    fields["said"] = line["said"]
    assert {name: line[name] for name in fields} == fields
    assert line["level"] == "info"
    assert line["logger"] == "test"
    assert line["said"].startswith("the token expired at noon")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match="RIG_LOG_LEVEL"):
        logs.configure("LOUD")


def test_every_record_is_one_line_of_json(logged: Logged) -> None:
    said = logged(lambda: logs.get("test").info("two\nlines", text='"},\n{"level": "forged"'))
    assert len(said.splitlines()) == 1
    assert json.loads(said)["level"] == "info"


def test_what_contains_itself_is_logged_all_the_same(logged: Logged) -> None:
    ring: dict[str, Any] = {"name": "ring"}
    ring["self"] = ring
    assert "ring" in logged(lambda: logs.get("test").info("round", ring=ring))


def test_redact_is_quick_on_hostile_text() -> None:
    for text in ("Bearer " * 20_000, "eyJ" + "-" * 100_000, "://" + "a" * 100_000, "token=" * 20_000):
        logs.redact(text)
