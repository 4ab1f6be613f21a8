"""From a pull request to a verdict that is bound to its head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rig.doubles.anthropic.script import Play, say, use

if TYPE_CHECKING:
    from tests.agents.stage import Stage

CHANGED: dict[str, str | None] = {"app.py": "def double(n):\n    return 2 * n\n"}


def verdict(*lines: int, word: str = "request_changes") -> Any:
    comments = [{"path": "app.py", "line": line, "body": "What about None?"} for line in lines]
    return use("finish", verdict=word, summary="Nearly.", comments=comments)


async def review(stage: Stage) -> dict[str, Any]:
    """Let Review-E review a pull request; answers it."""
    pull = await stage.pull_request(CHANGED)
    stage.offer("review", pull_request=pull)
    await stage.run(stage.character("review-e"), token=stage.token("review"), instance="review-1")
    return pull


async def test_a_verdict_stands_on_the_head_that_was_read(stage: Stage) -> None:
    def play() -> Play:
        read = yield say(
            "",
            use("mcp__workspace__read_file", path="app.py"),
            use("mcp__github__get_diff", repository="ada/tally", number=1),
        )
        assert "return 2 * n" in read[0].ok()
        assert "+    return 2 * n" in read[1].ok()
        yield say("", verdict(2))

    stage.script(play)
    pull = await review(stage)
    said = stage.conductor.said("submit_review")[0]
    assert said["head_sha"] == pull["head_sha"]
    assert (said["verdict"], said["summary"]) == ("request_changes", "Nearly.")
    assert said["comments"] == [{"path": "app.py", "line": 2, "body": "What about None?"}]
    assert stage.conductor.facts() == ["submit_review"]
    assert 'source="diff">\ndiff --git a/app.py b/app.py' in stage.opening()
    offered = stage.requests[0].tool_names
    assert offered == sorted(offered)
    assert "mcp__workspace__edit_file" not in offered
    assert "mcp__workspace__run_command" not in offered


async def test_remarks_outside_the_diff_go_back_to_the_model(stage: Stage) -> None:
    def play() -> Play:
        refused = (yield say("", verdict(2, 40))).only
        assert refused.is_error
        assert "The diff does not show app.py:40." in refused.text
        yield say("", verdict(1))

    stage.script(play)
    await review(stage)
    assert [one["line"] for one in stage.conductor.said("submit_review")[0]["comments"]] == [1]


async def test_a_verdict_in_free_text_or_in_other_words_is_none(stage: Stage) -> None:
    def play() -> Play:
        refused = (yield say("APPROVED", verdict(word="lgtm"))).only
        assert refused.is_error
        assert "verdict: Input should be 'approve' or 'request_changes'" in refused.text
        yield say("", verdict(word="ok"))
        yield say("", verdict(word="yes"))

    stage.script(play)
    await review(stage)
    assert not stage.conductor.said("submit_review")
    stuck = stage.conductor.said("report_stuck")[0]
    assert stuck["error_class"] == "invalid_result"
    assert "verdict" in stuck["evidence"]
