"""What a merge needs and what only a person may let through: data, with defaults that a repository extends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from servers.kit.repository import RepositoryPolicy

FILE = Path(__file__).with_name("policy.yaml")
OFF = "off"


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of change that a person decides on.

    Attributes:
        says: What such a change does, as in "changes payments".
        paths: Patterns as in CODEOWNERS, compared without regard to case.
        keywords: Whole words or phrases on lines that the change adds.
        everywhere: It also looks into tests, documents and lock files.
    """

    says: str
    paths: list[str] = []
    keywords: list[str] = []
    everywhere: bool = False


class _Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topics: dict[str, Topic]
    not_code: list[str]


@cache
def _defaults() -> _Defaults:
    return msgspec.yaml.decode(FILE.read_bytes(), type=_Defaults)


def _topics() -> dict[str, list[Topic]]:
    return {name: [topic] for name, topic in _defaults().topics.items()}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge needs; labels by name, compared without regard to case.

    Attributes:
        topics: By name what the rig knows and what the repository adds.
        not_code: Where built-in topics do not look: tests, documents, lock files.
        new_dependencies: Whether a person decides on a new third-party dependency.
    """

    hold_labels: list[str] = msgspec.field(default_factory=lambda: ["do-not-merge"])
    manual_labels: list[str] = msgspec.field(default_factory=lambda: ["manual-merge"])
    code_owners: Literal["required", "ignore"] = "required"
    topics: dict[str, list[Topic]] = msgspec.field(default_factory=_topics)
    not_code: list[str] = msgspec.field(default_factory=lambda: _defaults().not_code)
    new_dependencies: bool = True

    @property
    def digest(self) -> str:
        """Stands in the gate's events, so that a verdict names the policy it was made under."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:12]


def of_repository(asked: RepositoryPolicy) -> Policy:
    """The built-in policy with what a repository's `.rig-agent.yaml` says.

    A repository adds patterns and words to a topic, or topics of its own. The word `off` among the patterns or the
    words of a topic drops the built-in ones there; nothing else takes anything away.
    """
    gates = asked.human_gates
    return Policy(
        hold_labels=list(asked.hold_labels),
        manual_labels=list(asked.manual_labels),
        code_owners=asked.code_owners,
        topics=_extended(_topics(), gates.paths, gates.keywords),
        new_dependencies=gates.new_dependencies,
    )


def _extended(
    known: dict[str, list[Topic]], paths: Mapping[str, Sequence[str]], keywords: Mapping[str, Sequence[str]]
) -> dict[str, list[Topic]]:
    wanted = {_name(name): name for name in (*paths, *keywords)}
    own_paths = {_name(name): list(patterns) for name, patterns in paths.items()}
    own_words = {_name(name): list(words) for name, words in keywords.items()}
    for name, written in wanted.items():
        patterns, words = own_paths.get(name, []), own_words.get(name, [])
        built_in = [_without(topic, OFF in patterns, OFF in words) for topic in known.get(name, [])]
        says = built_in[0].says if built_in else f"concerns {written}"
        more = Topic(says=says, paths=_but_off(patterns), keywords=_but_off(words), everywhere=True)
        known[name] = [topic for topic in (*built_in, more) if topic.paths or topic.keywords]
    return {name: topics for name, topics in known.items() if topics}


def _name(written: str) -> str:
    return "_".join(written.lower().replace("-", " ").split())


def _but_off(entries: Sequence[str]) -> list[str]:
    return [entry for entry in entries if entry != OFF]


def _without(topic: Topic, paths: bool, keywords: bool) -> Topic:
    return msgspec.structs.replace(
        topic, paths=[] if paths else topic.paths, keywords=[] if keywords else topic.keywords
    )
