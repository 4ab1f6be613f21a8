"""What anybody writes into the rig's keys in Valkey hides no work."""

# redis-py leaves its keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import pytest

from conductor.dispatch.announce import Announcer
from tests.conductor.conftest import Approve
from tests.conductor.test_announce import Said, announcer, said

__all__ = ["announcer", "said"]


@pytest.mark.parametrize(
    "garbage",
    [
        ("SET", "signal:dev-e", "x"),
        ("SET", "assignments:dev-e", "x"),
        ("SET", "announced:dev-e", "x"),
        ("RPUSH", "announcing:dev-e", "x"),
        ("SET", "announcing:dev-e", "x"),
        ("SET", "announcing:dev-e", "999999999999"),
        ("SET", "announcing:dev-e", "999999999999", "EX", "86400"),
        ("XADD", "assignments:dev-e", "18446744073709551615-18446744073709551615", "a", "b"),
    ],
    ids=lambda garbage: " ".join(garbage[:3]),
)
async def test_garbage_in_the_rigs_keys_is_swept_out(
    announcer: Announcer, said: Said, approve: Approve, garbage: tuple[str, ...]
) -> None:
    await announcer.publish()
    await said.valkey.delete(garbage[1])
    await said.valkey.execute_command(*garbage)
    issue = await approve()
    await announcer.publish()
    assert len(await said.signal("dev-e")) == 1
    assert (await said.issues("dev-e"))[-1:] == await said.issues("dev-e-python") == [issue.key]
