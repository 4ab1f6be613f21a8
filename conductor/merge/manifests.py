"""Which third-party dependencies a manifest declares, for the package managers that the rig knows; pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, cast
from xml.etree import ElementTree as ET

Table = dict[str, Any]
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(.*)", re.DOTALL)
_URL = re.compile(r"(?:[a-z][a-z0-9.]*\+)?[a-z][a-z0-9]*:(?://|[^/\s])", re.IGNORECASE)
_DEEP_KEY = re.compile(r"(?:\.[ \t]*[\w\"'-]+[ \t]*){50}")
_LOCAL = ("workspace:", "file:", "link:", "portal:", "./", "../", "/", "~/", ".\\", "..\\")


class Unreadable(Exception):
    """The manifest is not what its name says, or uses something that is not known here."""


def added(path: str, before: str | None, after: str | None) -> list[str]:
    """Third-party dependencies that `after` declares and `before` does not, sorted.

    A name counts once whatever its version; a dependency that now comes from elsewhere (a URL, a git repository,
    a fork) counts as another one. A file that is gone declares nothing.

    Raises:
        Unreadable: One of the two cannot be read.
    """
    return sorted(declared(path, after) - declared(path, before))


def is_manifest(path: str) -> bool:
    """Whether `path` is a file that declares dependencies."""
    return _reader(path) is not None


def declared(path: str, text: str | None) -> set[str]:
    """The third-party dependencies that the manifest declares.

    Raises:
        Unreadable: It cannot be read.
    """
    reader = _reader(path)
    if text is None or reader is None:
        return set()
    try:
        return {name for name in reader(text.removeprefix("\ufeff")) if name}
    except Unreadable:
        raise
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, ET.ParseError) as error:
        raise Unreadable(str(error)) from error


def _reader(path: str) -> Callable[[str], Iterable[str]] | None:
    parts = path.lower().split("/")
    for pattern, reader in READERS.items():
        if fnmatchcase("/".join(parts[-1 - pattern.count("/") :]), pattern):
            return reader
    return None


# Python


def _toml(text: str) -> Table:
    if _DEEP_KEY.search(text):  # the time that it takes grows with the square of a key's parts
        raise Unreadable("a key has too many parts")
    return tomllib.loads(text)


def _pyproject(text: str) -> Iterator[str]:
    data = _toml(text)
    project, tool = _table(data, "project"), _table(data, "tool")
    lists: list[Any] = [project.get("dependencies"), _table(data, "build-system").get("requires")]
    lists += [*_table(project, "optional-dependencies").values(), *_table(data, "dependency-groups").values()]
    for found in [*lists, *_tool_lists(tool)]:
        yield from (_requirement(line) for line in _strings(found))
    yield from _python_sources(tool)
    poetry = _table(tool, "poetry")
    groups = [_table(group, "dependencies") for group in _table(poetry, "group").values()]
    for table in (_table(poetry, "dependencies"), _table(poetry, "dev-dependencies"), *groups):
        yield from (_poetry(name, spec) for name, spec in table.items() if name.lower() != "python")


def _tool_lists(tool: Table) -> Iterator[Any]:
    """Requirements that tools keep for themselves."""
    yield from (_table(tool, "uv").get(f"{kind}-dependencies") for kind in ("dev", "override", "constraint"))
    yield from _table(_table(tool, "pdm"), "dev-dependencies").values()
    for environment in _table(_table(tool, "hatch"), "envs").values():
        yield from (_object(environment).get(name) for name in ("dependencies", "extra-dependencies"))


def _python_sources(tool: Table) -> Iterator[str]:
    """Where packages come from instead, and files that declare further ones."""
    uv, dynamic = _table(tool, "uv"), _table(_table(tool, "setuptools"), "dynamic")
    for name, spec in _table(uv, "sources").items():
        yield from (found for one in _list(spec) if " from " in (found := _poetry(name, one)))
    indexes = uv.get("index"), _table(tool, "poetry").get("source"), _table(tool, "pdm").get("source")
    for index in (one for found in indexes for one in _list(found)):
        yield f"packages of {_object(index).get('url')}"
    for told in (dynamic.get("dependencies"), *_table(dynamic, "optional-dependencies").values()):
        yield from (_included(str(file)) for file in _list(_object(told or {}).get("file")))


def _included(file: str) -> str:
    """A file with more requirements, unless it is looked at by itself."""
    return "" if is_manifest(file) and not _URL.match(file) else f"packages of {file}"


def _poetry(name: str, spec: Any) -> str:
    for one in cast(list[Any], spec) if isinstance(spec, list) else [spec]:
        if isinstance(one, dict):
            told = cast(Table, one)
            if "path" in told:
                return ""
            if source := told.get("git") or told.get("url"):
                return _from(_normal(name), str(source))
    return _normal(name)


def _requirement(line: str) -> str:
    """A requirement as PEP 508 writes it, without its version."""
    found = _NAME.fullmatch(line.partition(";")[0] if "://" not in line else line)
    if found is None:
        raise Unreadable(f"no requirement: {line[:60]}")
    name, rest = _normal(found[1]), found[3].strip()
    if rest.startswith("@"):
        return _from(name, rest[1:].partition(" ;")[0].strip())
    if rest and rest[0] not in "<>=!~(;":
        raise Unreadable(f"no requirement: {line[:60]}")
    return name


def _requirements(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    for raw in joined.splitlines():
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if line:
            yield _requirements_line(line)


def _requirements_line(line: str) -> str:
    option, value = [*re.split(r"[\s=]+", line, maxsplit=1), ""][:2] if line.startswith("-") else ("", line)
    match option:
        case "-r" | "--requirement" | "-c" | "--constraint":
            return _included(value)
        case "--no-binary" | "--only-binary" | "--hash" | "--pre" | "--prefer-binary":
            return ""
        case "--require-hashes" | "--no-index" | "--use-feature":
            return ""
        case "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" | "--trusted-host":
            return f"packages of {value}"
        case "-e" | "--editable":
            return "" if value.startswith((".", "/")) else _from("", value)
        case _ if option.startswith("-"):
            raise Unreadable(f"an unknown option: {line[:60]}")
        case _:
            return _plain(re.split(r"\s--(?:hash|config-settings|global-option)\b", line)[0].strip())


def _plain(line: str) -> str:
    if line.startswith(_LOCAL) or line == ".":
        return ""
    return _from("", line) if _URL.match(line) else _requirement(line)


# JavaScript


def _package_json(text: str) -> Iterator[str]:
    data = _object(json.loads(text))
    for key in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        yield from (_npm(name, str(spec)) for name, spec in _object(data.get(key) or {}).items())
    pnpm = _object(data.get("pnpm") or {})
    for place in (data.get("overrides"), data.get("resolutions"), pnpm.get("overrides")):
        yield from (found for name, spec in _overrides(place or {}) if " from " in (found := _npm(name, spec)))


def _npm(name: str, wanted: str) -> str:
    if wanted.startswith(_LOCAL):
        return ""
    elsewhere = _URL.match(wanted) or ("/" in wanted and not wanted.startswith("@"))
    return _from(name, wanted) if elsewhere else name


def _overrides(table: Any) -> Iterator[tuple[str, str]]:
    """Other versions of what is depended on anyway, which may stand below who depends on it."""
    for name, spec in _object(table).items():
        yield from _overrides(spec) if isinstance(spec, dict) else [(name, str(spec))]


# .NET


_REFERENCES = (
    "packagereference", "packageversion", "globalpackagereference", "dotnetclitoolreference", "packagedownload",
)  # fmt: skip
_OWN_SDKS = ("microsoft.", "aspire.")


def _msbuild(text: str) -> Iterator[str]:
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise Unreadable("it declares entities")
    for element in ET.fromstring(text).iter():  # noqa: S314 - without entities there is nothing to expand
        tag = str(element.tag).rpartition("}")[2].lower()  # names of items have no case
        named = (element.get("Include") or element.get("Update") or "") if tag in _REFERENCES else ""
        sdks = element.get("Sdk") or (element.get("Name") if tag == "sdk" else "") or ""
        yield from (name.strip().lower() for name in named.split(";"))
        wanted = [sdk.partition("/")[0].strip().lower() for sdk in sdks.split(";")]
        yield from (f"the SDK {sdk}" for sdk in wanted if sdk and not sdk.startswith(_OWN_SDKS))


# Go


def _go_mod(text: str) -> Iterator[str]:
    block = ""
    for raw in text.splitlines():
        line = raw.partition("//")[0].strip() if not raw.strip().startswith("//") else ""
        if not line:
            continue
        if block and line == ")":
            block = ""
            continue
        directive, _, rest = (block, "", line) if block else line.partition(" ")
        if not block and rest.strip() == "(":
            block = directive
            continue
        yield _go_line(directive, rest.strip())


def _go_line(directive: str, rest: str) -> str:
    match directive:
        case "require":
            return rest.split()[0].strip('"`')
        case "replace":
            target = rest.partition("=>")[2].split()[0].strip('"`')
            return "" if target.startswith(_LOCAL) else target
        case "module" | "go" | "toolchain" | "exclude" | "retract" | "tool" | "godebug" | "ignore":
            return ""
        case _:
            raise Unreadable(f"an unknown directive: {directive[:40]}")


# Rust


def _cargo(text: str) -> Iterator[str]:
    data = _toml(text)
    places = [data, _table(data, "workspace"), *(_object(t) for t in _table(data, "target").values())]
    for place in places:
        for kind in ("", "dev-", "build-", "dev_", "build_"):
            yield from (_crate(name, spec) for name, spec in _table(place, f"{kind}dependencies").items())
    for source in (*_table(data, "patch").values(), _table(data, "replace")):
        yield from (_crate(name, spec) for name, spec in _object(source).items())


def _crate(name: str, spec: Any) -> str:
    told = cast(Table, spec) if isinstance(spec, dict) else {}
    real = str(told.get("package") or name).replace("_", "-").lower()
    if told.get("workspace") is True or ("path" in told and "git" not in told and "version" not in told):
        return ""
    source = told.get("git") or told.get("registry")
    return _from(real, str(source)) if source else real


# Common


def _table(data: Any, name: str) -> Table:
    found = _object(data).get(name)
    return {} if found is None else _object(found)


def _object(value: Any) -> Table:
    if not isinstance(value, dict):
        raise Unreadable("a table was expected")
    return cast(Table, value)


def _list(value: Any) -> list[Any]:
    """What may stand alone or in a list, or not at all."""
    if value is None:
        return []
    return cast(list[Any], value) if isinstance(value, list) else [value]


def _strings(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable("a list was expected")
    return [item for item in cast(list[Any], value) if isinstance(item, str)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _from(name: str, source: str) -> str:
    """A dependency that comes from elsewhere than the registry, whatever its revision."""
    place = re.split(r"[#?]", source, maxsplit=1)[0].strip()
    head, at, tail = place.rpartition("@")
    place = head if at and head and "/" not in tail and ":" not in tail else place
    return f"{name} from {place}".strip()


READERS: dict[str, Callable[[str], Iterable[str]]] = {
    "pyproject.toml": _pyproject,
    "requirements*.txt": _requirements,
    "*-requirements.txt": _requirements,
    "*.requirements.txt": _requirements,
    "requirements/*.txt": _requirements,
    "package.json": _package_json,
    "*.csproj": _msbuild,
    "*.fsproj": _msbuild,
    "*.vbproj": _msbuild,
    "directory.packages.props": _msbuild,
    "directory.build.props": _msbuild,
    "directory.build.targets": _msbuild,
    "go.mod": _go_mod,
    "cargo.toml": _cargo,
}
PATTERNS = sorted(READERS)
