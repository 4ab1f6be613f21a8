"""Settings come from file, environment and secret files, and what is wrong is said with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
from pydantic import Field, SecretStr, model_validator

from servers.kit.errors import InvalidInput
from servers.kit.settings import RigSettings, adopt_familiar_names


class Sample(RigSettings):
    port: int = Field(default=7700, ge=0, le=65535, description="Port to listen on")
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="Secret that GitHub signs with")
    repositories: list[str] = Field(default_factory=list, description="Enrolled repositories")


class Paired(RigSettings):
    one: str = ""
    other: str = ""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if bool(self.one) != bool(self.other):
            raise ValueError("RIG_ONE and RIG_OTHER go together")
        return self


class Needy(RigSettings):
    database_url: str = Field(description="Where PostgreSQL is")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_anything_the_defaults_hold() -> None:
    assert Sample.load().port == 7700


def test_the_environment_stands_over_the_file_and_an_argument_over_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "rig.toml").write_text('port = 1\nrepositories = ["o/r"]\n')
    assert (Sample.load().port, Sample.load().repositories) == (1, ["o/r"])
    monkeypatch.setenv("RIG_PORT", "2")
    assert Sample.load().port == 2
    assert Sample.load(port=3).port == 3


def test_an_empty_variable_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_PORT", "")
    assert Sample.load().port == 7700


def test_a_secret_may_stand_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_text("s3cr3t\n")
    monkeypatch.setenv("RIG_WEBHOOK_SECRET_FILE", str(folder / "secret"))
    (folder / "rig.toml").write_text('webhook_secret = "older"\n')
    assert Sample.load().webhook_secret.get_secret_value() == "s3cr3t"
    monkeypatch.setenv("RIG_WEBHOOK_SECRET", "direct")
    assert Sample.load().webhook_secret.get_secret_value() == "direct"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "folder", b""])
def test_a_secret_file_that_cannot_be_read_or_is_empty_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | str | None
) -> None:
    path = folder / "secret"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    monkeypatch.setenv("RIG_WEBHOOK_SECRET_FILE", str(path))
    with pytest.raises(InvalidInput, match="RIG_WEBHOOK_SECRET_FILE"):
        Sample.load()


def test_another_file_can_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text("port = 5\n")
    monkeypatch.setenv("RIG_CONFIG", str(folder / "other.toml"))
    assert Sample.load().port == 5


@pytest.mark.parametrize("content", [b"port = ", b"port 5", b"\xff\xfe", b"[a]\n[a]\n"])
def test_a_file_that_is_not_toml_is_named(folder: Path, content: bytes) -> None:
    (folder / "rig.toml").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"rig\.toml"):
        Sample.load()


def test_every_wrong_field_is_said_at_once_with_its_remedy(folder: Path) -> None:
    (folder / "rig.toml").write_text('port = "many"\nrepositories = 5\n')
    with pytest.raises(InvalidInput) as caught:
        Sample.load()
    assert "Set RIG_PORT or `port` in rig.toml (Port to listen on)" in str(caught.value)
    assert "Set RIG_REPOSITORIES" in str(caught.value)


def test_what_is_wrong_with_fields_together_is_said_in_its_own_words() -> None:
    with pytest.raises(InvalidInput, match=r"^RIG_ONE and RIG_OTHER go together\.$"):
        Paired.load(one="x")


def test_a_missing_field_is_said_with_its_remedy() -> None:
    with pytest.raises(InvalidInput, match=r"database_url: .*RIG_DATABASE_URL.*Where PostgreSQL is"):
        Needy.load()


def test_a_variable_that_must_be_json_and_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_REPOSITORIES", "o/r")
    with pytest.raises(InvalidInput, match="RIG_REPOSITORIES"):
        Sample.load()


def test_a_wrong_value_is_not_repeated_in_the_error(folder: Path) -> None:
    (folder / "rig.toml").write_text("webhook_secret = [12345]\n")
    with pytest.raises(InvalidInput) as caught:
        Sample.load()
    assert "12345" not in str(caught.value)


def test_the_names_that_everybody_uses_stand_for_ours_unless_ours_are_set() -> None:
    environment = {"GITHUB_TOKEN": "a", "ANTHROPIC_API_KEY": "b", "RIG_ANTHROPIC_API_KEY_FILE": "/key"}
    adopt_familiar_names(environment)
    assert environment["RIG_GITHUB_TOKEN"] == "a"
    assert "RIG_ANTHROPIC_API_KEY" not in environment


def test_a_folder_in_place_of_the_file_is_refused(folder: Path) -> None:
    (folder / "rig.toml").mkdir()
    with pytest.raises(InvalidInput, match=r"rig\.toml is a folder"):
        Sample.load()
