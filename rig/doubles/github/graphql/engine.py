"""Executing a document over resolvers: one function for each field of each type."""

from __future__ import annotations

import base64
import binascii
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from rig.doubles.github.auth import Viewer
from rig.doubles.github.errors import Refused
from rig.doubles.github.graphql.language import (
    Directive,
    Document,
    Field,
    Operation,
    Selection,
    Spread,
    SyntaxProblem,
    Variable,
    parse,
)
from rig.doubles.github.model import Json
from rig.doubles.github.state import World


@dataclass(frozen=True)
class Node:
    """An object of a type, for its fields to be read from."""

    type: str
    source: Any


@dataclass
class Context:
    world: World
    viewer: Viewer


class Failed(Exception):
    """An error at one field: the field is null and the error says why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Undefined(Exception):
    """The document asks for what the schema does not have: nothing is executed."""


Resolver = Callable[[Context, Any, Json], Any]
FIELDS: dict[str, dict[str, Resolver]] = {}
ARGUMENTS: dict[tuple[str, str], tuple[str, ...]] = {}
INTERFACES: dict[str, tuple[str, ...]] = {
    "User": ("Actor", "Node", "RepositoryOwner"),
    "Bot": ("Actor", "Node"),
    "Organization": ("Actor", "Node", "RepositoryOwner"),
    "PullRequest": ("Node", "Labelable", "Closable"),
    "Issue": ("Node", "Labelable", "Closable"),
    "CheckRun": ("Node", "RequirableByPullRequest", "StatusCheckRollupContext"),
    "StatusContext": ("Node", "RequirableByPullRequest", "StatusCheckRollupContext"),
    "Commit": ("Node", "GitObject"),
}
PAGING = ("first", "last", "after", "before")


def resolves(type_name: str, name: str, *arguments: str) -> Callable[[Resolver], Resolver]:
    def register(resolver: Resolver) -> Resolver:
        FIELDS.setdefault(type_name, {})[name] = resolver
        ARGUMENTS[type_name, name] = arguments
        return resolver

    return register


def plain(type_name: str, **fields: Callable[[Any], Any]) -> None:
    """Fields that only need the object itself."""

    def bind(read: Callable[[Any], Any]) -> Resolver:
        return lambda context, source, arguments: read(source)

    for name, read in fields.items():
        resolves(type_name, name)(bind(read))


def connection(type_name: str, nodes: Sequence[Node], arguments: Json) -> Node:
    """One page of a list, the way GitHub cuts it."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is None and last is None:
        raise Failed(
            "MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate."
        )
    if max(first or 0, last or 0) > 100:
        raise Failed("EXCESSIVE_PAGINATION", "Requesting more than 100 records exceeds the `first` limit.")
    start = _offset(arguments.get("after"), 0)
    stop = _offset(arguments.get("before"), len(nodes) + 1) - 1
    if first is not None:
        stop = min(stop, start + first)
    elif last is not None:
        start = max(start, stop - last)
    return Node(type_name, Page(list(nodes), start, max(stop, start)))


@dataclass(frozen=True)
class Page:
    nodes: list[Node]
    start: int
    stop: int

    @property
    def shown(self) -> list[Node]:
        return self.nodes[self.start : self.stop]

    def cursor(self, position: int) -> str:
        return base64.b64encode(f"cursor:{position + 1}".encode()).decode()


def _offset(cursor: str | None, default: int) -> int:
    if not cursor:
        return default
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("cursor:"))
    except (binascii.Error, ValueError):
        raise Failed("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.") from None


def page_field(page: Page, name: str) -> Any:
    """Fields that every connection has."""
    match name:
        case "nodes":
            return page.shown
        case "edges":
            return [Node("Edge", (page.cursor(page.start + i), node)) for i, node in enumerate(page.shown)]
        case "totalCount":
            return len(page.nodes)
        case "pageInfo":
            return Node("PageInfo", page)
        case _:
            raise Undefined(f"Field '{name}' doesn't exist on this connection")


plain("Edge", cursor=lambda edge: edge[0], node=lambda edge: edge[1])
plain(
    "PageInfo",
    hasNextPage=lambda page: page.stop < len(page.nodes),
    hasPreviousPage=lambda page: page.start > 0,
    startCursor=lambda page: page.cursor(page.start) if page.shown else None,
    endCursor=lambda page: page.cursor(page.stop - 1) if page.shown else None,
)


@dataclass
class Run:
    context: Context
    document: Document
    variables: Json
    errors: list[Json] = field(default_factory=list[Json])

    async def execute(self, operation: Operation) -> Json:
        root = Node("Query" if operation.kind == "query" else "Mutation", None)
        return await self.object(root, operation.selections, [])

    async def object(self, node: Node, selections: list[Selection], path: list[str | int]) -> Json:
        answer: Json = {}
        for wanted in self.collect(node.type, selections):
            answer[wanted.alias] = await self.value(node, wanted, [*path, wanted.alias])
        return answer

    def collect(self, type_name: str, selections: list[Selection]) -> list[Field]:
        """The fields that apply to this type; the same field asked for twice is merged."""
        found: dict[str, Field] = {}
        for selection in selections:
            if not all(self.included(directive) for directive in selection.directives):
                continue
            for each in [selection] if isinstance(selection, Field) else self.spread(type_name, selection):
                known = found.get(each.alias)
                merged = [*known.selections, *each.selections] if known else each.selections
                found[each.alias] = Field(each.name, each.alias, each.arguments, [], merged)
        return list(found.values())

    def spread(self, type_name: str, spread: Spread) -> list[Field]:
        if spread.fragment is not None:
            if spread.fragment not in self.document.fragments:
                raise Undefined(f"Fragment {spread.fragment} was used, but not defined")
            spread = self.document.fragments[spread.fragment]
        applies = spread.on_type in (None, type_name) or spread.on_type in INTERFACES.get(type_name, ())
        return self.collect(type_name, spread.selections) if applies else []

    def included(self, directive: Directive) -> bool:
        condition = bool(self.known(directive.arguments.get("if")))
        return condition if directive.name == "include" else not condition

    def known(self, value: Any) -> Any:
        """A value with its variables filled in."""
        if isinstance(value, Variable):
            if value.name not in self.variables:
                raise Undefined(f"Variable ${value.name} is used but not declared")
            return self.variables[value.name]
        if isinstance(value, list):
            return [self.known(each) for each in cast(list[Any], value)]
        if isinstance(value, dict):
            return {name: self.known(each) for name, each in cast(Json, value).items()}
        return value

    async def value(self, node: Node, wanted: Field, path: list[str | int]) -> Any:
        if wanted.name == "__typename":
            return node.type
        try:
            found = self.resolve(node, wanted)
            if inspect.isawaitable(found):
                found = await found
        except (Failed, Refused) as problem:
            kind = problem.kind if isinstance(problem, Failed) else _kind(problem)
            self.errors.append({"type": kind, "path": path, "message": str(problem)})
            return None
        return await self.complete(found, wanted, node.type, path)

    def resolve(self, node: Node, wanted: Field) -> Any:
        resolver = FIELDS.get(node.type, {}).get(wanted.name)
        if resolver is None and isinstance(node.source, Page):
            return page_field(node.source, wanted.name)
        if resolver is None:
            raise Undefined(f"Field '{wanted.name}' doesn't exist on type '{node.type}'")
        accepted = ARGUMENTS[node.type, wanted.name]
        for name in wanted.arguments:
            if name not in accepted:
                raise Undefined(f"Field '{wanted.name}' doesn't accept argument '{name}'")
        arguments = {name: self.known(value) for name, value in wanted.arguments.items()}
        return resolver(self.context, node.source, arguments)

    async def complete(self, found: Any, wanted: Field, type_name: str, path: list[str | int]) -> Any:
        if isinstance(found, list):
            items = cast(list[Any], found)
            return [await self.complete(e, wanted, type_name, [*path, i]) for i, e in enumerate(items)]
        if isinstance(found, Node):
            if not wanted.selections:
                raise Undefined(f"Field must have selections (field '{wanted.name}' returns {found.type})")
            return await self.object(found, wanted.selections, path)
        if wanted.selections and found is not None:
            raise Undefined(f"Selections can't be made on scalars (field '{wanted.name}' on type '{type_name}')")
        return found


def _kind(problem: Refused) -> str:
    return {401: "FORBIDDEN", 403: "FORBIDDEN", 404: "NOT_FOUND"}.get(problem.status, "UNPROCESSABLE")


async def execute(world: World, viewer: Viewer, body: Json) -> Json:
    """Answer a GraphQL request with data, errors, or both."""
    try:
        document = parse(str(body.get("query") or ""))
        operation = _operation(document, body.get("operationName"))
        run = Run(Context(world, viewer), document, _variables(operation, body.get("variables") or {}))
        data = await run.execute(operation)
    except (SyntaxProblem, Undefined, RecursionError) as problem:
        return {"errors": [{"message": str(problem) or "The query is nested too deeply"}]}
    return {"data": data} | ({"errors": run.errors} if run.errors else {})


def _operation(document: Document, name: str | None) -> Operation:
    for operation in document.operations:
        if name is None or operation.name == name:
            return operation
    raise Undefined("No operation was found in the query")


def _variables(operation: Operation, given: Json) -> Json:
    missing = [name for name in operation.required if given.get(name) is None]
    if missing:
        raise Undefined(f"Variable ${missing[0]} was provided invalid value: Expected value to not be null")
    return operation.defaults | {name: given[name] for name in operation.defaults if name in given}
