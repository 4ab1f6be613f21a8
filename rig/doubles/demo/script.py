"""The scripted model of the demo: finds the assignment and the role in the request and plays its part."""

from __future__ import annotations

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import Play, Turn, UnexpectedInput, replay
from rig.doubles.demo import assignment, dev, support
from rig.doubles.demo.assignment import Assignment
from rig.doubles.demo.review import review


def play(request: MessagesRequest) -> Turn:
    if support.QUESTION.search(request.opening):
        return replay(request, support.answer())
    request = request.since(assignment.HEADING)
    task = assignment.read(request.opening)
    return replay(request, part(task, request.tool_names))


def part(task: Assignment, offered: list[str]) -> Play:
    match task.kind:
        case "implement":
            return dev.implement(task)
        case "rework":
            return dev.rework(task)
        case "review":
            return review(task, offered)
        case kind:
            raise UnexpectedInput("an assignment to implement, rework or review", kind)
