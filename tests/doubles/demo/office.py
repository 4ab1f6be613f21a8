"""A desk at which the demo's scripts work on real files, with the real workspace functions behind the tools."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rig.doubles.anthropic.request import MessagesRequest
from rig.doubles.anthropic.script import ToolUse
from rig.doubles.demo import script
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.model import DemoIssue
from rig.doubles.demo.seed import write_repository
from servers.kit.errors import RigError
from servers.workspace.commands import Shell, environment
from servers.workspace.sandbox import Private, choose
from servers.workspace.search import Search
from servers.workspace.store import Workspace

WORKSPACE_TOOLS = ["list_files", "read_file", "search_files", "edit_file", "write_file", "run_command"]
TOOLS = [*(f"mcp__workspace__{name}" for name in WORKSPACE_TOOLS), "mcp__github__get_diff", "finish", "give_up"]
REVIEW_TOOLS = ["mcp__github__get_diff", "mcp__github__get_file", "finish", "give_up"]
SHA = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    command = ["git", "-c", "user.name=Dev-E", "-c", "user.email=dev-e@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Ci:
    """What the repository's own workflow says."""

    failed: list[str]
    log: str


class Desk:
    """One worktree and the conversation of a run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = Private(folder.parent / f"{folder.name}-private")
        self.env = environment(self.private.home, {"PYTHONDONTWRITEBYTECODE": "1"})

    async def play(self, opening: str, rounds: int = 40) -> dict[str, Any] | None:
        """Run the model loop until it finishes; None when it was killed after so many rounds."""
        messages: list[dict[str, Any]] = [{"role": "user", "content": opening}]
        names = REVIEW_TOOLS if "Assignment: review" in opening else TOOLS
        for number in range(rounds):
            tools = [{"name": name, "input_schema": {"type": "object"}} for name in sorted(names)]
            body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": messages, "tools": tools}
            turn = script.play(MessagesRequest.model_validate(body))
            if turn.tool_uses[0].name == "finish":
                return turn.tool_uses[0].input
            uses = [
                {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": one.name, "input": one.input}
                for place, one in enumerate(turn.tool_uses)
            ]
            texts = [{"type": "text", "text": turn.text}] if turn.text else []
            answers = await asyncio.gather(*(self.call(one) for one in turn.tool_uses))
            results = [
                {"type": "tool_result", "tool_use_id": use["id"], **answer}
                for use, answer in zip(uses, answers, strict=True)
            ]
            messages += [{"role": "assistant", "content": texts + uses}, {"role": "user", "content": results}]
        return None

    async def call(self, one: ToolUse) -> dict[str, Any]:
        try:
            text = await self.answer(one.name.rpartition("__")[2], one.input)
        except RigError as error:
            return {"content": str(error), "is_error": True}
        return {"content": [{"type": "text", "text": text}], "is_error": False}

    async def answer(self, name: str, given: Mapping[str, Any]) -> str:
        files = Workspace(self.folder)
        match name:
            case "list_files":
                return files.list_files(".", "**/*", 500)
            case "read_file":
                return files.read_file(given["path"], 1, None)
            case "search_files":
                search = Search(choose(), self.folder, self.private, self.env)
                return await search.find(given["pattern"], ".", given["glob"], 100)
            case "edit_file":
                replace_all = given.get("replace_all", False)
                return files.edit_file(given["path"], given["old"], given["new"], replace_all)
            case "write_file":
                return files.write_file(given["path"], given["content"])
            case "run_command":
                return (await self.shell().run(given["command"], 60)).model_dump_json()
            case "get_diff":
                return self.diff()
            case "get_file":
                return (self.folder / given["path"]).read_text()
            case unknown:
                raise AssertionError(unknown)

    def shell(self) -> Shell:
        return Shell(choose(), self.folder, self.private, self.env)

    def diff(self) -> str:
        return git(self.folder, "diff", "main...HEAD")

    def commit(self, finished: Mapping[str, Any] | None) -> None:
        assert finished is not None
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", finished["title"])

    async def ci(self) -> Ci:
        """Run the steps of the workflow, each to its end."""
        workflow = yaml.safe_load((self.folder / ".github/workflows/ci.yml").read_text())
        failed: list[str] = []
        log = ""
        for step in workflow["jobs"]["test"]["steps"]:
            if "run" in step:
                result = await self.shell().run(step["run"], 60)
                log += f"{step['name']}\n{result.stdout}{result.stderr}\n"
                failed += [step["name"]] if result.exit_code else []
        return Ci(failed, log)


class Office:
    """A repository with `main` and a worktree for each issue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.main = Desk(folder / "main")

    def found(self) -> None:
        write_repository(self.main.folder)
        git(self.main.folder, "init", "-q", "-b", "main")
        git(self.main.folder, "add", "-A")
        git(self.main.folder, "commit", "-q", "-m", "feat: tally 0.3.0")

    def desk(self, issue: DemoIssue) -> Desk:
        """The worktree for an issue, branched from what `main` is at its first use."""
        folder = self.folder / issue.slug
        if not folder.exists():
            git(self.main.folder, "worktree", "add", "-q", "-b", issue.slug, str(folder))
        return Desk(folder)

    def copy(self, folder: Path) -> Office:
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*-private"))
        other = Office(folder)
        for issue in ISSUES:
            registered = folder / "main/.git/worktrees" / issue.slug
            (registered / "gitdir").write_text(f"{folder / issue.slug / '.git'}\n")
            (folder / issue.slug / ".git").write_text(f"gitdir: {registered}\n")
        return other

    def merge(self, issue: DemoIssue) -> bool:
        """Squash an issue's branch into `main`; False, and nothing changed, when there is a conflict."""
        git(self.main.folder, "merge", "--squash", issue.slug, check=False)
        if git(self.main.folder, "diff", "--name-only", "--diff-filter=U"):
            git(self.main.folder, "reset", "-q", "--hard")
            return False
        git(self.main.folder, "commit", "-q", "-m", issue.subject)
        return True

    async def resolve(self, issue: DemoIssue) -> list[str]:
        """The runtime merges the base, the script resolves; answers the files that were in conflict."""
        desk = self.desk(issue)
        git(desk.folder, "merge", "-q", "main", check=False)
        conflicts = git(desk.folder, "diff", "--name-only", "--diff-filter=U").split()
        desk.commit(await desk.play(opening(issue, "rework", "merge_conflict", feedback="\n".join(conflicts))))
        return conflicts


def opening(issue: DemoIssue, kind: str, reason: str = "", feedback: str = "", diff: str = "") -> str:
    """The first message of a run as the runtime writes it."""
    lines = [f"Assignment: {kind}", "Repository: ada/tally", "Issue: ada/tally#12", "Branch: feature/issue-12-x"]
    lines += ["Base: main"] + ([] if kind == "implement" else [f"Pull request: #34 at {SHA}"])
    lines += [f"Reason: {reason}"] if reason else []
    texts = {"issue": f"{issue.title}\n\n{issue.body}", "feedback": feedback, "diff": diff, "agents.md": "# Rules"}
    fenced = [
        f'<untrusted-8f3a source="{source}">\n{text}\n</untrusted-8f3a>' for source, text in texts.items() if text
    ]
    return "\n".join([*lines, *fenced])
