"""The conductor's tools for whoever works: claim, report, hand in, look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp.server.auth.middleware.auth_context import get_access_token
from pydantic import BaseModel, Field

from conductor import chores, logbook, messages, people, presence, runs, spending, transcripts, views
from conductor.answers import CheckAnswer, ClaimAnswer, Explanation, HeartbeatAnswer, Progress, assignment, chore
from conductor.around import around
from conductor.brain import compile_brain
from conductor.desk import Desk, DeskDep
from conductor.dispatch.chores import Held, is_chore
from conductor.dispatch.claims import kinds_for
from conductor.events import Comment, Kind
from conductor.handler import do_once
from conductor.issues import commands as c
from conductor.report import ReportType, report
from conductor.spending import ProviderName
from conductor.store.writer import ASSIGNMENTS
from conductor.text import Storable
from conductor.toolbox import AGENTS, IssueArg, Short, Text, held, once, run, tools
from servers.kit.auth import Principal, needs_renewal
from servers.kit.database import Connection
from servers.kit.errors import Fenced, RigError, Superseded
from servers.kit.tools import READ, WRITE, Caller, CallerDep, Claim

# Their tools are this server's too.
__all__ = ["logbook", "people", "presence", "runs", "spending", "tools", "transcripts"]


class LineComment(BaseModel):
    """A remark on one line of the new version of a file."""

    path: Storable = Field(min_length=1, max_length=500)
    line: int = Field(ge=1)
    body: Storable = Field(min_length=1, max_length=5000)


@tools.tool(WRITE, AGENTS, at_hand=True)
async def claim_assignment(
    desk: DeskDep,
    caller: CallerDep,
    kinds: Annotated[
        list[Kind] | None, Field(description="Only these kinds of work; default: all you may do")
    ] = None,
    wait_seconds: Annotated[float, Field(ge=0, le=20, description="Wait so long for work to appear")] = 0,
    issue: Annotated[IssueArg | None, Field(description="Only this issue, as owner/repo#12")] = None,
    providers: Annotated[
        list[ProviderName] | None,
        Field(max_length=10, description="By which you reach a model; while all are at their limit you get nothing"),
    ] = None,
) -> ClaimAnswer:
    """Take the best work you may do: highest priority first, then oldest.

    Whoever already holds a claim gets that claim again. Where there is no work the assignment is null; that is no
    error. The first heartbeat is due within 30 seconds. Never two callers get the same work.
    """
    wanted = tuple(kinds) if kinds else kinds_for(caller.role)
    stream = await desk.dispatch.stream_of(issue) if issue else None
    claimed = await desk.dispatch.claim(caller, wanted, wait_seconds, stream, providers or ())
    interval = desk.dispatch.lease_seconds / 3
    if isinstance(claimed, Held):
        return ClaimAnswer(assignment=chore(claimed, interval))
    if claimed is None:
        return ClaimAnswer(assignment=None, paused=await presence.note_idle(desk, caller, providers))
    return ClaimAnswer(assignment=assignment(claimed.issue, interval))


@tools.tool(WRITE, at_hand=True)
async def heartbeat(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim | None = None,
    step: Short = "",
    note: Short = "",
    read: Annotated[list[int] | None, Field(max_length=100)] = None,
) -> HeartbeatAnswer:
    """Say that you live and renew your claim's lease; the answer brings messages for your run.

    Args:
        claim: The claim to renew; without one only your presence is noted.
        step: What you are doing, in a few words; people see it.
        note: More about it.
        read: Messages of earlier answers that your model has seen; until then they come again.
    """
    beat = await desk.dispatch.heartbeat(caller, claim, f"{step}: {note}" if note else step)
    letters = await messages.pass_on(desk.pool, caller, claim, read or [])
    return HeartbeatAnswer(lease_until=beat.until, token=_renewed(desk, caller), stop=beat.stop, messages=letters)


def _renewed(desk: Desk, caller: Caller) -> str | None:
    token = get_access_token()
    if desk.key is None or token is None or token.expires_at is None:
        return None
    issued = datetime.fromtimestamp(float((token.claims or {})["iat"]), UTC)
    expires = datetime.fromtimestamp(token.expires_at, UTC)
    who = Principal(caller.subject, caller.role, caller.token_id or "", issued, expires)
    if not needs_renewal(who, desk.store.clock.now()):
        return None
    return desk.key.issue(caller.subject, caller.role, desk.token_lifetime, desk.store.clock)


@tools.tool(READ, ("service",))
async def check_claim(
    desk: DeskDep, claim: Claim, agent: Short, instance: Short = "", boot: Short = ""
) -> CheckAnswer:
    """Whether the claim of `agent` holds right now; servers ask before they write for an agent."""
    try:
        await desk.dispatch.check(claim, agent, instance or agent, boot)
    except (Fenced, Superseded) as error:
        return CheckAnswer(valid=False, reason=error.wire())
    except RigError as error:
        return CheckAnswer(valid=False, reason=Fenced(str(error)).wire())
    return CheckAnswer(valid=True)


@tools.tool(WRITE, (*AGENTS, "hook"), at_hand=True)
async def report_event(
    desk: DeskDep,
    caller: CallerDep,
    type: Annotated[ReportType, Field(description="What happened")],
    claim: Claim | None = None,
    data: Annotated[dict[str, Any] | None, Field(description="The event's fields")] = None,
) -> Progress:
    """Report progress: WORK_STARTED, BRANCH_CREATED {branch}, PR_CREATED {number, url, head_sha},
    PR_UPDATED {number, head_sha}, TOKEN_USAGE {run, model, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, usd, turns}, GUARD_BLOCKED {tool, reason}, HEARTBEAT {step}, LOG {run, lines},
    USAGE_LIMITED {provider, until, reason}, BUDGET_EXCEEDED {scope, reason, usd, limit_usd, evidence}, which ends
    the claim.

    Everything but TOKEN_USAGE, HEARTBEAT, LOG and USAGE_LIMITED needs your claim. The same again is one event.
    """
    return await report(desk, caller, type, claim, data or {})


@tools.tool(WRITE, AGENTS, at_hand=True)
async def complete_assignment(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim,
    summary: Text = "",
    result: Annotated[
        dict[str, Any] | None,
        Field(
            description="Of a chore: answer {answer}; judge {scores: {criterion: {score, reason}}}; deploy {passed, "
            "evidence}; triage {number, url}"
        ),
    ] = None,
) -> Progress:
    """Hand your work in and end the claim. Report PR_CREATED or PR_UPDATED first; reviews end with submit_review."""
    if is_chore(claim):
        return await chores.complete(desk, caller, claim, summary, result or {})
    command = c.Complete(**held(caller, claim), summary=summary)
    return await run(desk, caller, "complete_assignment", claim.issue, command)


@tools.tool(WRITE, AGENTS, at_hand=True)
async def release_assignment(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim,
    reason: Text,
    parked: Annotated[bool, Field(description="A heartbeat told you to stop; you get the work back later")] = False,
) -> Progress:
    """Give work back without a strike, so that somebody else can take it."""
    if is_chore(claim):
        return await chores.give_back(desk, caller, claim, reason, strike=False)
    command = c.Release(**held(caller, claim), reason=reason, parked=parked)
    return await run(desk, caller, "release_assignment", claim.issue, command)


@tools.tool(WRITE, AGENTS)
async def report_stuck(
    desk: DeskDep, caller: CallerDep, claim: Claim, reason: Text, error_class: Short = "", evidence: Text = ""
) -> Progress:
    """Say that you cannot finish. The first time somebody tries again, the second time a person is asked.

    Args:
        error_class: A short name that is the same for the same kind of failure, such as tests_failed.
        evidence: What shows it: the last lines of output, an error.
    """
    if is_chore(claim):
        return await chores.give_back(desk, caller, claim, f"{reason}\n{evidence}".strip(), strike=True)
    command = c.ReportStuck(**held(caller, claim), reason=reason, error_class=error_class, evidence=evidence)
    return await run(desk, caller, "report_stuck", claim.issue, command)


@tools.tool(WRITE, ("review", "person"))
async def submit_review(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim,
    head_sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="The commit that was reviewed")],
    verdict: Literal["approve", "request_changes"],
    summary: Annotated[Storable, Field(min_length=1, max_length=20_000)],
    comments: Annotated[list[LineComment] | None, Field(max_length=100)] = None,
) -> Progress:
    """Give a verdict on the pull request at `head_sha` and end the claim; the rig posts it on GitHub.

    A verdict on another commit than the newest does not count.
    """
    remarks = [Comment(path=x.path, line=x.line, body=x.body) for x in comments or []]
    command = c.SubmitReview(**held(caller, claim), head=head_sha, verdict=verdict, summary=summary, comments=remarks)
    return await run(desk, caller, "submit_review", claim.issue, command)


@tools.tool(WRITE, ("review",))
async def submit_readiness(
    desk: DeskDep,
    caller: CallerDep,
    claim: Claim,
    ready: Annotated[bool, Field(description="Whether somebody could implement the issue as it is written")],
    questions: Annotated[
        list[Annotated[Storable, Field(min_length=1, max_length=500)]] | None,
        Field(max_length=10, description="What the author has to answer first, where it is not ready"),
    ] = None,
) -> Progress:
    """Say whether the issue is clear enough to be worked on and end the claim.

    If it is not, the rig puts the questions to the author on GitHub and goes on with the answer; the same issue is
    not judged twice.
    """
    command = c.SubmitReadiness(**held(caller, claim), ready=ready, questions=questions or [])
    return await run(desk, caller, "submit_readiness", claim.issue, command)


@tools.tool(READ, at_hand=True)
async def list_issues(
    desk: DeskDep,
    repository: Annotated[str | None, Field(description="owner/repo")] = None,
    state: Short | None = None,
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
) -> list[views.IssueView]:
    """The issues that the rig knows, newest change first, with state, holder and what each waits for."""
    return await views.list_issues(desk.pool, desk.rules, repository, state, limit)


@tools.tool(READ, at_hand=True)
async def get_issue(desk: DeskDep, issue: IssueArg) -> views.IssueDetail:
    """One issue with its whole timeline."""
    return await views.get_issue(desk.pool, desk.rules, await desk.dispatch.stream_of(issue))


@tools.tool(READ, listed=False)
async def list_events(
    desk: DeskDep,
    after: Annotated[int, Field(ge=0, description="Only events behind this position")] = 0,
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> list[views.EventView]:
    """The log behind a position, in order; no event ever appears behind one that was read."""
    return await views.events_after(desk.pool, after, limit)


@tools.tool(READ, at_hand=True)
async def explain_issue(desk: DeskDep, issue: IssueArg) -> Explanation:
    """Why an issue is not merged yet, in the same words as the commit status and the page."""
    stream = await desk.dispatch.stream_of(issue)
    _, state = await desk.store.load(stream)
    reasons = (await around(desk.pool, [state], desk.rules)).waits_for(state)
    text = f"{state.key} is {state.status.replace('_', ' ')}. " + " ".join(reasons)
    return Explanation(issue=state.key, state=state.status, waits_for=reasons, text=text.strip())


@tools.tool(READ)
async def get_costs(
    desk: DeskDep,
    days: Annotated[int, Field(ge=1, le=3650, description="How far back")] = 7,
    by: Annotated[views.Costs, Field(description="What each agent's costs are divided by")] = "model",
) -> list[views.CostView]:
    """Tokens and US dollars by agent, and by model, repository or issue."""
    return await views.get_costs(desk.pool, days, by)


@tools.tool(READ, listed=False)
async def get_quality(
    desk: DeskDep, days: Annotated[int, Field(ge=1, le=3650, description="How far back")] = 30
) -> list[views.QualityView]:
    """How merged work was scored by the rubric, from 1 to 5, by who wrote it; empty where nobody judges it."""
    return await views.get_quality(desk.pool, days)


@tools.tool(READ)
async def get_brain(
    desk: DeskDep, repository: Annotated[str | None, Field(description="owner/repo; default: all")] = None
) -> str:
    """The state that every run starts from, as Markdown: pauses, what waits for people, work, merges, scores."""
    return await compile_brain(desk.pool, desk.rules, repository)


@tools.tool(WRITE, (*AGENTS, "ops"))
async def send_message(
    desk: DeskDep,
    caller: CallerDep,
    to: Short,
    text: Annotated[Storable, Field(min_length=1, max_length=4000)],
    issue: Annotated[IssueArg | None, Field(description="What it is about; an answer is a comment there too")] = None,
) -> messages.Message:
    """Leave a message for an agent, a person, or whoever has an issue (owner/repo#12).

    A running agent is handed it with its next heartbeat and shows it to its model at the next turn; everybody else
    gets it with read_messages. See with read_messages(sent) when it was delivered and read. conductor-e answers
    questions about the rig; its answer comes as a message.
    """
    if "#" in to:
        await desk.dispatch.stream_of(to)  # whoever has an issue that the rig does not know is nobody
    about = issue and (await desk.store.load(await desk.dispatch.stream_of(issue)))[1].key

    async def send(connection: Connection) -> dict[str, Any]:
        sent = await messages.send(connection, caller.subject, to, text, caller.role)
        await chores.ask(desk, connection, to, sent, about or "")
        return sent.model_dump(mode="json")

    asked = [to, text, issue] if issue else [to, text]
    answer = await do_once(desk.store, once(caller, "send_message", asked), send)
    await desk.wake.publish(ASSIGNMENTS)
    return messages.Message.model_validate(answer)


@tools.tool(WRITE, (*AGENTS, "ops"))
async def read_messages(
    desk: DeskDep,
    caller: CallerDep,
    sent: Annotated[bool, Field(description="Those that you sent, newest first, with their receipts")] = False,
) -> list[messages.Message]:
    """Your unread messages, oldest first; they count as read from now on."""
    if sent:
        return await messages.sent(desk.pool, caller.subject)

    async def read(connection: Connection) -> list[dict[str, Any]]:
        return [one.model_dump(mode="json") for one in await messages.read(connection, caller.subject)]

    found = await do_once(desk.store, once(caller, "read_messages", ""), read)
    return [messages.Message.model_validate(one) for one in found]
