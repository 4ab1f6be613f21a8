"""What the scripted model says as each character; it looks where the character would look."""

from __future__ import annotations

import json

from conductor.issues.rubric import CRITERIA
from rig.doubles.anthropic.script import Play, say, use
from tests.agents.characters.house import REPOSITORY

CLEVER = "def double(n):\n    return n << 1\n"
PLAIN = "def double(n):\n    return 2 * n\n"


def develop() -> Play:
    """Solves the issue, in a way that a reviewer disputes."""
    read = yield say("", use("mcp__workspace__read_file", path="app.py"))
    assert "n + n + 1" in read.only.ok()
    written = yield say("", use("mcp__workspace__write_file", path="app.py", content=CLEVER))
    written.only.ok()
    yield say("", use("finish", title="fix: double the number", summary="It added one too many."))


def rework() -> Play:
    """Does what the reviewer asked."""
    written = yield say("", use("mcp__workspace__write_file", path="app.py", content=PLAIN))
    written.only.ok()
    yield say("", use("finish", title="fix: double by a product", summary="Fractions are doubled, too."))


def review() -> Play:
    """Disputes what fails for a fraction, and approves what does not."""
    read = yield say("", use("mcp__workspace__read_file", path="app.py"))
    if "<<" not in read.only.ok():
        yield say("", use("finish", verdict="approve", summary="It doubles.", comments=[]))
        return
    remark = {"path": "app.py", "line": 2, "body": "double(0.5) raises TypeError."}
    yield say("", use("finish", verdict="request_changes", summary="Fractions fail.", comments=[remark]))


def ready() -> Play:
    """Finds the issue clear."""
    (yield say("", use("mcp__workspace__search_files", pattern="def double"))).only.ok()
    yield say("", use("finish", ready=True, questions=[]))


def judge() -> Play:
    """Gives every criterion a four."""
    read = yield say("", use("mcp__workspace__read_file", path="app.py"))
    assert "2 * n" in read.only.ok()
    scores = {name: {"score": 4, "reason": "app.py:2 says it."} for name in CRITERIA}
    yield say("", use("finish", **scores, summary="Small and plain."))


def verify(passed: bool) -> Play:
    """Looks at what was deployed."""
    evidence = "Deployment 1 to staging ended with success."
    yield say("", use("finish", passed=passed, evidence=evidence if passed else "double(2) gives 5 there."))


def explain() -> Play:
    """Says why an issue does not move."""
    said = yield say("", use("mcp__conductor__explain_issue", issue=f"{REPOSITORY}#1"))
    reason = json.loads(said.only.ok())["waits_for"][0]
    yield say("", use("finish", answer=f"It waits: {reason} Thank @ada."))


def triage() -> Play:
    """Reports what monitoring saw, after looking for it among the issues that are open."""
    found = yield say("", use("mcp__github__search_issues", repository=REPOSITORY, query="double"))
    found.only.ok()
    report = {
        "title": "double() fails for fractions",
        "severity": "high",
        "summary": "Since ten o'clock, for everybody who halves.",
        "suspected_cause": "app.py:2",
        "next_steps": ["Look at app.py:2."],
    }
    yield say("", use("finish", **report))


def propose() -> Play:
    """Proposes one thing."""
    (yield say("", use("mcp__conductor__get_brain", repository=REPOSITORY))).only.ok()
    one = {
        "title": "Test fractions",
        "problem": "checks.py:2 tests whole numbers only.",
        "proposal": "Add a case of 0.5.",
        "cost": "Minutes.",
        "against": "Nobody doubles fractions.",
    }
    yield say("", use("finish", proposals=[one], summary="I read app.py and checks.py."))
