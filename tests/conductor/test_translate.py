"""A delivery only says where to look; whatever else stands in it changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.comments import STATUS_CONTEXT
from conductor.translate import TRANSLATORS, BaseSeen, HeadSeen, IssueSeen, PullSeen, Sighting, translate
from servers.kit.errors import InvalidInput

SHA = "a" * 40
REPOSITORY = {"repository": {"full_name": "acme/tally"}}
PULL = REPOSITORY | {"pull_request": {"number": 7}}
DELIVERIES: dict[str, tuple[dict[str, Any], Sighting]] = {
    "issues": (REPOSITORY | {"issue": {"number": 7}}, IssueSeen("acme/tally", 7)),
    "pull_request": (PULL, PullSeen("acme/tally", 7)),
    "pull_request_review": (PULL, PullSeen("acme/tally", 7)),
    "pull_request_review_comment": (PULL, PullSeen("acme/tally", 7)),
    "pull_request_review_thread": (PULL, PullSeen("acme/tally", 7)),
    "check_run": (
        REPOSITORY | {"action": "completed", "check_run": {"head_sha": SHA}},
        HeadSeen("acme/tally", SHA),
    ),
    "check_suite": (
        REPOSITORY | {"action": "completed", "check_suite": {"head_sha": SHA}},
        HeadSeen("acme/tally", SHA),
    ),
    "status": (REPOSITORY | {"sha": SHA, "context": "ci"}, HeadSeen("acme/tally", SHA)),
    "push": (REPOSITORY | {"ref": "refs/heads/release/1.0"}, BaseSeen("acme/tally", "release/1.0")),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_every_translator_has_an_example_here() -> None:
    assert DELIVERIES.keys() == TRANSLATORS.keys()


@pytest.mark.parametrize("event", DELIVERIES)
def test_a_delivery_says_where_to_look_whatever_else_it_holds(event: str) -> None:
    payload, sighting = DELIVERIES[event]
    assert translate(event, payload) == [sighting]
    assert translate(event, payload | {"new_in_2031": {"deep": [1]}}) == [sighting]


def paths(value: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return []
    inner = cast(dict[str, Any], value)
    return [path for key in inner for path in ((*above, key), *paths(inner[key], (*above, key)))]


def replaced(payload: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The payload with another value at the path, or without the key where the value is `...`."""
    key, *rest = path
    if rest:
        return payload | {key: replaced(payload[key], tuple(rest), value)}
    return {k: v for k, v in payload.items() if k != key} | ({} if value is ... else {key: value})


NEEDED = [
    (event, path)
    for event, (payload, _) in DELIVERIES.items()
    for path in paths(payload)
    if path not in [("action",), ("context",)]
]


@pytest.mark.parametrize("wrong", [..., None, True, [], {}, 1.5], ids=["missing", "null", "true", "[]", "{}", "1.5"])
@pytest.mark.parametrize(("event", "path"), NEEDED, ids=str)
def test_a_field_that_is_missing_or_of_another_type_is_named(event: str, path: tuple[str, ...], wrong: Any) -> None:
    payload, _ = DELIVERIES[event]
    with pytest.raises(InvalidInput, match=path[-1]):
        translate(event, replaced(payload, path, wrong))


@pytest.mark.parametrize("event", ["check_run", "check_suite"])
def test_a_check_that_is_not_completed_is_not_looked_at(event: str) -> None:
    assert translate(event, DELIVERIES[event][0] | {"action": "created"}) == []


def test_the_rigs_own_status_makes_nobody_look() -> None:
    assert translate("status", DELIVERIES["status"][0] | {"context": STATUS_CONTEXT}) == []


@pytest.mark.parametrize("event", ["ping", "star", "workflow_run", "", "__class__", "Issues"])
def test_an_event_that_does_not_concern_the_rig_points_nowhere(event: str) -> None:
    assert translate(event, {}) == []


@pytest.mark.parametrize("text", ["acme/\0tally", "acme/\ud800tally"], ids=["NUL", "half a character"])
def test_text_that_no_database_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="full_name"):
        translate("issues", {"repository": {"full_name": text}, "issue": {"number": 7}})


@given(st.sampled_from(list(TRANSLATORS)), st.dictionaries(st.text(max_size=10), JSON, max_size=4), st.data())
def test_anything_else_is_refused_and_never_a_crash(event: str, noise: dict[str, Any], data: st.DataObject) -> None:
    payload = DELIVERIES[event][0]
    path = data.draw(st.sampled_from(paths(payload)))
    with suppress(InvalidInput):
        translate(event, replaced(payload, path, data.draw(JSON)) | noise)
