"""From a webhook's bytes to the log, over HTTP; what is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conductor.intake.door import MAX_BYTES, PATHS
from conductor.intake.payload import pack
from conductor.intake.translation import MAX_ATTEMPTS, replay
from conductor.merge.snapshot import Snapshot
from servers.kit.database import Pool
from servers.kit.errors import Unavailable
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import HEAD, REPOSITORY, REPOSITORY_ID
from tests.conductor.serving import OLD_SECRET, SECRET, Rig, about_issue, about_pull, serving, signature
from tests.fixtures_postgres import Databases
from tests.fixtures_waiting import Eventually

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rig'"
DUE = "UPDATE deliveries SET due_at = now() WHERE state = 'waiting'"


@pytest.fixture
def outcomes(pool: Pool, eventually: Eventually) -> Any:
    """Waits until every delivery is worked off; what became of each, oldest first."""

    async def wait() -> list[tuple[str, str | None]]:
        await eventually(lambda: pool.fetchval("SELECT count(*) = 0 FROM deliveries WHERE state = 'waiting'"))
        rows = await pool.fetch("SELECT state, outcome FROM deliveries ORDER BY received_at")
        return [(row["state"], row["outcome"]) for row in rows]

    return wait


def pull_request(branch: str) -> Snapshot:
    return Snapshot(
        repository_id=REPOSITORY_ID,
        repository=REPOSITORY,
        number=34,
        author="rig-dev[bot]",
        state="open",
        head_sha=HEAD,
        head_ref=branch,
        base_ref="main",
    )


async def types(pool: Pool) -> list[str]:
    return [row["type"] for row in await pool.fetch("SELECT type FROM events ORDER BY position")]


async def stored(pool: Pool) -> int:
    return await pool.fetchval("SELECT count(*) FROM deliveries")


async def test_a_label_by_somebody_who_may_write_starts_work(rig: Rig, pool: Pool, outcomes: Any) -> None:
    await rig.labelled()
    assert await outcomes() == [("done", None)]
    assert await types(pool) == ["ISSUE_APPROVED"]


async def test_each_path_and_each_secret_is_accepted(rig: Rig) -> None:
    for path, secret in product(PATHS, (SECRET, OLD_SECRET)):
        assert (await rig.deliver({}, "ping", secret=secret, path=path)).status_code == 202


BODY = b'{"zen": "Speak like a human."}'
WRONG: dict[str, tuple[bytes, dict[str, str], int]] = {
    "forged": (BODY, {"x_hub_signature_256": signature(BODY, "guessed")}, 401),
    "unsigned": (BODY, {"x_hub_signature_256": ""}, 401),
    "signed for other bytes": (BODY, {"x_hub_signature_256": signature(BODY + b" ")}, 401),
    "signed the old way": (BODY, {"x_hub_signature_256": "", "x_hub_signature": "sha1=00"}, 401),
    "no hash at all": (BODY, {"x_hub_signature_256": "sha256="}, 401),
    "a form": (BODY, {"content_type": "application/x-www-form-urlencoded"}, 400),
    "no content type": (BODY, {"content_type": ""}, 400),
    "not JSON": (b"zen", {}, 400),
    "cut off": (BODY[:-1], {}, 400),
    "empty": (b"", {}, 400),
    "an array": (b"[1]", {}, 400),
    "null": (b"null", {}, 400),
    "too deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}, 400),
    "not UTF-8": (b'{"a":"\xff"}', {}, 400),
    "no GUID": (BODY, {"x_github_delivery": ""}, 400),
    "a long GUID": (BODY, {"x_github_delivery": "g" * 101}, 400),
    "no event": (BODY, {"x_github_event": ""}, 400),
    "a long event": (BODY, {"x_github_event": "e" * 101}, 400),
    "too large": (b"[" + b" " * MAX_BYTES, {}, 413),
}


async def test_what_is_refused_is_not_kept(rig: Rig, pool: Pool) -> None:
    for name, (body, headers, status) in WRONG.items():
        answer = await rig.deliver(body, **headers)
        assert (answer.status_code, await stored(pool)) == (status, 0), name
        assert answer.json()["message"], name


async def test_a_signature_of_other_letters_is_refused(rig: Rig, pool: Pool) -> None:
    headers = [(b"x-hub-signature-256", "sha256=\u00e9\u00fc".encode("latin-1"))]
    assert (await rig.http.post("/webhooks/github", content=BODY, headers=headers)).status_code == 401
    assert await stored(pool) == 0


async def test_a_body_without_a_length_is_cut_off_at_the_limit(rig: Rig, pool: Pool) -> None:
    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(30):
            yield b" " * 1024 * 1024

    answer = await rig.http.post("/webhooks/github", content=endless())
    assert (answer.status_code, await stored(pool)) == (413, 0)


async def test_a_sender_who_hangs_up_leaves_nothing_and_hurts_nobody(rig: Rig, pool: Pool) -> None:
    host, _, port = rig.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /webhooks/github HTTP/1.1\r\nHost: rig\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()
    assert (await rig.deliver({}, "ping")).status_code == 202
    assert await stored(pool) == 1


async def test_without_a_secret_nothing_is_accepted(database_url: str, tmp_path: Path) -> None:
    async with serving(database_url, tmp_path, MemoryGitHub(), webhook_secret="", webhook_secret_old="") as rig:
        answer = await rig.deliver({}, "ping", x_hub_signature_256=signature(b"{}", ""))
        assert (answer.status_code, "RIG_WEBHOOK_SECRET" in answer.text) == (503, True)


async def test_a_delivery_that_comes_again_is_kept_once(rig: Rig, pool: Pool, outcomes: Any) -> None:
    rig.github.label(1)
    answers = await asyncio.gather(*(rig.deliver(about_issue(), x_github_delivery="guid") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["new"] for answer in answers) == 1
    assert len(await outcomes()) == 1


async def test_many_deliveries_about_one_thing_share_few_looks(rig: Rig, pool: Pool, outcomes: Any) -> None:
    rig.github.label(1)
    await asyncio.gather(*(rig.deliver(about_issue()) for _ in range(100)))
    assert len(await outcomes()) == 100
    assert await types(pool) == ["ISSUE_APPROVED"]
    assert rig.github.calls["get_issue"] < 60


@pytest.mark.parametrize(
    ("event", "payload", "words"),
    [
        ("ping", {}, "ping does not concern the rig."),
        ("issues", about_issue() | {"repository": {"full_name": "acme/other"}}, "acme/other is not enrolled."),
        ("issues", about_issue(99), "acme/tally#99 is not an issue."),
        ("pull_request", about_pull(), "acme/tally#34 belongs to no issue of the rig."),
        ("status", {"repository": {"full_name": REPOSITORY}, "sha": HEAD}, "aaaaaaa is no head of the rig."),
        ("push", {"repository": {"full_name": REPOSITORY}, "ref": "refs/heads/x"}, "No pull request of the rig is"),
    ],
)
async def test_what_does_not_concern_the_rig_is_recorded_as_ignored_with_words(
    rig: Rig, outcomes: Any, pool: Pool, event: str, payload: dict[str, Any], words: str
) -> None:
    rig.github.pulls[34] = pull_request("somebodys-branch")
    await rig.deliver(payload, event)
    [(state, said)] = await outcomes()
    assert (state, words in said) == ("ignored", True)
    assert await types(pool) == []


@pytest.mark.parametrize("permission", ["read", "triage", "none"])
async def test_a_label_by_somebody_who_may_not_write_is_ignored_with_words(
    rig: Rig, outcomes: Any, pool: Pool, permission: str
) -> None:
    rig.github.label(1, "mallory", permission)
    await rig.deliver(about_issue())
    [(state, words)] = await outcomes()
    assert state == "ignored"
    assert words.startswith("mallory set the label agent-ready without write permission")
    assert await types(pool) == []


async def test_an_issue_without_the_label_is_ignored(rig: Rig, outcomes: Any) -> None:
    rig.github.label(1)
    rig.github.issues[1] = msgspec.structs.replace(rig.github.issues[1], labels=["bug"], labeller=None)
    await rig.deliver(about_issue())
    assert await outcomes() == [("ignored", "acme/tally#1 is not labelled agent-ready.")]


async def test_a_delivery_that_says_nothing_of_use_fails_with_its_reason(rig: Rig, outcomes: Any) -> None:
    await rig.deliver({"repository": {"full_name": "acme/\0tally"}, "issue": {"number": 1}})
    await rig.deliver({"action": "labeled"})
    assert await outcomes() == [
        ("failed", "repository.full_name holds characters that no name has."),
        ("failed", "The payload has no repository.full_name."),
    ]


async def test_github_away_is_asked_again_until_it_answers(rig: Rig, pool: Pool, eventually: Eventually) -> None:
    rig.github.failing["get_issue"] = [Unavailable("GitHub answered 502."), ValueError("odd")]
    rig.github.label(1)
    await rig.deliver(about_issue())

    async def done() -> bool:
        await pool.execute(DUE)
        return await pool.fetchval("SELECT state = 'done' FROM deliveries")

    await eventually(done)
    assert await types(pool) == ["ISSUE_APPROVED"]
    assert rig.github.calls["get_issue"] >= 3


async def test_a_delivery_that_never_succeeds_fails_with_its_reason(rig: Rig, pool: Pool, outcomes: Any) -> None:
    rig.github.failing["get_issue"] = [Unavailable("GitHub answered \0 502.")] * 2
    await pool.execute(
        "INSERT INTO deliveries (guid, event, payload, attempts) VALUES ('g', 'issues', $1, $2)",
        pack(msgspec.json.encode(about_issue())),
        MAX_ATTEMPTS,
    )
    assert await outcomes() == [("failed", "GitHub answered ? 502.")]


async def test_a_delivery_whose_body_is_damaged_fails_and_holds_up_no_other(
    rig: Rig, pool: Pool, outcomes: Any
) -> None:
    await pool.execute("INSERT INTO deliveries (guid, event, payload) VALUES ('g', 'issues', 'no deflate stream')")
    await rig.deliver({}, "ping")
    states = dict(await outcomes())
    assert set(states) == {"failed", "ignored"}
    assert "damaged" in states["failed"]


async def test_deliveries_can_be_replayed(rig: Rig, pool: Pool, outcomes: Any) -> None:
    await rig.deliver(about_issue())
    assert (await outcomes())[0][0] == "ignored"
    rig.github.label(1)
    newest = await pool.fetchval("SELECT max(received_at) FROM deliveries")
    assert await replay(pool, newest + timedelta(seconds=1)) == 0
    assert await replay(pool, newest) == 1
    assert await outcomes() == [("done", None)]
    assert await types(pool) == ["ISSUE_APPROVED"]
    assert await replay(pool) == 1
    assert await outcomes() == [("done", None)]
    assert await types(pool) == ["ISSUE_APPROVED"]


async def test_what_a_killed_process_was_translating_is_taken_over_after_its_lease(
    rig: Rig, pool: Pool, outcomes: Any, eventually: Eventually
) -> None:
    await pool.execute(
        "INSERT INTO deliveries (guid, event, payload, attempts, due_at)"
        " VALUES ('g', 'issues', $1, 1, now() + interval '60 seconds')",
        pack(msgspec.json.encode(about_issue())),
    )
    await rig.deliver({}, "ping")
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM deliveries WHERE state = 'ignored'"))
    assert await types(pool) == []
    rig.github.label(1)
    await pool.execute(DUE)
    assert ("done", None) in await outcomes()
    assert await types(pool) == ["ISSUE_APPROVED"]


@pytest.mark.parametrize("action", ["deleted", "transferred"])
async def test_work_on_an_issue_that_is_gone_ends(rig: Rig, pool: Pool, outcomes: Any, action: str) -> None:
    await rig.labelled()
    for number in (1, 2):
        await rig.deliver(about_issue(number) | {"action": action})
    assert ("ignored", "acme/tally#2 is no issue of the rig.") in await outcomes()
    assert await types(pool) == ["ISSUE_APPROVED", "ISSUE_CANCELLED"]


class TestOutOfOrder:
    async def test_a_merge_by_a_person_is_no_cancellation_when_the_closed_issue_is_told_first(
        self, rig: Rig, pool: Pool, outcomes: Any
    ) -> None:
        await self.opened(rig, outcomes)
        rig.github.show(rig.github.pulls[34], state="merged", merged_sha="c" * 40, merged_by="ada")
        rig.github.issues[1] = msgspec.structs.replace(rig.github.issues[1], state="closed")
        await rig.deliver(about_issue() | {"action": "closed"})
        await outcomes()
        await rig.deliver(about_pull() | {"action": "closed"}, "pull_request")
        await outcomes()
        assert (await types(pool))[-2:] == ["MERGED", "ISSUE_DONE"]

    async def test_a_pull_request_that_is_told_of_before_its_issue_is_found_later(
        self, rig: Rig, pool: Pool, outcomes: Any
    ) -> None:
        await self.opened(rig, outcomes)
        assert (await types(pool))[:2] == ["ISSUE_APPROVED", "PR_CREATED"]

    async def opened(self, rig: Rig, outcomes: Any) -> None:
        rig.github.pulls[34] = pull_request("feature/issue-1-add-feature-1")
        await rig.deliver(about_pull(), "pull_request")
        await rig.labelled()
        await outcomes()
        await rig.deliver(about_pull(), "pull_request")
        await outcomes()


async def test_while_the_database_is_away_github_is_told_to_come_again(
    rig: Rig, database_url: str, databases: Databases, eventually: Eventually
) -> None:
    name = database_url.partition("@/")[2].partition("?")[0]
    await databases.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", CUT)
    assert (await rig.deliver(about_issue())).status_code == 503
    assert (await rig.http.get("/readyz")).status_code == 503
    await databases.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    async def accepted() -> bool:
        return (await rig.deliver({}, "ping")).status_code == 202

    await eventually(accepted)


async def test_what_github_never_answers_holds_up_no_other_delivery(
    rig: Rig, pool: Pool, eventually: Eventually
) -> None:
    asked = 0

    async def hang_once() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.Event().wait()

    rig.github.during["get_issue"] = hang_once
    await rig.deliver(about_issue(1))
    await eventually(lambda: asked == 1)
    await rig.labelled(2)
    assert await types(pool) == ["ISSUE_APPROVED"]
