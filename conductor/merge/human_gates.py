"""What in a change only a person may let through: paths, words on added lines and new dependencies; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from conductor.merge import manifests
from conductor.merge.patterns import first_match, first_word, is_odd
from conductor.merge.policy import Policy, Topic
from conductor.merge.snapshot import Change, Changes, Content

MOST = 40
UNREAD = "unread"
DEPENDENCY = "new_dependency"


@dataclass(frozen=True)
class Trigger:
    """One thing that a person has to decide on.

    Attributes:
        says: A sentence for people, without `A person has to approve`.
        evidence: Digests of what it is about; a decision holds as long as nothing else turns up.
    """

    category: str
    path: str
    says: str
    evidence: tuple[str, ...]


def triggers(changes: Changes, policy: Policy) -> list[Trigger]:
    """Everything in `changes` that `policy` leaves to a person, in the order of the files."""
    found = [trigger for file in changes.files for trigger in _of_file(file, policy)]
    if policy.new_dependencies:
        found += _dependencies(changes)
    if not changes.complete:
        digest = _digest(UNREAD, "", "".join(sorted(_identity(file) for file in changes.files)))
        found.append(Trigger(UNREAD, "", "It changes more files than the rig can read.", (digest,)))
    return _few(found)


def _few(found: list[Trigger]) -> list[Trigger]:
    """At most `MOST`, of which the last stands for all that are left."""
    if len(found) <= MOST:
        return found
    shown, rest = found[: MOST - 1], found[MOST - 1 :]
    together = _digest("rest", "", "".join(digest for trigger in rest for digest in trigger.evidence))
    return [*shown, Trigger(UNREAD, "", f"There are {len(rest)} more changes like these.", (together,))]


def _of_file(file: Change, policy: Policy) -> Iterator[Trigger]:
    quiet = all(first_match(policy.not_code, path) for path in _paths(file))
    code = _code(file)
    for name, topics in policy.topics.items():
        topics_here = [topic for topic in topics if topic.everywhere or not quiet]
        if why := _why(file, code, topics_here):
            yield Trigger(
                name, file.path, f"`{shown(file.path)}` {why}.", (_digest(name, file.path, _identity(file)),)
            )
    if any(is_odd(path) for path in _paths(file)):
        digest = _digest(UNREAD, file.path, _identity(file))
        yield Trigger(UNREAD, file.path, f"`{shown(file.path)}` has an odd path, too long or too deep.", (digest,))
    elif not quiet and file.patch is None and file.additions > 0:
        yield Trigger(
            UNREAD,
            file.path,
            f"`{shown(file.path)}` changes too much for GitHub to show it.",
            (_digest(UNREAD, file.path, _identity(file)),),
        )


def _why(file: Change, code: str, topics: Sequence[Topic]) -> str | None:
    for topic in topics:
        for path in _paths(file):
            if pattern := first_match(topic.paths, path):
                return f"{topic.says} (path `{pattern}`)"
    for topic in topics:
        if word := first_word(topic.keywords, code):
            return f"{topic.says} (it adds `{word}`)"
    return None


def _code(file: Change) -> str:
    """The lines that the change adds, in lower case, without comments that have a line to themselves."""
    marker = _MARKERS.get(file.path.rpartition(".")[2].lower())
    lines = added_lines(file.patch or "")
    code = "\n".join(line for line in lines if marker is None or not line.lstrip().startswith(marker))
    return normalize("NFKC", code).lower()  # Python takes letters of full width for the plain ones


def added_lines(patch: str) -> list[str]:
    """The lines that a patch of GitHub adds; it has hunks only, no headers of files.

    What GitHub shows as one line may be several to a compiler.
    """
    return [line for shown in patch.split("\n") if shown.startswith("+") for line in shown[1:].splitlines()]


_COMMENTS = {
    "#": ("py", "rb", "sh", "bash", "yaml", "yml", "toml", "pl", "r", "tf", "ex", "exs"),
    "//": ("c", "h", "cc", "cpp", "cs", "java", "js", "jsx", "ts", "tsx", "go", "rs", "swift", "kt", "scala", "php"),
    "--": ("sql", "lua", "hs"),
}
_MARKERS = {suffix: marker for marker, suffixes in _COMMENTS.items() for suffix in suffixes}


def _dependencies(changes: Changes) -> Iterator[Trigger]:
    known: dict[str, set[str]] = {}
    for content in changes.contents:
        known.setdefault(_family(content.path), set()).update(_before(content))
    seen = {content.path for content in changes.contents}
    for content in changes.contents:
        yield from _of_manifest(content, known[_family(content.path)])
    for file in changes.files:
        if manifests.is_manifest(file.path) and file.path not in seen and file.status != "removed":
            yield _unreadable(file.path, _identity(file))


def _before(content: Content) -> set[str]:
    try:
        return manifests.declared(content.previous_path or content.path, content.before)
    except manifests.Unreadable:
        return set()


def _of_manifest(content: Content, known: set[str]) -> Iterator[Trigger]:
    text = content.after or ""
    if not content.readable:
        yield _unreadable(content.path, content.path + text)
        return
    try:
        new = sorted(manifests.declared(content.path, content.after) - known)
    except manifests.Unreadable:
        yield _unreadable(content.path, text)
        return
    if new:
        names = ", ".join(f"`{shown(name)}`" for name in new[:10]) + (" and others" if len(new) > 10 else "")
        noun = "dependency" if len(new) == 1 else "dependencies"
        digests = tuple(_digest(DEPENDENCY, _family(content.path), name) for name in new)
        yield Trigger(DEPENDENCY, content.path, f"`{shown(content.path)}` adds the {noun} {names}.", digests)


def _unreadable(path: str, identity: str) -> Trigger:
    says = f"`{shown(path)}` declares dependencies and could not be read."
    return Trigger(DEPENDENCY, path, says, (_digest(DEPENDENCY, path, identity),))


def _family(path: str) -> str:
    """Manifests among which a dependency may move without being new."""
    name = path.rpartition("/")[2].lower()
    if name == "pyproject.toml" or name.endswith(".txt"):
        return "python"
    return name if name in ("package.json", "go.mod", "cargo.toml") else "dotnet"


def _paths(file: Change) -> list[str]:
    return [file.path, file.previous_path] if file.previous_path else [file.path]


def _identity(file: Change) -> str:
    """What changed in a file, wherever in it that is."""
    lines = [line for line in (file.patch or file.blob).split("\n") if line.startswith(("+", "-")) or not file.patch]
    return "\n".join([file.status, *_paths(file), *lines])


def _digest(category: str, path: str, identity: str) -> str:
    return hashlib.sha256(f"{category}\0{path}\0{identity}".encode("utf-8", "replace")).hexdigest()[:16]


def shown(text: str) -> str:
    """A path or a name as it may stand in Markdown between backticks."""
    clean = re.sub(r"[^\w./@+ :=~-]", "?", text)
    return clean if len(clean) <= 120 else f"…{clean[-119:]}"
