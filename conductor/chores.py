"""What becomes of a chore at its end, by its kind; and how a question becomes one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from conductor import comments, messages
from conductor import events as e
from conductor.answers import Progress
from conductor.desk import Desk
from conductor.dispatch.chores import SQL, Chore, Effect, Held, keep, write_effect
from conductor.dispatch.claims import SQL as DISPATCH
from conductor.handler import handle
from conductor.issues import commands as c
from conductor.issues.rubric import CRITERIA
from conductor.merge.deployments import Plan
from conductor.report import read
from conductor.store.records import Append
from conductor.store.writer import EFFECTS, connection_of
from conductor.text import Storable
from servers.kit.database import Connection
from servers.kit.errors import Conflict, InvalidInput
from servers.kit.tools import Caller, Claim


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(_Result):
    answer: Storable = Field(min_length=1, max_length=20_000)


class Score(_Result):
    score: int = Field(ge=1, le=5)
    reason: Storable = Field(min_length=1, max_length=2000)


class Scores(_Result):
    scores: dict[str, Score]


class Verification(_Result):
    passed: bool
    evidence: Storable = Field(min_length=1, max_length=6000)


class Filed(_Result):
    number: int = Field(ge=1)
    url: Annotated[str, Field(max_length=500)] = ""


class Nothing(_Result):
    pass


async def complete(desk: Desk, caller: Caller, claim: Claim, summary: str, result: dict[str, Any]) -> Progress:
    """End a chore with what came of it.

    Raises:
        InvalidInput: The result is not what a chore of this kind ends with.
        Fenced, Superseded: The claim is over.
    """
    queue = desk.dispatch.chores
    held = await queue.check_or_done(claim, caller)
    if held is None:
        return Progress(state="done", recorded=False)
    model, act = ENDS[held.kind]
    said = read(model, held.kind, result)
    await act(desk, held, said, summary)
    async with connection_of(desk.pool) as connection, connection.transaction():
        ended = await queue.finish(connection, caller, claim, summary)
        if ended and isinstance(said, Answer):
            await _tell(connection, ended, said.answer)
    if ended is None:
        await queue.check_or_done(claim, caller)
        return Progress(state="done", recorded=False)
    await queue.done(ended, summary)
    await desk.wake.publish(EFFECTS)
    return Progress(state="done")


async def give_back(desk: Desk, caller: Caller, claim: Claim, reason: str, strike: bool) -> Progress:
    """Offer a chore again, as `Chores.give_back` does."""
    await desk.dispatch.chores.give_back(caller, claim, reason, strike)
    return Progress(state="stuck" if strike else "queued")


async def ask(desk: Desk, connection: Connection, to: str, message: messages.Message, about: str) -> None:
    """Make a chore of a message to a character that answers; another such character gets no answer."""
    asked, asker = (desk.catalogue.get(name) for name in (to, message.sender))
    if asked is None or "answer" not in asked.work or (asker and "answer" in asker.work):
        return
    data = {"asked_by": message.sender}
    title = f"A question of {message.sender}"
    chore = Chore("answer", to, f"answer:{message.id}", title, message.text, issue=about, data=data)
    number = await keep(connection, chore)
    if number is not None:
        await connection.execute(SQL["mark_read"], message.id)


async def _tell(connection: Connection, held: Held, answer: str) -> None:
    """Answer whoever asked, and on the issue that it is about."""
    await messages.send(connection, held.agent, str(held.data["asked_by"]), answer)
    if held.issue:
        number = int(held.issue.partition("#")[2])
        stream = await connection.fetchval(DISPATCH["find_issue"], held.repository, number)
        said = {"body": comments.answer(held.agent, str(held.data["asked_by"]), answer)}
        await write_effect(connection, Effect(f"answer:{held.id}", stream, stream, "comment", said))


async def _nothing(desk: Desk, held: Held, said: Any, summary: str) -> None:
    """It is over."""


async def _judged(desk: Desk, held: Held, said: Scores, summary: str) -> None:
    if set(said.scores) != set(CRITERIA):
        raise InvalidInput(f"judge: scores have to be for {', '.join(CRITERIA)}, and for nothing else.")
    event = e.WorkJudged(
        agent=held.agent,
        run=held.run,
        issue=held.issue,
        author=str(held.data.get("author", "")),
        head=str(held.data.get("head", "")),
        scores={name: one.score for name, one in said.scores.items()},
        reasons={name: one.reason for name, one in said.scores.items()},
        summary=summary,
    )
    now = desk.store.clock.now()
    judgement = Append(f"judgement-{held.id}", 0, [event], held.agent, now, correlation=held.issue)
    try:
        await desk.store.append(judgement)
    except Conflict:
        return  # it was said before, and only the answer got lost


async def _verified(desk: Desk, held: Held, said: Verification, summary: str) -> None:
    stream = await desk.dispatch.stream_of(held.issue)
    plan = msgspec.convert(held.data["plan"], Plan)
    told = c.RecordStep(held.data["step"], held.agent, said.passed, f"chore {held.id}", said.evidence, plan)
    await handle(desk.store, stream, told, held.agent, held.handle)


End = Callable[[Desk, Held, Any, str], Awaitable[None]]
ENDS: dict[str, tuple[type[_Result], End]] = {
    "chore": (Nothing, _nothing),
    "answer": (Answer, _nothing),
    "triage": (Filed, _nothing),
    "judge": (Scores, _judged),
    "deploy": (Verification, _verified),
}
