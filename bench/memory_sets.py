"""Questions with the memories that answer them: the repository's own set, and public ones from their files."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

OWN = Path(__file__).parents[1] / "tests" / "memory" / "evaluation"
CHANGELOGS = ("CHANGES.md", "CHANGELOG.md", "HISTORY.md", "CHANGES.rst", "CHANGELOG.rst")


@dataclass(frozen=True)
class Question:
    """A question and how well each memory answers it: 2 is the answer, 1 helps; nothing if no memory answers."""

    text: str
    answers: Mapping[str, int]


@dataclass
class Corpus:
    """Memories by their key, the questions that are asked about them, and which memories come from the same work."""

    memories: dict[str, str] = field(default_factory=dict[str, str])
    questions: list[Question] = field(default_factory=list[Question])
    origins: dict[str, str] = field(default_factory=dict[str, str])


def own(folder: Path = OWN, only: str = "*") -> list[Corpus]:
    """The repository's own set.

    Args:
        only: Which files, as a pattern.

    A memory is `key kind importance | text`, a question `? text -> key:grade …` or `? text -> nothing`.
    """
    corpus = Corpus()
    for file in sorted(folder.glob(f"{only}.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("? "):
                corpus.questions.append(_question(line))
            elif " | " in line:
                head, _, text = line.partition(" | ")
                corpus.memories[head.split()[0]] = text
    return [corpus]


def _question(line: str) -> Question:
    text, _, answers = line[2:].rpartition(" -> ")
    pairs = [answer.split(":") for answer in answers.split() if answer != "nothing"]
    return Question(text, {key: int(grade) for key, grade in pairs})


def locomo_sessions(file: Path) -> list[Corpus]:
    """LoCoMo's conversations: a session is a memory, and answers if the question's evidence is said in it."""
    return [_sessions(sample) for sample in _samples(file)]


def _sessions(sample: dict[str, Any]) -> Corpus:
    spoken = {name: turns for name, turns in sample["conversation"].items() if re.fullmatch(r"session_\d+", name)}
    dates = sample["conversation"]
    memories = {
        f"D{name[8:]}": "\n".join([dates.get(f"{name}_date_time", ""), *map(_said, turns)])
        for name, turns in spoken.items()
        if turns
    }
    evidence = [(asked, {place.partition(":")[0] for place in places}) for asked, places in _asked(sample)]
    return _corpus(memories, evidence)


def _said(turn: dict[str, Any]) -> str:
    shown = f" ({turn['blip_caption']})" if turn.get("blip_caption") else ""
    return f"{turn['speaker']}: {turn['text']}{shown}"


def locomo_observations(file: Path) -> list[Corpus]:
    """LoCoMo's observations: each is a memory, and answers if it was drawn from the question's evidence.

    Those of one session come from the same work.
    """
    return [_observations(sample) for sample in _samples(file)]


def _observations(sample: dict[str, Any]) -> Corpus:
    memories: dict[str, str] = {}
    places: dict[str, set[str]] = {}
    for session, people in sample["observation"].items():
        for person, observations in people.items():
            for number, (text, place) in enumerate(observations):
                key = f"{session}/{person}/{number}"
                memories[key] = text
                places[key] = set(_places(place))
    evidence = [(asked, {key for key, drawn in places.items() if drawn & wanted}) for asked, wanted in _asked(sample)]
    corpus = _corpus(memories, evidence)
    corpus.origins = {key: key.partition("/")[0] for key in memories}
    return corpus


def _samples(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text(encoding="utf-8"))


def _asked(sample: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    yield from ((one["question"], set(_places(one.get("evidence", [])))) for one in sample["qa"])


def _places(said: str | list[str]) -> list[str]:
    return re.findall(r"D\d+:\d+", " ".join([said] if isinstance(said, str) else said))


def _corpus(memories: dict[str, str], evidence: list[tuple[str, set[str]]]) -> Corpus:
    known = [(asked, dict.fromkeys(keys & memories.keys(), 1)) for asked, keys in evidence]
    return Corpus(memories, [Question(asked, answers) for asked, answers in known if answers])


def cosqa(file: Path) -> list[Corpus]:
    """CoSQA's retrieval questions; `code_idx_map.txt`, with all functions, has to stand beside the file."""
    codes = cast(dict[str, int], json.loads((file.parent / "code_idx_map.txt").read_text(encoding="utf-8")))
    rows = cast(list[dict[str, Any]], json.loads(file.read_text(encoding="utf-8")))
    questions = [Question(row["doc"], {str(row["retrieval_idx"]): 1}) for row in rows]
    return [Corpus({str(number): code for code, number in codes.items()}, questions)]


def release_notes(repository: Path) -> list[Corpus]:
    """Which commits an entry of the changelog stands for.

    A commit is a memory, without its number. An entry that names pull requests as `#12` asks, without the numbers,
    for the commits whose first line ends with one of them.
    """
    memories: dict[str, str] = {}
    by_number: dict[str, set[str]] = {}
    for commit in _git(repository, "log", "--format=%H%x00%B%x01").split("\x01"):
        key, _, message = commit.strip().partition("\x00")
        number = re.search(r"\(#(\d+)\)$", message.partition("\n")[0])
        if number:
            memories[key] = _unnumbered(message)
            by_number.setdefault(number[1], set()).add(key)
    entries = [(_unnumbered(entry), set(re.findall(r"#(\d+)", entry))) for entry in _entries(repository)]
    evidence = [(text, set[str]().union(*(by_number.get(n, set()) for n in wanted))) for text, wanted in entries]
    return [_corpus(memories, [(text, keys) for text, keys in evidence if len(text.split()) > 2])]


def _entries(repository: Path) -> list[str]:
    tree = _git(repository, "ls-tree", "--name-only", "HEAD").split()
    name = next(name for name in CHANGELOGS if name in tree)
    entries = re.split(r"^\s*[-*] ", _git(repository, "show", f"HEAD:{name}"), flags=re.MULTILINE)[1:]
    return [" ".join(re.split(r"\n\s*\n|\n#", entry)[0].split()) for entry in entries if "#" in entry]


def _unnumbered(text: str) -> str:
    text = re.sub(r"\[#?\d+\]\([^)]*\)|^Co-authored-by:.*$|https?://\S+", "", text, flags=re.MULTILINE)
    return re.sub(r"\(?#\d+(?:,? ?(?:and )?#\d+)*\)?", "", text).strip()


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "replace")
