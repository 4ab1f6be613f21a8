"""Whose work an offer is right now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conductor.events import Kind
from servers.kit.character import CHORES, Character


@dataclass(frozen=True)
class Wanted:
    """Whom an offer is for.

    Attributes:
        only: The one character that may have it, if any.
        preferred: The character that it still waits for, if any.
        avoided: Characters that failed at it and leave it to others for a while.
    """

    kind: Kind
    stack: str
    excluded: frozenset[str] = frozenset()
    only: str | None = None
    preferred: str | None = None
    avoided: frozenset[str] = frozenset()


def takers(wanted: Wanted, catalogue: Mapping[str, Character], paused: Iterable[str] = ()) -> list[str]:
    """The characters that get the offer if they ask now; the same as the writer's query of candidates."""
    return [
        character.name
        for character in catalogue.values()
        if character.name not in paused and _may(character, wanted, catalogue)
    ]


def _may(character: Character, wanted: Wanted, catalogue: Mapping[str, Character]) -> bool:
    name = character.name
    fits = not wanted.stack or not character.stacks or wanted.stack in character.stacks
    chosen = wanted.only in (None, name) and wanted.preferred in (None, name)
    left_to_others = name in wanted.avoided and not alone(character, catalogue)
    able = wanted.kind in (*character.work, "chore")
    return able and fits and chosen and name not in wanted.excluded and not left_to_others


def alone(character: Character, catalogue: Mapping[str, Character]) -> bool:
    """Whether no other character could do what this one does."""
    return not any(
        other.name != character.name
        and set(other.work) & set(character.work) - CHORES
        and _stacks_meet(other, character)
        for other in catalogue.values()
    )


def _stacks_meet(one: Character, other: Character) -> bool:
    return not one.stacks or not other.stacks or bool(set(one.stacks) & set(other.stacks))
