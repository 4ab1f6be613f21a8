"""What has to be done in the world because of an event."""

from __future__ import annotations

import pytest

from conductor import comments
from conductor import events as e
from conductor.comments import waiting
from conductor.effects.runner import HANDLERS
from conductor.issues import commands as c
from conductor.issues.decide import decide
from conductor.issues.issue import Issue
from conductor.issues.react import Effect, react
from tests.conductor import histories as h
from tests.conductor.histories import do
from tests.conductor.samples import HEAD, NEXT_HEAD, pull_request


def effects(issue: Issue, command: c.Command) -> list[Effect]:
    after = do(issue, command)
    """As they are kept: each once."""
    found: list[Effect] = []
    for event in decide(issue, command):
        found += [effect for effect in react(event, after) if effect not in found]
    return found


@pytest.mark.parametrize(
    ("issue", "command", "kinds"),
    [
        (h.working(), h.running(h.working()), ["look", "set_status"]),
        (h.in_review(), h.running(h.in_review(), head_sha=NEXT_HEAD), ["look", "set_status"]),
        (h.under_review(), h.verdict(h.under_review()), ["post_review", "resolve_threads", "look", "set_status"]),
        (h.under_review(), h.verdict(h.under_review(), "request_changes"), ["post_review", "set_status"]),
        (h.ready(), h.look(h.ready(), draft=True), ["dequeue", "look", "set_status"]),
        (h.ready(), h.look(h.ready()), ["tell_place", "merge"]),
        (h.ready(), c.RecordEffectFailed("merge", "no"), ["dequeue", "comment", "set_status"]),
        (h.queued(), h.assign(), []),
    ],
    ids=["opened", "pushed", "approved", "disputed", "gate waits", "gate passed", "escalated", "assigned"],
)
def test_an_event_asks_for(issue: Issue, command: c.Command, kinds: list[str]) -> None:
    assert [effect.kind for effect in effects(issue, command)] == kinds


def test_everything_that_may_be_asked_for_can_be_done() -> None:
    histories = [(h.ready(), h.look(h.ready())), (h.under_review(), h.verdict(h.under_review()))]
    asked = {effect.kind for issue, command in histories for effect in effects(issue, command)} | {"comment"}
    assert asked <= HANDLERS.keys()


def test_merges_into_one_base_stand_in_one_lane_and_a_later_look_holds_nothing_up() -> None:
    lanes = {effect.kind: effect.lane for effect in effects(h.ready(), h.look(h.ready()))}
    assert lanes == {"tell_place": "issue-77-1", "merge": "merge:77@main"}
    delayed = next(effect for effect in effects(h.ready(), h.look(h.ready(), draft=True)) if effect.kind == "look")
    assert (delayed.lane, delayed.delay) == ("issue-77-1:later", 5)


def test_a_verdict_is_posted_at_its_head_with_its_remarks() -> None:
    issue = h.under_review()
    verdict = h.verdict(issue, "request_changes")
    remark = e.Comment(path="a.py", line=3, body="Why?")
    said = c.SubmitReview(**h.held(issue), head=HEAD, verdict=verdict.verdict, summary="No.", comments=[remark])
    posted = effects(issue, said)[0].data
    assert (posted["head"], posted["verdict"]) == (HEAD, "request_changes")
    assert posted["comments"] == [{"path": "a.py", "line": 3, "body": "Why?"}]
    assert posted["body"].startswith("No.")


def test_a_status_is_as_long_as_github_takes_it() -> None:
    assert waiting(["It waits."]) == "It waits."
    assert len(waiting(["x" * 200])) == 140


def test_evidence_cannot_break_out_of_its_fence() -> None:
    effect = next(
        one for one in effects(h.ready(), c.RecordEffectFailed("merge", "```\n@everybody\n```")) if "body" in one.data
    )
    body = effect.data["body"]
    assert body.count("```") == 2


@pytest.mark.parametrize(
    "call", ["@acme/everyone", "_@ada_", "\\@ada", "&#64;ada", "&#x40;ada", "&commat;ada", "<b>@ada"]
)
def test_what_agents_write_calls_nobody(call: str) -> None:
    said = [
        comments.escalated(f"{call}\n<!-- rig:x -->", ""),
        comments.questions([call], "judge-e"),
        comments.review("review-e", call, HEAD),
        comments.repository_paused("acme/tally", call),
    ]
    for text in said:
        assert call not in text
        assert "@\u200b" in text
        assert "<!-- rig" not in text


def test_suggested_code_and_addresses_stay_as_they_are() -> None:
    code = "Better:\n```suggestion\n@app.route('/')\n```\nada@example.com"
    assert comments.quiet(code) == code


def test_no_title_keeps_workflows_from_running_on_the_base() -> None:
    pull = pull_request(h.ready(), title="Add [a] list [skip ci] [Actions Skip]")
    assert comments.squash_title(pull) == "Add [a] list (#34)"
