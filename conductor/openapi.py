"""The OpenAPI document of the REST routes, made from the schemas of the tools behind them (OpenAPI 3.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

from mcp.types import Tool

Schema = dict[str, Any]
REFUSALS = {
    "400": "The request cannot be understood.",
    "401": "There is no token, or it does not verify.",
    "403": "The role, the token or the claim does not allow it.",
    "404": "The rig does not know it.",
    "409": "The claim is over, or the world moved.",
    "413": "The body is too large.",
    "422": "A field is wrong; the message names it.",
    "429": "Too much was asked; try again later.",
    "500": "The server failed; its log says why.",
    "503": "Something the rig needs is away; try again later.",
}
_AGENT: Schema = {"type": "string", "description": "Who asks; must be the token's subject"}
_NAME: Schema = {"type": "string", "pattern": r"^[\w.-]+$"}
_PATH: dict[str, Schema] = {"owner": _NAME, "repo": _NAME, "number": {"type": "string", "pattern": r"^[0-9]{1,9}$"}}


class Door(Protocol):
    """What the document needs to know of a route."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def tool(self) -> str: ...
    @property
    def names(self) -> Mapping[str, str]: ...
    @property
    def rest(self) -> str | None: ...


def document(doors: Sequence[Door], tools: Iterable[Tool]) -> Schema:
    """The whole document.

    Args:
        doors: The routes.
        tools: The tools that they call, with their schemas.
    """
    by_name = {tool.name: tool for tool in tools}
    components: dict[str, Schema] = {"Refusal": _object({"error": {"type": "string"}, "message": {"type": "string"}})}
    paths: dict[str, Schema] = {}
    for door in doors:
        paths.setdefault(door.path, {})[door.method.lower()] = _operation(door, by_name[door.tool], components)
    return {
        "openapi": "3.1.1",
        "info": {"title": "The rig's conductor", "version": version("engineering-rig")},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(door: Door, tool: Tool, components: dict[str, Schema]) -> Schema:
    refusal: Schema = {"$ref": "#/components/schemas/Refusal"}
    refusals = {status: _answer(words, refusal) for status, words in REFUSALS.items()}
    return {
        "operationId": re.sub(r"\W+", "_", f"{door.method.lower()}{door.path}").strip("_"),
        "summary": (tool.description or "").partition("\n")[0],
        "description": tool.description or "",
        **_request(door, _lifted(tool.input_schema, components)),
        "responses": _answers(tool, components) | refusals,
    }


def _request(door: Door, arguments: Schema) -> Schema:
    fields = {name: arguments["properties"][to] for name, to in door.names.items()} | {"agentId": _AGENT}
    if "{owner}" in door.path:
        return _parameters("path", _PATH)
    if door.method == "GET":
        return _parameters("query", fields)
    needed = {name for name, to in door.names.items() if name == to and to in arguments.get("required", [])}
    return _body(door, fields, needed)


def _parameters(place: str, fields: Mapping[str, Schema]) -> Schema:
    shared = {"in": place, "required": place == "path"}
    return {"parameters": [{"name": name, "schema": _plain(schema), **shared} for name, schema in fields.items()]}


def _plain(schema: Schema) -> Schema:
    """Without null, which a query cannot say."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if not choices:
        return schema
    return choices[0] | {key: schema[key] for key in ("description", "title") if key in schema}


def _body(door: Door, fields: Mapping[str, Schema], needed: set[str]) -> Schema:
    schema = _object(dict(fields), sorted(needed))
    if door.rest:
        schema["description"] = f"Fields beside these are taken as fields of `{door.rest}`."
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _answers(tool: Tool, components: dict[str, Schema]) -> Schema:
    schema = _lifted(tool.output_schema or {}, components)
    properties = schema.get("properties", {})
    if "assignment" in properties:
        none = {"204": {"description": "There is no work."}}
        return {"200": _answer("The work, which is the caller's now.", _plain(properties["assignment"])), **none}
    return {"200": _answer("Done.", properties["result"] if list(properties) == ["result"] else schema)}


def _answer(words: str, schema: Schema) -> Schema:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _object(properties: Schema, required: Sequence[str] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _lifted(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The schema with its definitions moved to where the document's are."""
    moved = _moved(schema)
    components.update(moved.pop("$defs", {}))
    return moved


def _moved(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _moved(value) for key, value in node.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(node, list):
        return [_moved(item) for item in node]  # pyright: ignore[reportUnknownVariableType]
    return node.replace("#/$defs/", "#/components/schemas/") if isinstance(node, str) else node
