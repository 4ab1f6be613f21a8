"""A delivery only says where to look; whatever else stands in it changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.comments import STATUS_CONTEXT
from conductor.intake.translate import (
    TRANSLATORS,
    AccountSeen,
    BaseSeen,
    DeploymentSeen,
    GroupSeen,
    HeadSeen,
    IssueGone,
    IssueSeen,
    PullSeen,
    RepositorySeen,
    Sighting,
    translate,
)
from servers.kit.errors import InvalidInput

SHA = "a" * 40
REPOSITORY = {"repository": {"full_name": "acme/tally"}}
PULL = REPOSITORY | {"pull_request": {"number": 7}}
DELIVERIES: dict[str, tuple[dict[str, Any], list[Sighting]]] = {
    "issues": (REPOSITORY | {"issue": {"number": 7}}, [IssueSeen("acme/tally", 7)]),
    "sub_issues": (
        REPOSITORY | {"parent_issue": {"number": 7}, "sub_issue": {"number": 8}},
        [IssueSeen("acme/tally", 7), IssueSeen("acme/tally", 8)],
    ),
    "issue_dependencies": (
        REPOSITORY | {"blocked_issue": {"number": 7}, "blocking_issue": {"number": 8}},
        [IssueSeen("acme/tally", 7), IssueSeen("acme/tally", 8)],
    ),
    "issue_comment": (REPOSITORY | {"issue": {"number": 7}}, [IssueSeen("acme/tally", 7)]),
    "pull_request": (PULL, [PullSeen("acme/tally", 7)]),
    "pull_request_review": (PULL, [PullSeen("acme/tally", 7)]),
    "pull_request_review_comment": (PULL, [PullSeen("acme/tally", 7)]),
    "pull_request_review_thread": (PULL, [PullSeen("acme/tally", 7)]),
    "check_run": (
        REPOSITORY | {"action": "completed", "check_run": {"head_sha": SHA}},
        [HeadSeen("acme/tally", SHA)],
    ),
    "check_suite": (
        REPOSITORY | {"action": "completed", "check_suite": {"head_sha": SHA}},
        [HeadSeen("acme/tally", SHA)],
    ),
    "status": (REPOSITORY | {"sha": SHA, "context": "ci"}, [HeadSeen("acme/tally", SHA)]),
    "push": (REPOSITORY | {"ref": "refs/heads/release/1.0"}, [BaseSeen("acme/tally", "release/1.0")]),
    "create": (REPOSITORY | {"ref": "release/1.0", "ref_type": "branch"}, [BaseSeen("acme/tally", "release/1.0")]),
    "delete": (REPOSITORY | {"ref": "release/1.0", "ref_type": "branch"}, [BaseSeen("acme/tally", "release/1.0")]),
    "merge_group": (
        REPOSITORY | {"merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{SHA}"}},
        [PullSeen("acme/tally", 7)],
    ),
    "deployment": (REPOSITORY | {"deployment": {"sha": SHA}}, [DeploymentSeen("acme/tally", SHA)]),
    "deployment_status": (REPOSITORY | {"deployment": {"sha": SHA}}, [DeploymentSeen("acme/tally", SHA)]),
    "workflow_run": (
        REPOSITORY | {"action": "completed", "workflow_run": {"head_sha": SHA}},
        [DeploymentSeen("acme/tally", SHA)],
    ),
    "installation": ({"installation": {"account": {"login": "acme"}}}, [AccountSeen("acme")]),
    "installation_repositories": ({"installation": {"account": {"login": "acme"}}}, [AccountSeen("acme")]),
    "repository": (REPOSITORY, [RepositorySeen("acme/tally")]),
}
MORE: list[tuple[str, dict[str, Any], list[Sighting]]] = [
    (
        "issues",
        REPOSITORY
        | {"action": "transferred", "issue": {"number": 7}}
        | {"changes": {"new_repository": {"full_name": "acme/sums"}, "new_issue": {"number": 3}}},
        [IssueGone("acme/tally", 7), IssueSeen("acme/sums", 3)],
    ),
    ("issues", REPOSITORY | {"action": "deleted", "issue": {"number": 7}}, [IssueGone("acme/tally", 7)]),
    (
        "sub_issues",
        REPOSITORY
        | {"parent_issue": {"number": 7}, "sub_issue": {"number": 8}, "sub_issue_repo": {"full_name": "acme/sums"}},
        [IssueSeen("acme/tally", 7), IssueSeen("acme/sums", 8)],
    ),
    ("issue_comment", REPOSITORY | {"issue": {"number": 7, "pull_request": {}}}, [PullSeen("acme/tally", 7)]),
    (
        "merge_group",
        REPOSITORY
        | {
            "action": "checks_requested",
            "merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{SHA}", "head_sha": "b" * 40},
        },
        [GroupSeen("acme/tally", 7, "b" * 40)],
    ),
    (
        "merge_group",
        REPOSITORY | {"merge_group": {"head_ref": "refs/heads/odd", "base_ref": "refs/heads/main"}},
        [BaseSeen("acme/tally", "main")],
    ),
    (
        "installation",
        {"installation": {}, "repositories": [{"full_name": "acme/tally"}, None, {"full_name": "a\nb"}]},
        [RepositorySeen("acme/tally")],
    ),
    (
        "installation_repositories",
        {"repositories_added": [{"full_name": "acme/tally"}], "repositories_removed": [{"full_name": "acme/sums"}]},
        [RepositorySeen("acme/tally"), RepositorySeen("acme/sums")],
    ),
    (
        "repository",
        {"repository": {"full_name": "acme/tally", "id": 5}, "changes": {"repository": {"name": {"from": "count"}}}},
        [RepositorySeen("acme/tally", 5, "acme/count")],
    ),
    (
        "repository",
        REPOSITORY | {"changes": {"owner": {"from": {"organization": {"login": "widgets"}}}}},
        [RepositorySeen("acme/tally", None, "widgets/tally")],
    ),
]
IGNORED: list[tuple[str, dict[str, Any], str]] = [
    ("check_run", DELIVERIES["check_run"][0] | {"action": "created"}, "A check run tells nothing until"),
    ("check_suite", DELIVERIES["check_suite"][0] | {"action": "requested"}, "A check suite tells nothing until"),
    ("workflow_run", DELIVERIES["workflow_run"][0] | {"action": "requested"}, "A workflow run tells nothing until"),
    ("status", DELIVERIES["status"][0] | {"context": STATUS_CONTEXT}, "The status is the rig's own."),
    ("push", DELIVERIES["push"][0] | {"ref": "refs/tags/v1"}, "A tag does not concern the rig."),
    ("create", DELIVERIES["create"][0] | {"ref_type": "tag"}, "A tag does not concern the rig."),
    ("delete", DELIVERIES["delete"][0] | {"ref_type": "tag"}, "A tag does not concern the rig."),
    *((event, {}, f"{event} does not concern the rig.") for event in ("ping", "star", "", "__class__", "Issues")),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_every_translator_has_an_example_here() -> None:
    assert DELIVERIES.keys() == TRANSLATORS.keys()


@pytest.mark.parametrize("event", DELIVERIES)
def test_a_delivery_says_where_to_look_whatever_else_it_holds(event: str) -> None:
    payload, sightings = DELIVERIES[event]
    assert translate(event, payload) == sightings
    assert translate(event, payload | {"new_in_2031": {"deep": [1]}}) == sightings


@pytest.mark.parametrize(("event", "payload", "sightings"), MORE)
def test_what_else_a_delivery_may_point_at(event: str, payload: dict[str, Any], sightings: list[Sighting]) -> None:
    assert translate(event, payload) == sightings


@pytest.mark.parametrize(("event", "payload", "words"), IGNORED)
def test_what_does_not_concern_the_rig_is_said_in_words(event: str, payload: dict[str, Any], words: str) -> None:
    said = translate(event, payload)
    assert isinstance(said, str)
    assert said.startswith(words)


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
    if path not in [("action",), ("context",), ("ref_type",)]
]


@pytest.mark.parametrize("wrong", [..., None, True, [], {}, 1.5], ids=["missing", "null", "true", "[]", "{}", "1.5"])
@pytest.mark.parametrize(("event", "path"), NEEDED, ids=str)
def test_a_field_that_is_missing_or_of_another_type_is_named(event: str, path: tuple[str, ...], wrong: Any) -> None:
    payload, _ = DELIVERIES[event]
    with pytest.raises(InvalidInput, match=path[-1]):
        translate(event, replaced(payload, path, wrong))


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**40])
def test_a_number_that_nothing_has_is_refused(number: int) -> None:
    with pytest.raises(InvalidInput, match="nothing has"):
        translate("issues", REPOSITORY | {"issue": {"number": number}})


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
