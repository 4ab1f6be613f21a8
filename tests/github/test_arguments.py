"""Hostile and malformed arguments are refused before GitHub hears of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from servers.github import arguments
from servers.kit.errors import InvalidInput, RigError
from tests.github.conftest import TALLY, Rig

HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("get_issue", {"repository": "ada", "number": 1}),
    ("get_issue", {"repository": "ada/..", "number": 1}),
    ("get_issue", {"repository": "../tally", "number": 1}),
    ("get_issue", {"repository": "ada/tally/../other", "number": 1}),
    ("get_issue", {"repository": "ada/tally?x=1", "number": 1}),
    ("get_issue", {"repository": "ada/tally#1", "number": 1}),
    ("get_issue", {"repository": "ada/tally\n", "number": 1}),
    ("get_issue", {"repository": "ada/%2e%2e", "number": 1}),
    ("get_issue", {"repository": "https://github.com/ada/tally", "number": 1}),
    ("get_issue", {"repository": f"ada/{'x' * 300}", "number": 1}),
    ("get_issue", {"repository": TALLY, "number": 0}),
    ("get_issue", {"repository": TALLY, "number": -1}),
    ("get_issue", {"repository": TALLY, "number": 2**63}),
    ("get_issue", {"repository": TALLY, "number": "one"}),
    ("get_issue", {"repository": TALLY, "number": None}),
    ("get_issue", {"repository": TALLY}),
    ("get_issue", {"repository": 7, "number": 1}),
    ("get_issue", {"repository": [TALLY], "number": 1}),
    ("get_file", {"repository": TALLY, "path": "../../other/contents/app.py"}),
    ("get_file", {"repository": TALLY, "path": "/etc/passwd"}),
    ("get_file", {"repository": TALLY, "path": "a/../../b"}),
    ("get_file", {"repository": TALLY, "path": "a//b"}),
    ("get_file", {"repository": TALLY, "path": "."}),
    ("get_file", {"repository": TALLY, "path": ""}),
    ("get_file", {"repository": TALLY, "path": "a\u0000b"}),
    ("get_file", {"repository": TALLY, "path": "a\\..\\b"}),
    ("get_file", {"repository": TALLY, "path": "a/" * 600}),
    ("get_file", {"repository": TALLY, "path": "app.py", "ref": "../main"}),
    ("get_file", {"repository": TALLY, "path": "app.py", "ref": "-main"}),
    ("get_file", {"repository": TALLY, "path": "app.py", "ref": "ma in"}),
    ("list_issues", {"repository": TALLY, "state": "gone"}),
    ("list_issues", {"repository": TALLY, "limit": 0}),
    ("list_issues", {"repository": TALLY, "limit": 10**9}),
    ("search_issues", {"repository": TALLY, "query": "x" * 201}),
    ("comment_on_issue", {"repository": TALLY, "number": 1, "body": "x" * 60_001, "key": "k"}),
    ("comment_on_issue", {"repository": TALLY, "number": 1, "body": "x", "key": "k --><b>"}),
    ("comment_on_issue", {"repository": TALLY, "number": 1, "body": "x", "key": ""}),
    ("comment_on_issue", {"repository": TALLY, "number": 1, "body": {"x": 1}, "key": "k"}),
    ("comment_on_issue", {"repository": TALLY, "number": 1, "body": "x", "key": "k", "identity": "ada"}),
    ("open_pull_request", {"repository": TALLY, "head": "mallory:main", "base": "main", "title": "x", "body": ""}),
    ("open_pull_request", {"repository": TALLY, "head": "x", "base": "main", "title": "", "body": ""}),
    ("open_pull_request", {"repository": TALLY, "head": "x", "base": "main", "title": "a\nb", "body": ""}),
    (
        "post_review",
        {"repository": TALLY, "number": 1, "head_sha": "main", "verdict": "approve", "body": "", "key": "k"},
    ),
    (
        "post_review",
        {"repository": TALLY, "number": 1, "head_sha": "0" * 40, "verdict": "lgtm", "body": "", "key": "k"},
    ),
    ("set_status", {"repository": TALLY, "sha": "0" * 39, "context": "x", "state": "success", "description": ""}),
    (
        "set_status",
        {
            "repository": TALLY,
            "sha": "0" * 40,
            "context": "x",
            "state": "success",
            "description": "",
            "target_url": "javascript:alert(1)",
        },
    ),
    ("resolve_thread", {"repository": TALLY, "thread_id": '"}) { x }'}),
    ("merge_pull_request", {"repository": TALLY, "number": 1, "head_sha": "HEAD", "title": "x", "message": ""}),
    ("redeliver", {"repository": TALLY, "delivery_id": 0}),
]


async def test_hostile_arguments_are_refused_without_a_request(rig: Rig) -> None:
    service = await rig.service()
    number = len(await rig.double.requests())
    for tool, given_arguments in HOSTILE:
        with pytest.raises(InvalidInput):
            await service.call(tool, **given_arguments)
    assert len(await rig.double.requests()) == number


async def test_a_huge_call_is_refused(rig: Rig) -> None:
    service = await rig.service()
    with pytest.raises(RigError):
        await service.call("comment_on_issue", repository=TALLY, number=1, body="x" * 5_000_000, key="k")


@given(st.text())
def test_no_text_makes_a_repository_name_that_leaves_its_place(text: str) -> None:
    try:
        name = TypeAdapter[str](arguments.Repository).validate_python(text)
    except ValidationError:
        return
    owner, slash, repository = name.partition("/")
    assert slash
    assert "/" not in repository
    assert {owner, repository}.isdisjoint({"", ".", ".."})
    assert name.isascii()


@given(st.text(alphabet="a./\\%\n\x00 ", max_size=12))
def test_no_text_makes_a_path_that_leaves_the_repository(text: str) -> None:
    try:
        path = TypeAdapter[str](arguments.FilePath).validate_python(text)
    except ValidationError:
        return
    assert not {"", ".", ".."} & set(path.split("/"))
    assert "\\" not in path
