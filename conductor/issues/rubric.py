"""By what merged work is scored, from 1 to 5: the same as a review looks at."""

from __future__ import annotations

from typing import Final

CRITERIA: Final[dict[str, str]] = {
    "correctness": "It does what the issue asks, all of it and nothing else, also at the edges.",
    "security": "Nothing of the OWASP top ten comes with it: injection, broken access, secrets, bad dependencies.",
    "tests": "Tests hold what the issue asks and would fail without the change.",
    "docs": "What people read is still true: documents, their frontmatter, their links, messages, names.",
    "commits": "Title and description follow Conventional Commits and say why.",
}
