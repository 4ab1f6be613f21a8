"""Payloads that GitHub sent, as they are and maimed: each is taken in, and understood or ignored with a reason."""

from __future__ import annotations

import asyncio
import functools
import json
from collections import Counter
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.intake.payload import check, pack, parse, unpack
from conductor.intake.translate import TRANSLATORS, translate
from servers.kit.database import Pool
from servers.kit.errors import InvalidInput
from tests.conductor.memory_github import MemoryGitHub
from tests.conductor.samples import REPOSITORY
from tests.conductor.serving import Rig, about_issue, serving
from tests.doubles.github.published import text_of
from tests.fixtures_waiting import Eventually

ENROLLED = "Codertocat/Hello-World"
WITHOUT_EXAMPLE = {"sub_issues", "issue_dependencies"}
ONLY_OF_TAGS = {"create", "delete"}
DUE = """UPDATE deliveries SET due_at = now() WHERE guid IN
    (SELECT guid FROM deliveries WHERE state = 'waiting' FOR UPDATE SKIP LOCKED)"""
Example = tuple[str, dict[str, Any]]


@functools.cache
def examples() -> list[Example]:
    published = json.loads(text_of("webhooks-examples/api.github.com/index.json"))
    return [(kind["name"], payload) for kind in published for payload in kind["examples"]]


@given(st.binary(max_size=3000))
def test_a_body_is_kept_as_it_came(body: bytes) -> None:
    assert unpack(pack(body)) == body


@given(st.binary(max_size=300))
def test_what_was_not_packed_is_refused_or_harmless(kept: bytes) -> None:
    with suppress(InvalidInput):
        unpack(kept)


def test_every_example_is_understood_or_ignored_with_a_reason() -> None:
    assert len(examples()) == 329
    for event, payload in examples():
        check(json.dumps(payload).encode())
        found = translate(event, payload)
        assert found, (event, payload.get("action"))


def test_every_kind_that_concerns_the_rig_gives_a_sighting() -> None:
    telling = {event for event, payload in examples() if isinstance(translate(event, payload), list)}
    assert telling == TRANSLATORS.keys() - WITHOUT_EXAMPLE - ONLY_OF_TAGS


def silent() -> Counter[tuple[str, Any]]:
    concerning = [(event, payload) for event, payload in examples() if event in TRANSLATORS]
    return Counter(
        (event, payload.get("action")) for event, payload in concerning if isinstance(translate(event, payload), str)
    )


def test_of_these_kinds_only_tags_and_what_is_not_over_are_silent() -> None:
    assert {event for event, _ in silent()} == {"check_run", "check_suite", "workflow_run", "push"} | ONLY_OF_TAGS
    assert not {action for _, action in silent()} & {"completed"}


NUMBERS: list[Any] = [None, True, 0, -1, 2**63, 10**30, 1.5]
OTHERS: list[Any] = [..., "", "\0", "\ud800", "x" * 100_000, [], {}, [[[[]]]], {"a": {"b": {}}}]
WRONG = st.sampled_from(NUMBERS + OTHERS)


@st.composite
def maimed(draw: st.DrawFn) -> Example:
    """An example with up to three of its fields gone or of another kind."""
    event, payload = draw(st.sampled_from(examples()))
    copy = json.loads(json.dumps(payload))
    for _ in range(draw(st.integers(1, 3))):
        _maim(copy, draw)
    return event, copy


def _maim(payload: dict[str, Any], draw: st.DrawFn) -> None:
    at: Any = payload
    while at:
        key = draw(st.sampled_from(sorted(at)))
        if isinstance(at[key], dict) and at[key] and draw(st.booleans()):
            at = at[key]
            continue
        wrong = deepcopy(draw(WRONG))  # another field of it may be maimed next
        if wrong is ...:
            del at[key]
        else:
            at[key] = wrong
        return


@settings(max_examples=150, deadline=None)
@given(maimed())
def test_no_maimed_payload_is_turned_away_or_crashes_its_translation(example: Example) -> None:
    event, payload = example
    body = json.dumps(payload).encode()
    check(body)
    with suppress(InvalidInput):
        assert translate(event, parse(body))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_what_is_no_json_object_is_refused_at_the_door_as_behind_it(body: bytes) -> None:
    with suppress(InvalidInput):
        check(body)
        parse(body)


def posted() -> list[Example]:
    hostile: list[dict[str, Any]] = [
        about_issue() | {"repository": {"full_name": "\ud800/\0"}},
        about_issue() | {"issue": {"number": 10**30, "title": "\ud800"}},
        about_issue() | {"action": ["labeled"], "deep": functools.reduce(lambda inner, _: [inner], range(200), [0])},
        about_issue() | {"issue": {"number": 7, "title": "half \ud83d of a character", "body": "\0" * 1000}},
        {},
    ]
    return [*examples(), *(("issues", payload) for payload in hostile)]


async def test_all_of_them_come_in_through_the_door_and_are_worked_off(
    database_url: str, tmp_path: Path, pool: Pool, eventually: Eventually
) -> None:
    async def over() -> bool:
        await pool.execute(DUE)
        return await pool.fetchval("SELECT count(*) = 0 FROM deliveries WHERE state = 'waiting'")

    enrolled = [ENROLLED, REPOSITORY]
    async with serving(database_url, tmp_path, MemoryGitHub(), repositories=enrolled) as rig:
        answers = await asyncio.gather(*(rig.deliver(payload, event) for event, payload in posted()))
        assert {answer.status_code for answer in answers} == {202}
        await eventually(over)
        await still_there(rig)
    rows = await pool.fetch("SELECT event, state, outcome FROM deliveries")
    assert len(rows) == len(posted()) + 1
    assert [row["event"] for row in rows if row["state"] == "failed"] == ["issues"] * 3
    assert all(row["outcome"] for row in rows if row["state"] != "done")


async def still_there(rig: Rig) -> None:
    await rig.labelled()
    stored = cast(int, await rig.pool.fetchval("SELECT count(*) FROM events"))
    assert stored == 1


@pytest.mark.parametrize("body", [b'{"a": "\\ud83d\\ude00", "b": "\\ud83d"}', '{"a": "ä€😀"}'.encode()])
def test_whole_and_half_characters_are_json(body: bytes) -> None:
    check(body)
    assert parse(body)["a"] in ("😀", "ä€😀")
