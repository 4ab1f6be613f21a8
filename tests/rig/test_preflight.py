"""What GitHub refuses is said before the start, with the setting that holds it; its absence is only a remark."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rig.doubles.github.client import GitHubDouble
from rig.embedded.preflight import look, require_access
from servers.github.settings import GitHubSettings
from servers.kit.errors import InvalidInput

TALLY = "ada/tally"


@pytest.fixture
async def double(tmp_path: Path) -> AsyncGenerator[GitHubDouble]:
    async with GitHubDouble.here(tmp_path) as double:
        await double.add_identity("good", "ada")
        await double.seed_repository(TALLY, files={"a.txt": "a\n"})
        yield double


def settings(url: str, **given: Any) -> GitHubSettings:
    tokens = {name: SecretStr(value) for name, value in given.items() if name.endswith("token")}
    names = given.get("repositories", [TALLY])
    return GitHubSettings.load(github_url=url, repositories=names, **{"github_token": SecretStr("good"), **tokens})


async def test_what_github_takes_needs_no_words(double: GitHubDouble) -> None:
    assert require_access(await look(settings(double.url))) == []


async def test_a_token_that_github_does_not_accept_is_named_once(double: GitHubDouble) -> None:
    given = settings(double.url, github_token="bad", repositories=[TALLY, "ada/other"])
    with pytest.raises(InvalidInput, match=r"GitHub does not accept GITHUB_TOKEN\. Set GITHUB_TOKEN to") as refused:
        require_access(await look(given))
    assert str(refused.value).count("\n") == 1


async def test_the_second_identity_is_asked_too(double: GitHubDouble) -> None:
    with pytest.raises(InvalidInput, match="GitHub does not accept RIG_GITHUB_REVIEW_TOKEN") as refused:
        require_access(await look(settings(double.url, github_review_token="bad")))
    assert "GITHUB_TOKEN." not in str(refused.value).replace("REVIEW_TOKEN.", "")


async def test_a_repository_that_github_does_not_know_is_named(double: GitHubDouble) -> None:
    with pytest.raises(InvalidInput, match=r"ada/nowhere with GITHUB_TOKEN: .* Correct RIG_REPOSITORIES"):
        require_access(await look(settings(double.url, repositories=[TALLY, "ada/nowhere"])))


@pytest.mark.parametrize("second", [True, False], ids=["a reviewer of its own", "one account"])
async def test_one_account_under_a_protection_that_demands_reviews_is_a_remark(
    double: GitHubDouble, second: bool
) -> None:
    await double.add_identity("other", "rig-review")
    await double.grant(TALLY, "rig-review", "write")
    await double.protect(TALLY, branch="main", required_reviews=1)
    given = settings(double.url, **({"github_review_token": "other"} if second else {}))
    remarks = require_access(await look(given))
    assert len(remarks) == (0 if second else 1)
    assert all(r.startswith("ada/tally demands 1 approval on main, and author and reviewer are one") for r in remarks)


async def test_a_github_that_is_away_is_a_remark() -> None:
    (remark,) = require_access(await look(settings("http://127.0.0.1:9", repositories=[TALLY, "ada/other"])))
    assert remark.startswith("GitHub cannot be reached")
    assert "goes on trying" in remark
