"""Checks and statuses through the server."""

from __future__ import annotations

import pytest

from servers.kit.errors import Forbidden, NotFound
from tests.github.conftest import TALLY, Rig


async def test_checks_of_a_commit_come_with_their_sum(rig: Rig) -> None:
    pull = await rig.pull()
    await rig.double.settle()
    service = await rig.service()
    at = {"repository": TALLY, "ref": pull["head_sha"]}
    checks = await service.call("get_checks", **at)
    assert (checks["state"], checks["sha"]) == ("success", pull["head_sha"])
    assert [(c["name"], c["kind"], c["state"]) for c in checks["checks"]] == [("tests", "check_run", "success")]
    await service.call(
        "set_status", repository=TALLY, sha=pull["head_sha"], context="lint", state="error", description="bad"
    )
    assert (await service.call("get_checks", **at))["state"] == "failure"


async def test_a_commit_without_checks_is_not_called_successful(rig: Rig) -> None:
    service = await rig.service()
    assert (await service.call("get_checks", repository=TALLY, ref="main"))["state"] == "none"
    with pytest.raises(NotFound):
        await service.call("get_checks", repository=TALLY, ref="no-such-branch")


async def test_a_status_is_set_once_and_set_again_when_it_changes(rig: Rig) -> None:
    pull = await rig.pull()
    service = await rig.service()
    status = {"repository": TALLY, "sha": pull["head_sha"], "context": "rig", "state": "pending"}
    said = {"description": "Waits for a review. " * 20, "target_url": "http://127.0.0.1/issues/1"}
    assert (await service.call("set_status", **status, **said))["created"]
    assert not (await service.call("set_status", **status, **said))["created"]
    assert (await service.call("set_status", **status, description="Ready."))["created"]
    statuses = (await rig.double.state())["repositories"][TALLY]["statuses"]
    assert [s["description"][-1] for s in statuses] == ["…", "."]
    assert len(statuses[0]["description"]) == 140


async def test_agents_set_no_status(rig: Rig) -> None:
    with pytest.raises(Forbidden):
        await (await rig.dev()).call(
            "set_status", repository=TALLY, sha="0" * 40, context="ci", state="success", description=""
        )
