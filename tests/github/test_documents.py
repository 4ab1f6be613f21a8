"""Documents are proposed on branches of their own, once."""

from __future__ import annotations

from datetime import datetime

import pytest

from servers.kit.errors import Forbidden, InvalidInput
from tests.github.conftest import TALLY, Rig

PATH = "docs/learnings/locks.md"
DOCUMENT = {"repository": TALLY, "branch": "docs/learning-7", "path": PATH, "message": "docs: locks"}


async def test_a_document_is_committed_once_to_a_branch_of_its_own(rig: Rig) -> None:
    service = await rig.service()
    assert (await service.call("list_documents", repository=TALLY))["paths"] == ["README.md"]
    assert (await service.call("list_documents", repository=TALLY, folder="docs/learnings"))["paths"] == []
    first = await service.call("commit_document", **DOCUMENT, content="# Locks — né\n")
    again = await service.call("commit_document", **DOCUMENT, content="# Locks — né\n")
    assert (first["created"], again) == (True, {"sha": first["sha"], "created": False})
    file = await service.call("get_file", repository=TALLY, path=PATH, ref="docs/learning-7")
    assert file["content"] == "# Locks — né\n"
    seen = await service.call("get_document", repository=TALLY, path="README.md")
    assert seen["content"] == "# Tally\n"
    assert datetime.fromisoformat(seen["changed_at"]).year >= 2026
    changed = await service.call("commit_document", **DOCUMENT, content="# Locks, all of them\n")
    assert changed["created"]
    opened = await service.call(
        "open_pull_request", repository=TALLY, head="docs/learning-7", base="main", title="docs: locks", body="x"
    )
    assert opened["head_sha"] == changed["sha"]


async def test_the_main_branch_and_what_is_no_file_are_refused(rig: Rig) -> None:
    service = await rig.service()
    with pytest.raises(InvalidInput, match="by pull request"):
        await service.call("commit_document", **(DOCUMENT | {"branch": "main"}), content="x")
    with pytest.raises(Forbidden):
        await (await rig.dev()).call("commit_document", **DOCUMENT, content="x")
