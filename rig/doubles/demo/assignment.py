"""Reads the first message of a run: what is asked, where, and what the fenced texts say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rig.doubles.anthropic.script import UnexpectedInput
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.model import DemoIssue

FIELD: Final = re.compile(r"^(?P<name>[A-Z][A-Za-z ]+):[ \t]*(?P<value>\S.*?)[ \t]*$", re.MULTILINE)
HEADING: Final = re.compile(r"^Assignment: \w+\nRepository: ", re.MULTILINE)
SECTION: Final = re.compile(
    r"<untrusted-(?P<nonce>[^\s>]+)\s+source=\"(?P<source>[^\"]+)\"[^>]*>\n?(?P<text>.*?)\n?</untrusted-(?P=nonce)>",
    re.DOTALL,
)
PULL_REQUEST: Final = re.compile(r"#(?P<number>\d+) at (?P<sha>[0-9a-f]{7,64})")


@dataclass(frozen=True)
class Assignment:
    fields: dict[str, str]
    sections: dict[str, str]
    issue: DemoIssue

    @property
    def kind(self) -> str:
        return self.fields["Assignment"]

    @property
    def reason(self) -> str:
        return self.fields.get("Reason", "")

    @property
    def repository(self) -> str:
        return self.fields["Repository"]

    @property
    def pull_request(self) -> tuple[int, str]:
        found = PULL_REQUEST.search(self.fields.get("Pull request", ""))
        if not found:
            raise UnexpectedInput("a line `Pull request: #34 at <sha>`", self.fields)
        return int(found["number"]), found["sha"]

    def section(self, source: str) -> str:
        if not self.sections.get(source, "").strip():
            raise UnexpectedInput(f"a fenced text with the source {source}", sorted(self.sections))
        return self.sections[source]


def read(opening: str) -> Assignment:
    sections = {found["source"]: found["text"] for found in SECTION.finditer(opening)}
    fields = {found["name"]: found["value"] for found in FIELD.finditer(SECTION.sub("", opening))}
    if "Assignment" not in fields or "Repository" not in fields:
        raise UnexpectedInput("a message with the lines Assignment and Repository", opening[:600])
    return Assignment(fields, sections, issue_called(sections.get("issue", "")))


def issue_called(text: str) -> DemoIssue:
    title = text.strip().partition("\n")[0].strip().removeprefix("# ").removeprefix("Title: ")
    for issue in ISSUES:
        if issue.title == title:
            return issue
    raise UnexpectedInput("the title of one of the demo's issues", title or "no fenced text with the source issue")
