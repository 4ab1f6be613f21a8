"""What a demo issue is: the words a person wrote, and the change that answers them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replace `old` by `new`; a file that holds `done` has it already."""

    path: str
    old: str
    new: str
    done: str = ""

    def made_in(self, content: str) -> bool:
        return (self.done or self.new) in content


@dataclass(frozen=True)
class NewFile:
    path: str
    content: str

    def made_in(self, content: str) -> bool:
        return content.strip() == self.content.strip()


Step = Edit | NewFile


@dataclass(frozen=True)
class DemoIssue:
    """One issue, its change, and the lines a reviewer wants to see in the diff."""

    slug: str
    title: str
    body: str
    labels: tuple[str, ...]
    subject: str
    summary: str
    steps: tuple[Step, ...]
    proof: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        return list(dict.fromkeys(step.path for step in self.steps))


def after(path: str, anchor: str, added: str) -> Edit:
    """Insert `added` behind the anchor, wherever that stands by now."""
    return Edit(path, anchor, anchor + added, done=added)


def before(path: str, anchor: str, added: str) -> Edit:
    return Edit(path, anchor, added + anchor, done=added)
