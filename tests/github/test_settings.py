"""Settings: which credential stands for whom, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servers.github.settings import AppCredential, GitHubSettings, TokenCredential
from servers.kit.errors import InvalidInput


def test_github_com_has_its_api_elsewhere() -> None:
    assert GitHubSettings.load().api_url == "https://api.github.com"
    assert GitHubSettings.load(github_url="https://acme.ghe.com/").api_url == "https://api.acme.ghe.com"
    server = GitHubSettings.load(github_url="http://127.0.0.1:8080/")
    assert (server.api_url, server.github_url) == ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080")


def test_one_token_stands_for_everybody() -> None:
    settings = GitHubSettings.load(github_token="one")
    assert settings.credential("dev") == settings.credential("review") == TokenCredential("one")
    assert settings.reviews_own_work


def test_roles_with_their_own_credential_use_it(app_key: tuple[str, str]) -> None:
    settings = GitHubSettings.load(
        github_token="one", github_review_app_id=7, github_review_app_private_key=app_key[0]
    )
    assert settings.credential("dev") == TokenCredential("one")
    assert settings.credential("review") == AppCredential(7, app_key[0])
    assert not settings.reviews_own_work


def test_nothing_set_is_no_credential() -> None:
    assert GitHubSettings.load().credential("conductor") is None


def test_repositories_are_separated_by_commas_and_compared_without_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RIG_REPOSITORIES", "ada/tally, Ada/Other,")
    settings = GitHubSettings.load()
    assert settings.repositories == ["ada/tally", "Ada/Other"]
    assert settings.allows("ADA/tally")
    assert not settings.allows("ada/unlisted")
    assert GitHubSettings.load(repositories=[]).allows("anything/at-all")


def test_secrets_come_from_files_and_never_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ghp_fromafile\n")
    monkeypatch.setenv("RIG_GITHUB_TOKEN_FILE", str(tmp_path / "token"))
    settings = GitHubSettings.load()
    assert settings.credential("conductor") == TokenCredential("ghp_fromafile")
    assert "ghp_fromafile" not in repr(settings)


def test_a_key_with_escaped_line_ends_is_read(app_key: tuple[str, str]) -> None:
    escaped = app_key[0].replace("\n", "\\n")
    settings = GitHubSettings.load(github_app_id=7, github_app_private_key=escaped)
    assert settings.credential("conductor") == AppCredential(7, app_key[0])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"github_url": "github.com"}, "RIG_GITHUB_URL"),
        ({"github_url": "https://me:secret@github.com"}, "RIG_GITHUB_URL"),
        ({"repositories": "tally"}, "owner/repo"),
        ({"github_app_id": 7}, "RIG_GITHUB_APP_PRIVATE_KEY go together"),
        ({"github_dev_app_id": 7}, "RIG_GITHUB_DEV_APP_PRIVATE_KEY go together"),
        ({"github_app_id": 7, "github_app_private_key": "nonsense"}, "not a private key"),
        ({"github_threads": 0}, "RIG_GITHUB_THREADS"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        GitHubSettings.load(**wrong)
    assert said in str(refused.value)
    assert "secret@" not in str(refused.value)
