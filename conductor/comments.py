"""Every sentence that the rig says on GitHub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from conductor.drift import Contradiction
from conductor.issues.issue import READY_LABEL, Issue
from conductor.merge.snapshot import Snapshot

STATUS_CONTEXT = "rig/merge-gate"
UNLABELLED = "The label agent-ready was removed."
QUESTIONS_OPEN = "**Before anybody starts, the rig has to know more.**"
GATE_OPEN = "Every gate is open; merging."
_ANSWER = (
    "To have it tried again, remove the label `agent-ready` and set it again, perhaps with a clearer issue. To give "
    "it up, close the issue. From Claude Code, the rig's tool `decide_gate` does both."
)
_STATUS_LIMIT = 140  # GitHub's limit for a commit status description
_CALL = re.compile(r"(?<![A-Za-z0-9])(?:@|&#0*64;?|&#x0*40;?|&commat;)(?=[A-Za-z0-9])", re.IGNORECASE)
_CALLED = re.compile(r"@[A-Za-z0-9-]+(?:/[\w.-]+)?")
_SKIPPING = re.compile(r"\[(?:skip (?:ci|actions)|(?:ci|actions) skip|no ci)\]", re.IGNORECASE)
_SUGGESTION = re.compile(r"(^```suggestion\b.*?^```)", re.DOTALL | re.MULTILINE)


def quiet(text: str) -> str:
    """`text` that calls nobody: agents write it, or strangers through them. Suggested code stays as it is."""
    parts = _SUGGESTION.split(text)
    return "".join(part if n % 2 else _CALL.sub("@\u200b", part) for n, part in enumerate(parts))


def waiting(reasons: list[str]) -> str:
    """The gate's reasons as a commit status description."""
    text = " ".join(reasons)
    return text if len(text) <= _STATUS_LIMIT else text[: _STATUS_LIMIT - 1] + "…"


def person_needed(trigger: str) -> str:
    """What a person has to let through, in one sentence."""
    return f"A person has to approve: {trigger}"


def human_gate(triggers: list[str]) -> str:
    """Asks for a person's decision on the pull request."""
    listed = "\n".join(f"- {trigger}" for trigger in triggers)
    return (
        f"**A person has to approve this change.**\n\n{listed}\n\nTo let it through, approve the pull request in a "
        "review; to send it back, request changes and say what is wanted. Whoever may write to the repository may "
        "decide, but for the author. From Claude Code, the rig's tool `decide_gate` does both. A later commit asks "
        "again only if it changes something of this that you have not seen."
    )


def place(number: int, base: str, ahead: int) -> str:
    """Where a pull request stands in the merge train; `ahead` is the pull request before it."""
    names = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    name = names[number - 1] if number <= len(names) else f"number {number}"
    return f"It is {name} in the merge train for {base}, behind #{ahead}."


def updated(head: str) -> str:
    """The rig has merged the base into the branch."""
    return f"The branch was updated; CI runs at {head[:7]}."


def in_queue(base: str) -> str:
    """GitHub's own merge queue lands it."""
    return f"It is in GitHub's merge queue for {base}."


def evicted(base: str) -> str:
    """GitHub's own merge queue did not land it."""
    return f"GitHub's merge queue for {base} has put it out; the pull request's page says why."


def overtaken(base: str, times: int) -> str:
    """Others push to the base faster than CI runs."""
    return f"{base} moved on {times} times while CI ran at the branch. Hold other pushes, or merge it by hand."


def review(agent: str, summary: str, head: str) -> str:
    """The body of a review."""
    return f"{quiet(summary)}\n\n<sub>Reviewed by {agent} at {head[:7]}.</sub>"


def squash_title(pull: Snapshot) -> str:
    """The title of the merge commit, as GitHub writes it; it never keeps the base's workflows from running."""
    return f"{' '.join(_SKIPPING.sub(' ', pull.title).split())} (#{pull.number})"


def squash_message(issue: Issue) -> str:
    """The body of the merge commit, whose trailers name the issue and every run that wrote for it."""
    trailers = [f"Rig-Issue: {issue.key}", *(f"Rig-Run: {run}" for run in issue.runs)]
    return f"Closes #{issue.number}\n\n" + "\n".join(trailers)


def escalated(cause: str, evidence: str) -> str:
    """Asks people for help on the issue."""
    details = (
        f"\n\n<details><summary>Evidence</summary>\n\n```\n{_fenced(evidence)}\n```\n</details>" if evidence else ""
    )
    return f"**The rig needs a person here.** {one_line(cause, 1000)}{details}\n\n{_ANSWER}"


def asked(names: list[str]) -> str:
    """Calls the people and teams whom the repository names for where the rig stops; other names are shown."""
    said = [name if _CALLED.fullmatch(name) else one_line(name) for name in names[:20]]
    return f"\n\nAsked: {', '.join(said)}." if said else ""


def repository_paused(repository: str, reason: str) -> str:
    """Said on the issue whose failure was one too many."""
    return (
        f"**The rig takes no new work in {repository} for now.** {one_line(reason)} Look for the common "
        "cause, then have it go on with the rig's tool `resume`; failures from before will not stop it again."
    )


def pause_words(scope: str, by: str, reason: str, until: datetime | None) -> str:
    """What is paused, by whom and how long, in one sentence."""
    kind, _, name = scope.partition(":")
    end = f" until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if until else ""
    why = reason.rstrip(".") or "no reason given"
    match kind:
        case "provider":
            return f"{name} is at its usage limit{end}: {why}."
        case "budget":
            return f"{f'{name} is' if name else 'The rig is'} out of money{end}: {why}."
        case _:
            return f"{scope} is paused by {by}{end}: {why}."


def day_is_spent(reason: str) -> str:
    """Said on the issue whose work the budget of a day stopped."""
    return (
        f"**The work on this waits.** {one_line(reason)} What was done is on the branch. It goes on by itself when "
        "the next day begins (UTC), or when somebody allows more today: the rig's tool `resume` with the scope "
        "`budget` "
        "gives the whole rig another day's budget now, `budget:<agent>` one agent."
    )


def _fenced(text: str, limit: int = 6000) -> str:
    return text[-limit:].replace("```", "'''")


def permission_refused(login: str, label: str) -> str:
    """Recorded where somebody without write permission set the label."""
    return f"{login} set the label {label} without write permission; only people who may write start work."


def questions(asked: list[str], agent: str) -> str:
    """Asks the author what the issue leaves open."""
    listed = "\n".join(f"* {one_line(question)}" for question in asked)
    by = f"\n\n<sub>Asked by {agent}.</sub>" if agent else ""
    return (
        f"{QUESTIONS_OPEN}\n\n{listed}\n\nAnswer in a comment or edit the issue; the work is taken up by itself "
        f"then. An answer is taken as it is.{by}"
    )


def one_line(text: str, limit: int = 500) -> str:
    """`text` on one line, cut where it is long; nothing in it hides itself or calls anybody."""
    line = quiet(" ".join(text.replace("<!--", "<! --").split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def cycle(circle: list[str]) -> str:
    """Tells that the dependencies lead nowhere."""
    return (
        f"**This issue waits for itself:** {' → '.join(circle)}. Nobody can start. Take one of these dependencies "
        "or sub-issues away; the work is taken up by itself then."
    )


def not_found(missing: list[str]) -> str:
    """Tells that what the issue waits for is not there."""
    names = " and ".join(missing)
    return (
        f"**This issue depends on {names}, which the rig cannot find.** It waits until the description names an "
        "issue that exists in one of the rig's repositories, or does not name it any more."
    )


def unreadable(base: str) -> str:
    """Why work does not start where the repository's own file is wrong."""
    return (
        f"`.rig-agent.yaml` on `{base}` is not valid, so no work starts. Correct it there; the issue is taken up by "
        "itself then."
    )


def parent_done(parts: list[str]) -> str:
    """Tells that an issue is done because its sub-issues are."""
    return (
        f"All sub-issues are closed ({', '.join(parts)}), so this issue is done. If something is left, open a "
        f"sub-issue for it, reopen this one and set the label `{READY_LABEL}` again."
    )


def stopped(number: int) -> str:
    """Tells what became of the pull request of an issue that lost its label."""
    return (
        f"The label `{READY_LABEL}` was removed, so the rig stopped its work here. Pull request #{number} is left as "
        "it is: merge or close it. Setting the label again starts anew once it is closed."
    )


def answer(agent: str, asker: str, text: str) -> str:
    """What a character answers to a question."""
    return f"{quiet(text)}\n\n<sub>{agent} answers {one_line(asker, 100)}.</sub>"


def incident_title(title: str) -> str:
    """The title of an incident's issue."""
    return f"Incident: {one_line(title, 200)}"


def incident(repository: str, severity: str, reports: str, evidence: str) -> str:
    """The body of an incident's issue that nobody has looked into; what monitoring said is data."""
    return (
        f"Monitoring reports an incident of severity {one_line(severity, 50)} in {repository}.\n\n{reports}\n\n"
        f"What it sent, as data:\n\n```text\n{_fenced(evidence, 20_000)}\n```\n\nNobody has looked into it yet. To "
        f"have it worked on, say above what has to be done and set the label `{READY_LABEL}`."
    )


class Learning(Protocol):
    """A memory that becomes a document."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def written_by(self) -> str: ...
    @property
    def issue(self) -> str: ...
    @property
    def hits(self) -> int: ...


def learning_title(memory: int, content: str) -> str:
    """The title of the pull request that makes a memory a document."""
    return f"docs: learning {memory}, {one_line(content, 60)}"


def learning(memory: Learning) -> str:
    """The document that a memory becomes."""
    came = f" while working on {one_line(memory.issue, 300)}" if memory.issue else ""
    title = one_line(memory.content, 80).strip("# ")
    return (
        f"# {quiet(title)}\n\n{quiet(memory.content.strip())}\n\n---\n\nMemory {memory.id}, a {memory.kind} that "
        f"{one_line(memory.written_by, 100)} wrote down{came}. It helped in {memory.hits} issues since.\n"
    )


def learning_proposal(memory: int, importance: int, hits: int) -> str:
    """Why a memory should become a document."""
    return (
        f"Memory {memory} has importance {importance} and helped in {hits} issues, so it should stand where "
        "everybody reads it. Merge this to keep it as a document; close it to leave it a memory. It is proposed "
        "once only."
    )


DRIFT = "Documents say otherwise than newer memories"


def drift(found: Sequence[Contradiction]) -> str:
    """Lists sentences of documents with the newer memories that contradict them."""
    listed = "\n".join(
        f"- `{one.path}` says: {quiet(one_line(one.sentence, 300))}\n"
        f"  Memory {one.memory} says: {quiet(one_line(one.says, 300))}"
        for one in found[:30]
    )
    return (
        f"{listed}\n\nEach memory was written after the document changed last. The comparison looks at words only, "
        "so judge which of both is right: correct the document, or supersede the memory (`supersede_memory`)."
    )
