"""GitHub's published schemas, from npm: what the double says is held against them."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

MODULES = Path(__file__).parents[1] / "node_modules" / "@octokit"
VERSION, EVENTS = "ghes-3.19", "api.github.com"
Json = dict[str, Any]


def text_of(path: str) -> str:
    """A file of an npm package; without it the test is skipped, and fails under `CI=true`."""
    file = MODULES / path
    if file.exists():
        return file.read_text()
    reason = "GitHub's schemas are missing: `npm ci --prefix tests/doubles` installs them."
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def plain_schema(value: Any) -> Any:
    """OpenAPI's `nullable` in the words of JSON Schema."""
    if isinstance(value, list):
        return [plain_schema(each) for each in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    schema = {k: plain_schema(v) for k, v in cast(Json, value).items() if k not in ("example", "examples")}
    if schema.pop("nullable", False) is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


class Published:
    """One OpenAPI document as validators."""

    def __init__(self, path: str) -> None:
        self.document: Json = plain_schema(json.loads(text_of(path)))
        resource = Resource(contents=self.document, specification=DRAFT202012)
        self.registry: Any = Registry().with_resource("urn:github", resource)  # type: ignore[call-arg]

    def check(self, instance: Any, pointer: str, where: str) -> None:
        """Fail with the most telling error, where the instance is not what the schema says."""
        validator = Draft202012Validator({"$ref": f"urn:github#{pointer}"}, registry=self.registry)
        found = [leaf for error in validator.iter_errors(instance) for leaf in leaves(error)]  # pyright: ignore[reportUnknownMemberType]
        # GitHub lists alternatives that do not exclude each other: one error body is often several of them.
        errors = [error for error in found if "is valid under each of" not in error.message]
        if errors:
            deepest = sorted(errors, key=lambda e: -len(e.absolute_path))
            told = [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in deepest[:8]]
            raise AssertionError(f"{where} differs from GitHub's schema:\n" + "\n".join(told))


def leaves(error: ValidationError) -> list[ValidationError]:
    inner = error.context or []
    return [leaf for each in inner for leaf in leaves(each)] if inner else [error]


def escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


class RestSchemas(Published):
    def __init__(self) -> None:
        super().__init__(f"openapi/generated/{VERSION}.json")
        self.paths = [(re.compile(pattern(path)), path) for path in self.document["paths"]]

    def operation(self, method: str, path: str) -> str | None:
        """The published path that a request hits; the one with the fewest variables wins."""
        hits = [name for expression, name in self.paths if expression.fullmatch(path)]
        fitting = [name for name in hits if method.lower() in self.document["paths"][name]]
        return min(fitting, key=lambda name: (name.count("{"), -len(name)), default=None)

    def check_answer(self, method: str, path: str, status: int, body: Any) -> None:
        where = f"{method} {path} → {status}"
        name = self.operation(method, path)
        assert name, f"{where}: GitHub has no such operation"
        responses: Json = self.document["paths"][name][method.lower()]["responses"]
        response = responses.get(str(status))
        assert response is not None or status >= 400, f"{where}: GitHub does not answer so, but {list(responses)}"
        pointer = f"/paths/{escape(name)}/{method.lower()}/responses/{status}"
        if response is None:
            return
        if "$ref" in response:
            pointer = cast(str, response["$ref"]).removeprefix("#")
            response = self.document["components"]["responses"][pointer.rsplit("/", 1)[-1]]
        for media in response.get("content", {}):
            if "json" in media and "star" not in media:
                self.check(body, f"{pointer}/content/{escape(media)}/schema", where)
                return


def pattern(path: str) -> str:
    """A published path as an expression; files, refs and ranges may contain slashes."""
    wide = re.sub(r"\\\{(path|ref|branch|basehead)\\\}", ".*", re.escape(path))
    return re.sub(r"\\\{\w+\\\}", "[^/]+", wide)


class WebhookSchemas(Published):
    def __init__(self) -> None:
        super().__init__(f"openapi-webhooks/generated/{EVENTS}.json")

    def check_payloads(self, payloads: list[tuple[str, Json]]) -> None:
        """Fail once, with what differs in every kind of payload."""
        told: dict[str, None] = {}
        for event, payload in payloads:
            try:
                self.check_payload(event, payload)
            except AssertionError as problem:
                told[str(problem)] = None
        assert not told, "\n".join(told)

    def check_payload(self, event: str, payload: Json) -> None:
        action = payload.get("action")
        name = "-".join(filter(None, (event, action))).replace("_", "-")
        assert name in self.document["webhooks"], f"GitHub sends no {name}"
        reference = self.document["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["schema"]
        self.check(payload, reference["$ref"].removeprefix("#"), f"webhook {name}")


@functools.cache
def rest_schemas() -> RestSchemas:
    return RestSchemas()


@functools.cache
def webhook_schemas() -> WebhookSchemas:
    return WebhookSchemas()
