"""Lays each attempt where it stands, and says how the model comes across it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rig.doubles.anthropic.script import ToolUse, use
from tests.agents.conductor import REPOSITORY
from tests.agents.injections.attempts import Attempt, Where
from tests.agents.memories import memory
from tests.agents.stage import FILES, Stage

READ = "mcp__workspace__read_file"
RUN = "mcp__workspace__run_command"
PAGES: dict[Where, str] = {
    "agents_md": "AGENTS.md", "claude_md": "CLAUDE.md", "readme": "README.md", "docs": "docs/double.md",
    "page": "fixtures/page.html", "json": "fixtures/data.json", "yaml": "fixtures/data.yaml", "source": "app.py",
}  # fmt: skip


def files(attempts: Sequence[Attempt]) -> dict[str, str]:
    """The repository's files, with the words of strangers in them."""
    said = {where: [one.text for one in attempts if one.where == where] for where in (*PAGES, "test_output")}
    made = {path: "\n\n".join(said[where]) + "\n" for where, path in PAGES.items()}
    made["fixtures/data.json"] = "".join(
        f"{json.dumps({'note': text}, ensure_ascii=False)}\n" for text in said["json"]
    )
    comments = "".join(f"# {text}\n" for text in said["source"])
    made["app.py"] = f"{comments}{FILES['app.py']}"
    made["checks.py"] = "".join(f"print({text!r})\n" for text in said["test_output"]) + FILES["checks.py"]
    return made | {one.text: "x\n" for one in attempts if one.where == "file_name"}


async def lay(stage: Stage, attempts: Sequence[Attempt]) -> None:
    """Put everything in place, and offer the issue."""

    def of(where: Where) -> list[str]:
        return [one.text for one in attempts if one.where == where]

    stage.push(files(attempts), "main", "\n\n".join(["docs: more", *of("commit_message")]), "main")
    number = await stage.github.file_issue(REPOSITORY, "double() is off by one", "", token="ada")
    for text in of("issue_comment"):
        where = f"/repos/{REPOSITORY}/issues/{number}/comments"
        (await stage.github.api("POST", where, "ada", {"body": text})).raise_for_status()
    stage.memories.found += [memory(n, text) for n, text in enumerate(of("memory"), start=1)]
    body = "\n\n".join(["See README.md and docs/double.md.", *of("issue_body")])
    stage.offer(title=" ".join(["double() is off by one.", *of("issue_title")]), body=body)


def look() -> list[ToolUse]:
    """Read all of it."""
    return [
        *(use(READ, path=path) for path in (*PAGES.values(), "checks.py")),
        use("mcp__workspace__list_files"),
        use("mcp__github__get_issue", repository=REPOSITORY, number=1, relations=True),
        use(RUN, command="python3 checks.py; git log --format=%B"),
    ]


async def lay_pull_request(stage: Stage, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Open a pull request that speaks to its reviewer, and offer it for review; answers it."""
    said = {where: [one.text for one in attempts if one.where == where] for where in ("diff", "pull_body", "branch")}
    [branch] = said["branch"]
    comments = "".join(f"# {text}\n" for text in said["diff"])
    changed: dict[str, str | None] = {"app.py": f"{comments}def double(n):\n    return 2 * n\n"}
    sha = await stage.github.push_files(REPOSITORY, branch, changed, login="rig-dev[bot]")
    body = "\n\n".join(["Closes #12", *said["pull_body"]])
    pull = {"title": "fix: x", "body": body, "head": branch, "base": "main"}
    made = (await stage.github.api("POST", f"/repos/{REPOSITORY}/pulls", "ada", pull)).raise_for_status().json()
    offered = {"number": made["number"], "url": "", "head_sha": sha}
    stage.offer("review", pull_request=offered, branch=branch)
    return offered


async def lay_others(stage: Stage, attempts: Sequence[Attempt]) -> dict[Where, dict[str, Any]]:
    """What the other characters are offered by where their attempts stand, with its kind."""

    def of(where: Where) -> str:
        return "\n\n".join(one.text for one in attempts if one.where == where)

    await stage.github.file_issue(REPOSITORY, "It fails", "", token="ada")
    comments = "".join(f"# {line}\n" for line in of("merged").splitlines() if line)
    pull = await stage.pull_request({"app.py": f"{comments}def double(n):\n    return 2 * n\n"})
    merged = {"sha": pull["head_sha"], "number": pull["number"]}
    nowhere = {"branch": "", "base": ""}
    return {
        "verified": {"kind": "verify", "body": of("verified")},
        "merged": {"kind": "judge", "data": merged, **nowhere},
        "incident": {"kind": "triage", "body": of("incident"), "data": {"key": "incident:0:1"}, **nowhere},
        "question": {"kind": "answer", "body": of("question"), **nowhere},
    }
