"""What proved itself is proposed as a document once, whatever breaks off in between, and drift is reported once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from conductor.drift import Said
from conductor.memories import AGAIN_SECONDS, FIRST_SECONDS, WEEK_SECONDS, Document, Lint, Ripe
from servers.kit.clock import ManualClock
from servers.kit.errors import Conflict, NotFound, RigError, Unauthenticated, Unavailable
from tests.fixtures_waiting import Eventually

REPOSITORY = "ada/tally"
CONTENT = "After changing pyproject.toml run `make lock`.\n\nAsk @ada before <!-- x --> you skip it."
RIPE = Ripe(
    id=7,
    repo=REPOSITORY,
    kind="learning",
    importance=4,
    hits=5,
    written_by="dev-e",
    content=CONTENT,
    issue="ada/tally#1",
)  # fmt: skip
THEN = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class Shelf:
    """Implements the port `Memories`."""

    candidates: list[Ripe] = field(default_factory=lambda: [RIPE])
    said: list[Said] = field(default_factory=list[Said])
    urls: dict[int, str] = field(default_factory=dict[int, str])
    dies: bool = False
    forgotten: set[int] = field(default_factory=set[int])
    refuses: RigError | None = None

    async def ripe(self, repository: str | None) -> list[Ripe]:
        if self.refuses:
            raise self.refuses
        return [
            one
            for one in self.candidates
            if one.id not in self.urls and (repository is None or one.repo.lower() == repository.lower())
        ]

    async def promoted(self, memory: int, url: str) -> None:
        if self.dies:
            raise Unavailable("The process was killed here.")
        if memory in self.forgotten:
            raise NotFound(f"There is no memory {memory}.")
        self.urls[memory] = url

    async def newest(self, repository: str) -> list[Said]:
        return self.said


@dataclass
class Library:
    """Implements the port `Documents`."""

    files: dict[str, str] = field(default_factory=dict[str, str])
    pulls: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    reports: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    refused: set[str] = field(default_factory=set[str])

    async def list(self, repository: str, folder: str) -> list[str]:
        return [path for path in self.files if path.rpartition("/")[0] == folder]

    async def read(self, repository: str, path: str) -> Document:
        return Document(path=path, content=self.files[path], changed_at=THEN)

    async def proposed(self, repository: str, branch: str) -> str | None:
        return f"https://github/{branch}" if branch in self.pulls else None

    async def propose(self, repository: str, branch: str, path: str, content: str, title: str, body: str) -> str:
        if branch in self.refused or repository in self.refused:
            raise Conflict("The branch is protected.")
        assert branch not in self.pulls
        self.pulls[branch] = path, content, title
        return f"https://github/{branch}"

    async def report(self, repository: str, title: str, body: str, key: str) -> None:
        if repository in self.refused:
            raise Conflict("Issues are disabled.")
        self.reports.append((key, body))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def library() -> Library:
    return Library()


async def test_what_proved_itself_becomes_one_pull_request(shelf: Shelf, library: Library) -> None:
    lint = Lint(shelf, library, [REPOSITORY.upper()])
    assert await lint.promote() == 1
    assert await lint.promote() == 0
    assert shelf.urls == {7: "https://github/docs/learning-7"}
    [(path, content, title)] = library.pulls.values()
    assert path == "docs/learnings/7-after-changing-pyproject-toml-run-make.md"
    assert title == "docs: learning 7, After changing pyproject.toml run `make lock`. Ask @\u200bada be…"
    assert content.startswith("# After changing")
    assert "Ask @\u200bada before" in content
    assert "dev-e wrote down while working on ada/tally#1. It helped in 5 issues since." in content


async def test_a_kill_between_the_pull_request_and_the_mark_opens_no_second_one(
    shelf: Shelf, library: Library
) -> None:
    lint = Lint(shelf, library, [])
    shelf.dies = True
    with pytest.raises(Unavailable):
        await lint.promote()
    assert list(library.pulls) == ["docs/learning-7"]
    shelf.dies = False
    assert await lint.promote() == 1
    assert shelf.urls == {7: "https://github/docs/learning-7"}
    assert list(library.pulls) == ["docs/learning-7"]


async def test_only_memories_of_enrolled_repositories_are_promoted(library: Library) -> None:
    every = [RIPE, replace(RIPE, id=8, repo="eve/x"), replace(RIPE, id=9, repo="ada/other")]
    assert await Lint(Shelf(every), library, [REPOSITORY, "ada/other"]).promote() == 2
    assert list(library.pulls) == ["docs/learning-7", "docs/learning-9"]
    assert await Lint(Shelf(every), library, []).promote() == 3


async def test_one_that_is_refused_or_forgotten_meanwhile_holds_up_no_other(library: Library) -> None:
    library.refused = {"docs/learning-7"}
    shelf = Shelf([RIPE, replace(RIPE, id=8), replace(RIPE, id=9)], forgotten={8})
    assert await Lint(shelf, library, []).promote() == 1
    assert shelf.urls == {9: "https://github/docs/learning-9"}


async def test_a_repository_without_issues_holds_up_no_other(library: Library) -> None:
    library.files = {"README.md": "The daemon listens on port 7700."}
    said = [Said(id=3, text="The daemon listens on port 8800.", written_at=THEN + timedelta(days=1))]
    library.refused = {"ada/other"}
    assert await Lint(Shelf(said=said), library, ["ada/other", REPOSITORY]).compare() == 1
    assert len(library.reports) == 1


async def test_documents_that_newer_memories_contradict_are_reported_under_one_key_until_they_change(
    shelf: Shelf, library: Library
) -> None:
    library.files = {"docs/serving.md": "The daemon listens on port 7700.", "README.md": "Hello.", "x/y.md": "No."}
    shelf.said = [Said(id=3, text="The daemon listens on port 8800.", written_at=THEN + timedelta(days=1))]
    lint = Lint(shelf, library, [REPOSITORY])
    assert await lint.compare() == 1
    assert await lint.compare() == 1
    (first, body), (again, _) = library.reports
    assert first == again
    assert "`docs/serving.md` says: The daemon listens on port 7700." in body
    assert "Memory 3 says: The daemon listens on port 8800." in body
    library.files["README.md"] = "The daemon listens on port 7701."
    assert await lint.compare() == 2
    assert library.reports[-1][0] != first


async def test_the_lint_looks_some_time_after_the_start_and_then_weekly(
    shelf: Shelf, library: Library, eventually: Eventually
) -> None:
    clock = ManualClock()
    looking = asyncio.create_task(Lint(shelf, library, [], clock).run())
    await eventually(lambda: _sleeps(clock))
    assert library.pulls == {}
    clock.advance(FIRST_SECONDS)
    await eventually(lambda: 7 in shelf.urls and _sleeps(clock))
    shelf.candidates.append(replace(RIPE, id=8))
    clock.advance(WEEK_SECONDS)
    await eventually(lambda: 8 in shelf.urls)
    looking.cancel()


async def test_a_server_that_refuses_the_lint_is_asked_again(
    shelf: Shelf, library: Library, eventually: Eventually
) -> None:
    clock = ManualClock()
    shelf.refuses = Unauthenticated("The token does not verify.")
    looking = asyncio.create_task(Lint(shelf, library, [], clock).run())
    await eventually(lambda: _sleeps(clock))
    clock.advance(FIRST_SECONDS)
    await eventually(lambda: _sleeps(clock) or looking.done())
    shelf.refuses = None
    clock.advance(AGAIN_SECONDS)
    await eventually(lambda: 7 in shelf.urls or looking.done())
    assert not looking.done()
    looking.cancel()


def _sleeps(clock: ManualClock) -> bool:
    return bool(clock._sleepers)  # pyright: ignore[reportPrivateUsage]
