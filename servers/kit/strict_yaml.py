"""YAML that people write and a strict model reads: every mistake is named with its file, line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError
from yaml.reader import ReaderError

from servers.kit.errors import InvalidInput

Model = TypeVar("Model", bound=BaseModel)
_UNION_MEMBER = re.compile(r"function-.*|\[key\]|literal\[.*")


def read(text: str, source: str, what: str, aliases: bool = True) -> tuple[yaml.Node, dict[str, Any]]:
    """The mapping that `text` holds, with the tree that knows its lines.

    Args:
        source: File name for messages.
        what: What the file describes, as in "a character".
        aliases: Whether anchors and aliases are allowed; in files of strangers they only serve to grow.

    Raises:
        InvalidInput: It is not valid YAML, no mapping, or a key stands twice.
    """
    try:
        loader: Any = yaml.SafeLoader(text)
        node = cast("yaml.Node | None", loader.get_single_node())
        _refuse_repeats(node, source, aliases)
        data: Any = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        raise InvalidInput(f"{source}:{_line_of_error(error, text)}: not valid YAML: {_problem_of(error)}") from error
    except RecursionError as error:
        raise InvalidInput(f"{source}:1: nested too deeply.") from error
    except (ValueError, OverflowError) as error:  # such as a date that no calendar has
        raise InvalidInput(f"{source}:1: not valid YAML: {error}") from error
    if node is None or not isinstance(data, dict):
        raise InvalidInput(f"{source}:1: {what} is a mapping of keys to values.")
    return node, cast(dict[str, Any], data)


def validate(
    model: type[Model],
    data: Mapping[str, Any],
    node: yaml.Node,
    source: str,
    whole: str,
    below: Sequence[str] = (),
    hidden: str = "$^",
) -> Model:
    """The model of what `read` found.

    Args:
        whole: What a mistake is said of that belongs to no key.
        below: Keys under which the model's own ones stand in the file.
        hidden: Pattern of location parts that are pydantic's names and no keys of the file.

    Raises:
        InvalidInput: Every mistake, each as `file:line: key: what is wrong`, in the order of the lines.
    """
    try:
        return model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        places = [
            _problem(source, node, problem, whole, below, hidden)
            for problem in error.errors(include_url=False, include_input=False)
        ]
    said = [said for _, said in sorted(places, key=lambda one: one[0])]
    raise InvalidInput("\n".join(dict.fromkeys(said)))


def _line_of_error(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, ReaderError):
        return text.count("\n", 0, error.position) + 1
    mark = cast("yaml.Mark | None", getattr(error, "problem_mark", None))
    return mark.line + 1 if mark else 1


def _problem_of(error: yaml.YAMLError) -> str:
    return " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split())


def _problem(
    source: str, node: yaml.Node, problem: Any, whole: str, below: Sequence[str], hidden: str
) -> tuple[int, str]:
    """Its line, and what is said of it."""
    # pydantic names the members of a union in the location; they are not keys of the file
    parts = [str(part) for part in problem["loc"]]
    path = [part for part in parts if not _UNION_MEMBER.fullmatch(part) and not re.fullmatch(hidden, part)]
    line = line_of(node, [*below, *path])
    what = "unknown key" if problem["type"] == "extra_forbidden" else str(problem["msg"])
    return line, f"{source}:{line}: {'.'.join(path) or whole}: {what}"


def line_of(node: yaml.Node, path: Sequence[str]) -> int:
    """The line of the key at `path`, or of the deepest part of it that exists."""
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = _entry(node, part)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
    return line + 1


def _entry(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    merged: list[yaml.Node] = []
    for name, value in node.value:
        if name.value == key:
            return name, value
        if name.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    found = (_entry(base, key) for base in merged if isinstance(base, yaml.MappingNode) and base is not node)
    return next((entry for entry in found if entry), None)


def _refuse_repeats(root: yaml.Node | None, source: str, aliases: bool) -> None:
    waiting, seen = [root] if root else [], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias; it may even stand within its own anchor
            if not aliases:
                line = node.start_mark.line + 1
                raise InvalidInput(f"{source}:{line}: anchors and aliases are not used here. Write it out.")
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated_key(node, source)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_repeated_key(node: yaml.MappingNode, source: str) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        if isinstance(key.value, str) and key.value in names:
            raise InvalidInput(f"{source}:{key.start_mark.line + 1}: {key.value}: the key stands twice")
        if isinstance(key.value, str):
            names.add(key.value)
