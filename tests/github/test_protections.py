"""What rulesets and classic protection demand, in every shape that GitHub shows them."""

from __future__ import annotations

import pytest

from servers.github.kept import Kept
from servers.github.protections import Demands, of_protection, of_rules, of_update_rule, together
from servers.kit.clock import ManualClock
from tests.github.conftest import TALLY, Rig


def test_rules_of_several_rulesets_add_up() -> None:
    rules = [
        {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "b"}]}},
        {
            "type": "required_status_checks",
            "parameters": {
                "required_status_checks": [{"context": "a", "integration_id": 1}, {"context": "b"}],
                "strict_required_status_checks_policy": True,
            },
        },
        {"type": "pull_request", "parameters": {"required_approving_review_count": 1}},
        {
            "type": "pull_request",
            "parameters": {"required_approving_review_count": 2, "require_code_owner_review": True},
        },
        {"type": "merge_queue"},
        {"type": "something_new", "parameters": None},
    ]
    assert of_rules(rules) == Demands(("a", "b"), 2, code_owners=True, up_to_date=True, merge_queue=True)


def test_classic_protection_is_read_with_and_without_apps() -> None:
    shown = {
        "required_status_checks": {"strict": True, "contexts": ["x"], "checks": [{"context": "x", "app_id": None}]},
        "required_pull_request_reviews": {"required_approving_review_count": 1, "require_code_owner_reviews": True},
    }
    assert of_protection(shown) == Demands(("x",), 1, code_owners=True, up_to_date=True)
    assert of_protection({"required_status_checks": {"contexts": ["old"]}}) == Demands(("old",))
    assert of_protection({"required_status_checks": None, "required_pull_request_reviews": None}) == Demands()


def test_graphql_may_leave_anything_out() -> None:
    assert of_update_rule({}) == Demands()
    assert of_update_rule({"requiredStatusCheckContexts": None, "requiredApprovingReviewCount": None}) == Demands()
    assert of_update_rule({"requiredStatusCheckContexts": ["x"], "requiresCodeOwnerReviews": True}) == Demands(
        ("x",), code_owners=True
    )


def test_nothing_demands_nothing() -> None:
    assert together() == Demands()


async def test_demands_are_asked_for_once_in_half_a_minute(rig: Rig) -> None:
    pull = await rig.pull()
    service = await rig.service()
    for _ in range(3):
        await service.call("get_pull_request_snapshot", repository=TALLY, number=pull["number"])
    asked = [r["path"] for r in await rig.double.requests()]
    for part in ("/rules/branches/", "/protection", "/compare/"):
        assert sum(part in path for path in asked) == 1, part


async def test_an_answer_is_kept_until_it_is_old_and_a_failure_is_not() -> None:
    clock = ManualClock()
    kept, asked = Kept(clock), list[int]()

    async def ask() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise ValueError("away")
        return len(asked)

    with pytest.raises(ValueError, match="away"):
        await kept.get("key", 10, ask)
    assert [await kept.get("key", 10, ask) for _ in range(2)] == [2, 2]
    clock.advance(10)
    assert await kept.get("key", 10, ask) == 3
    assert await kept.get("other", 10, ask) == 4
