"""REST: who is in a team of an organization; one that was not set up is hidden, which GitHub says as missing."""

from __future__ import annotations

from starlette.routing import Route

from rig.doubles.github.call import Answer, Call, rest
from rig.doubles.github.errors import not_found
from rig.doubles.github.shapes import people


async def list_members(call: Call) -> Answer:
    call.viewer.signed_in()
    members = call.world.teams.get(f"{call.param('org')}/{call.param('slug')}".lower())
    if members is None:
        raise not_found()
    return call.page(members, lambda user: people.user(call.world, user))


routes: list[Route] = [rest("/orgs/{org}/teams/{slug}/members", "GET", list_members)]
