from __future__ import annotations

from pathlib import Path

import pytest

from rig.embedded.settings import UpSettings, missing, remarks, require_complete
from servers.github.settings import GitHubSettings
from servers.kit.errors import InvalidInput


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test."""
    monkeypatch.setenv("RIG_CONFIG", str(tmp_path / "rig.toml"))


def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_REPOSITORIES", "ada/tally, ada/other")
    monkeypatch.setenv("RIG_GITHUB_TOKEN", "ghp_x")
    monkeypatch.setenv("RIG_ANTHROPIC_API_KEY", "sk-ant-x")


def test_with_nothing_set_it_lists_everything_that_is_missing_and_how_to_get_it() -> None:
    with pytest.raises(InvalidInput) as refused:
        require_complete(UpSettings.load(), GitHubSettings.load())
    said = str(refused.value)
    for name in ("RIG_REPOSITORIES", "GITHUB_TOKEN", "RIG_GITHUB_APP_ID", "ANTHROPIC_API_KEY", "rig demo"):
        assert name in said
    assert "https://docs.github.com/" in said
    assert "RIG_WEBHOOK_SECRET" not in said


def test_a_public_address_needs_a_webhook_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    complete(monkeypatch)
    monkeypatch.setenv("RIG_PUBLIC_URL", "https://rig.example.com/")
    found = missing(UpSettings.load(), GitHubSettings.load())
    assert [one.what for one in found] == ["the webhook secret"]
    assert "https://rig.example.com/webhooks/github" in found[0].how


@pytest.mark.parametrize("address", ["rig.example.com", "ftp://rig.example.com", "https://", "http://[::1"])
def test_a_public_address_without_scheme_or_host_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("RIG_PUBLIC_URL", address)
    with pytest.raises(InvalidInput, match="RIG_PUBLIC_URL"):
        UpSettings.load()


def test_complete_settings_are_accepted_with_remarks_on_polling_and_on_one_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complete(monkeypatch)
    settings, github = UpSettings.load(), GitHubSettings.load()
    require_complete(settings, github)
    polling, identity = remarks(settings, github)
    assert "polls" in polling
    assert "posted as comments" in identity
    monkeypatch.setenv("RIG_GITHUB_REVIEW_TOKEN", "ghp_y")
    monkeypatch.setenv("RIG_PUBLIC_URL", "https://rig.example.com")
    assert remarks(UpSettings.load(), GitHubSettings.load()) == []


@pytest.mark.parametrize(
    ("host", "public_url", "is_open"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("127.0.0.1", "http://127.0.0.1:7700", True),
        ("127.0.0.1", "https://rig.example.com", False),
        ("0.0.0.0", "", False),
        ("192.168.1.5", "", False),
    ],
)
def test_pages_are_open_only_where_nobody_else_can_reach_them(host: str, public_url: str, is_open: bool) -> None:
    settings = UpSettings.load(host=host, public_url=public_url)
    assert settings.open_to_this_machine_only is is_open
