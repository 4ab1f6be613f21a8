"""Whether an issue says enough to be worked on, by rules that would rather let a vague one pass: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conductor.comments import QUESTIONS_OPEN, one_line
from conductor.issues.issue import READY_LABEL

EMPTY = "What is wrong or missing, and what should be there instead? The description is empty."
UNTOUCHED = "What is this about? The description is still the template."
NO_CRITERION = "How does one see that it is done? Say what must hold, for example as a list or with an example."
ENOUGH_WORDS = 25
TINY_WORDS = 4
ANSWER_LIMIT = 4000
MOST_ANSWERS = 20
_AGAINST = frozenset(
    {
        "wontfix", "won't-fix", "wont-fix", "duplicate", "invalid", "question", "blocked", "do-not-start", "on-hold",
        "not-planned",
    }
)  # fmt: skip
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9_'’-]+|[^\W\x00-\x7f]")  # a letter of another script counts as a word
_LIST = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s*)?\S", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`|^\s*(?:```|~~~)", re.MULTILINE)
_CRITERION = re.compile(
    r"\b(?:should|must|shall|ought|when|whenever|if|unless|until|so\s+that|such\s+that|instead|expect\w*|accept\w*"
    r"|criteri\w+|steps|reproduc\w*|need\w*|requir\w*|has\s+to|have\s+to|want\w*|would\s+like|can(?:not|'t)?|fail\w*"
    r"|error\w*|crash\w*|exception\w*|traceback|return\w*|rais\w+|print\w*|show\w*|add\w*|remov\w*|renam\w*|replac\w*"
    r"|support\w*|allow\w*|currently|actual\w*|doesn't|does\s+not|don't|isn't|soll\w*|muss|müssen|debe\w*|doit|deve)\b",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s.*$|^\s*\*\*[^*]{1,80}\*\*:?\s*$|^\s*[-=_*]{3,}\s*$")
_PLACEHOLDER = re.compile(
    r"_no response_|n/?a|none|tbd|todo|\.{3}|…|-|\[e\.g\..*\]"
    r"|a clear and concise description of.*"
    r"|(?:please )?(?:describe|explain|provide|tell us|write|add|enter|insert)\b.*\b(?:here|below)\W*"
    r"|is your feature request related to a problem\?.*|if applicable,? add .*|add any other context .*"
    r"|steps to reproduce the behavior:?|(?:go to|click on|scroll down to) '?\W*'?|see error"
    r"|(?:[-*+]|\d+[.)])?\s*(?:\[[ xX]?\])?",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s*(?:\[[ xX]?\]\s*)?")
_LABELLED = re.compile(r"^[\w /()-]{1,40}:\s*")


def questions(title: str, body: str, labels: Iterable[str], templates: Sequence[str] = ()) -> list[str]:
    """What has to be answered before anybody can work on the issue; none where it says enough.

    Args:
        title: Counts with the description where it says what must hold.
        templates: The repository's issue templates, as they are offered to authors.
    """
    found = _about_text(title, body, templates)
    against = sorted(label for label in labels if _plain(label) in _AGAINST)
    if against:
        names = " and ".join(f"`{label}`" for label in against)
        found.append(f"Shall it be done or not? It has the label `{READY_LABEL}` and also {names}.")
    return found


def _about_text(title: str, body: str, templates: Sequence[str]) -> list[str]:
    own = _own_lines(body, ())
    if not body.strip() or (not own and not _COMMENT.sub("", body).strip()):
        return [EMPTY]
    if not own or (templates and not _own_lines(body, templates)):
        return [UNTOUCHED]
    text = "\n".join(own)
    words = len(_WORD.findall(text))
    plain = not _LIST.search(text) and not _CODE.search(text) and not _CRITERION.search(f"{title}\n{text}")
    if words < ENOUGH_WORDS and (plain or (words < TINY_WORDS and not _CRITERION.search(text))):
        return [NO_CRITERION]
    return []


def _own_lines(body: str, templates: Sequence[str]) -> list[str]:
    """The lines that the author wrote: no headings, no prompts, nothing that stands in a template as well."""
    given = {_bare(line) for template in templates for line in _COMMENT.sub("", template).splitlines()}
    lines = _COMMENT.sub("", body).splitlines()
    return [line for line in lines if not _says_nothing(line) and _bare(line) not in given]


def _says_nothing(line: str) -> bool:
    if not line.strip() or _HEADING.match(line):
        return True
    bare = _BULLET.sub("", line).strip()
    return any(_PLACEHOLDER.fullmatch(part.strip()) for part in (bare, _LABELLED.sub("", bare)))


def _bare(line: str) -> str:
    return " ".join(line.replace("[x]", "[ ]").replace("[X]", "[ ]").split()).lower()


def _plain(label: str) -> str:
    return re.sub(r"[\s_]+", "-", label.strip().lower())


@dataclass(frozen=True)
class Said:
    """A comment on the issue; `counts` where the author wrote it or somebody who belongs to the repository."""

    author: str
    body: str
    ours: bool
    counts: bool


def answers(comments: Sequence[Said], asked: Sequence[str]) -> tuple[list[Said], bool]:
    """What was said since the rig first asked, and whether somebody said it after the last questions.

    Args:
        comments: Oldest first.
        asked: The questions that wait right now; an answer to other ones does not answer these.
    """
    ours = [n for n, said in enumerate(comments) if said.ours and said.body.startswith(QUESTIONS_OPEN)]
    last = [n for n in ours if all(one_line(question) in comments[n].body for question in asked)]
    given = [(n, said) for n, said in enumerate(comments) if said.counts and not said.ours and said.body.strip()]
    if not ours:
        return [], False
    return [said for n, said in given if n > ours[0]], bool(last) and any(n > last[-1] for n, _ in given)


def with_answers(body: str, given: Sequence[Said]) -> str:
    """`body` with what was answered at its end."""
    if not given:
        return body
    said = "\n\n".join(f"**{one.author}:** {one.body.strip()[:ANSWER_LIMIT]}" for one in given[:MOST_ANSWERS])
    return f"{body.rstrip()}\n\n## Answers\n\n{said}".lstrip()
