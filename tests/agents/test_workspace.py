"""The working copy: what it fetches, what it commits, and what cannot steer it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.errors import Moved, Stuck
from agents.git import Credential, git
from agents.workspace import empty
from servers.kit.character import Git
from servers.kit.errors import Unavailable

if TYPE_CHECKING:
    from tests.agents.stage import Local

AUTHOR = Git(name="Dev E", email="dev-e@example.org")


async def commit(local: Local, text: str = "x\n") -> str:
    local.write("new.txt", text)
    return await local.copy.commit(await local.copy.stage(), [local.base], "feat: new", AUTHOR)


async def test_a_commit_is_pushed_under_the_agents_name(local: Local) -> None:
    sha = await commit(local)
    await local.copy.push(sha, "feature/one", local.credential, None)
    assert local.git("log", "-1", "--format=%H %an %ce", "feature/one") == f"{sha} Dev E dev-e@example.org"
    await local.copy.push(sha, "feature/one", local.credential, None)  # once more after a lost answer


async def test_a_branch_that_moved_on_is_not_overwritten(local: Local) -> None:
    await local.copy.push(await commit(local, "theirs\n"), "feature/one", local.credential, None)
    before = local.git("rev-parse", "feature/one")
    for seen in (None, local.base):
        with pytest.raises(Moved):
            await local.copy.push(await commit(local, "ours\n"), "feature/one", local.credential, seen)
        with pytest.raises(Moved):
            await local.copy.delete("feature/one", local.credential, seen or local.base)
    assert local.git("rev-parse", "feature/one") == before


async def test_a_branch_that_was_set_back_is_not_moved_forward_again(local: Local) -> None:
    first = await commit(local)
    await local.copy.push(first, "feature/one", local.credential, None)
    local.write("more.txt", "more\n")
    second = await local.copy.commit(await local.copy.stage(), [first], "feat: more", AUTHOR)
    local.git("update-ref", "refs/heads/feature/one", local.base)
    with pytest.raises(Moved):
        await local.copy.push(second, "feature/one", local.credential, first)
    assert local.git("rev-parse", "feature/one") == local.base


async def test_what_the_remote_refuses_is_said_in_its_words(local: Local) -> None:
    hook = local.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no pushes on Sundays\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Stuck, match="git push failed") as stuck:
        await local.copy.push(await commit(local), "feature/one", local.credential, None)
    assert "no pushes on Sundays" in stuck.value.evidence


async def test_a_change_is_replayed_on_a_head_without_what_lay_between(local: Local) -> None:
    local.write("app.py", "def double(n):\n    return 2 * n\n")
    dropped = await local.copy.commit(await local.copy.stage(), [local.base], "feat: dropped", AUTHOR)
    change = await commit(local)
    ours = await local.copy.commit(await local.copy.tree_of(change), [dropped], "feat: ours", AUTHOR)
    replayed = await local.copy.replay(ours, dropped, local.base)
    assert replayed.conflicts == []
    await local.copy.check_out(replayed.tree)
    assert (local.copy.tree / "new.txt").read_text() == "x\n"
    assert "n + n + 1" in (local.copy.tree / "app.py").read_text()


async def test_a_git_command_that_was_ended_does_not_stop_the_next(local: Local) -> None:
    local.write("new.txt", "x\n")
    (local.copy.tree.parent / "index.lock").touch()
    local.copy.unlock()
    await local.copy.stage()


@pytest.mark.parametrize("branch", ["+main", "main:evil", "../x", "-f", "a b", "refs.lock", "", "x/"])
async def test_names_that_mean_something_else_to_git_are_refused(local: Local, branch: str) -> None:
    with pytest.raises(Stuck, match="no branch"):
        await local.copy.push(local.base, branch, local.credential, None)


async def test_hooks_filters_and_settings_of_the_files_own_git_do_not_run(local: Local) -> None:
    await local.copy.give_history(local.base, "feature/one", AUTHOR)
    tree = local.copy.tree
    for key, value in {
        "core.fsmonitor": "touch pwned; false",
        "core.hooksPath": str(tree / "hooks"),
        "filter.evil.clean": "touch pwned; cat",
        "filter.evil.required": "true",
    }.items():
        local.run(tree, "config", key, value)
    local.write(".gitattributes", "* filter=evil\n")
    local.write("hooks/pre-commit", "#!/bin/sh\ntouch pwned\n")
    (tree / "hooks/pre-commit").chmod(0o755)
    sha = await commit(local)
    await local.copy.push(sha, "feature/one", local.credential, None)
    assert not (tree / "pwned").exists()
    assert ".git/" not in local.git("ls-tree", "-r", "--name-only", "feature/one")


async def test_the_settings_of_a_repository_inside_do_not_run_however_often_the_files_are_taken(local: Local) -> None:
    inside, pwned = local.copy.tree / "inside", local.copy.tree.parent / "pwned"
    local.write("inside/file", "x")
    local.run(inside, "init", "-q")
    for key, value in {"filter.evil.clean": f"touch {pwned}; cat", "user.name": "x", "user.email": "x"}.items():
        local.run(inside, "config", key, value)
    local.run(inside, "add", "file")
    local.run(inside, "commit", "-qm", "x")
    local.write("inside/.gitattributes", "* filter=evil\n")
    for moment in range(3):  # each time as if the file had changed, so that git has to read it
        os.utime(inside / "file", (moment, moment))
        await local.copy.stage()
        assert not pwned.exists()
    assert "160000" in await local.copy.diff(local.base, "--raw")
    shutil.rmtree(inside)
    assert await local.copy.stage() == await local.copy.tree_of(local.base)


async def test_a_submodule_that_is_not_checked_out_stays_as_it_was(local: Local) -> None:
    local.git("update-index", "--add", "--cacheinfo", f"160000,{local.base},lib")
    tree = local.git("write-tree")
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    sha = local.git(*who, "commit-tree", tree, "-m", "feat: a submodule")
    local.git("update-ref", "refs/heads/main", sha)
    await local.copy.fetch(local.credential)
    await local.copy.check_out(sha)
    assert await local.copy.stage() == tree
    (local.copy.tree / "lib").rmdir()
    assert await local.copy.stage() != tree


async def test_the_models_own_git_shows_the_branch_with_nothing_changed(local: Local) -> None:
    await local.copy.give_history(local.base, "feature/one", AUTHOR)
    assert local.run(local.copy.tree, "status", "--porcelain", "--branch") == "## feature/one"
    local.run(local.copy.tree, "stash", "list")


async def test_locks_of_a_killed_process_do_not_stop_the_next(local: Local) -> None:
    clone = local.copy.tree.parent.parent / "clone.git"
    (clone / "packed-refs.lock").touch()
    (clone / "refs/remotes/origin/main.lock").touch()
    (clone / "refs/remotes/origin").mkdir(parents=True, exist_ok=True)
    local.git("commit-tree", "-m", "next", f"{local.base}^{{tree}}", "-p", local.base)
    await local.copy.fetch(local.credential)


async def test_a_merge_names_the_files_in_conflict(local: Local) -> None:
    ours = await commit(local, "ours\n")
    theirs = await commit(local, "theirs\n")
    merge = await local.copy.merge(ours, theirs)
    assert merge.conflicts == ["new.txt"]
    await local.copy.check_out(merge.tree)
    assert "<<<<<<<" in (local.copy.tree / "new.txt").read_text()
    assert (await local.copy.merge(ours, local.base)).conflicts == []


async def test_missing_things_are_none(local: Local) -> None:
    assert await local.copy.remote("nowhere") is None
    assert await local.copy.show(local.base, "nowhere.txt") is None
    assert await local.copy.trailer(local.base, "Rig-Issue") == ""


async def test_a_remote_that_is_away_is_unavailable(local: Local) -> None:
    with pytest.raises(Unavailable):
        await local.copy.fetch(Credential("http://127.0.0.1:9/x.git"))


async def test_a_credential_is_for_its_own_host_and_in_no_argument(local: Local) -> None:
    credential = Credential("https://github.example:8443/o/r.git", "x-access-token", "hunter2")
    assert list(credential.config()) == ["http.https://github.example:8443/.extraHeader"]
    assert "hunter2" not in repr(credential)
    said = await git("config", "--get-regexp", "extraheader", cwd=local.copy.tree, credential=credential)
    assert "Authorization: Basic" in said.out
    assert "hunter2" not in " ".join(os.environ.values())


async def test_git_sees_nothing_of_the_processs_own_secrets(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("RIG_TOKEN", "secret-token")
    said = await git("-c", "alias.env=!env", "env", cwd=local.copy.tree)
    assert "secret" not in said.out


def test_the_next_run_starts_empty_even_if_the_last_ones_files_cannot_be_deleted(tmp_path: Path) -> None:
    locked = tmp_path / "run" / "tree" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").touch()
    locked.chmod(0)
    try:
        empty(tmp_path / "run")
    finally:
        for left in tmp_path.glob("*/tree/locked"):
            left.chmod(0o700)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["tree"]
    assert not list((tmp_path / "run" / "tree").iterdir())


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from agents.workspace import empty
if os.geteuid() == 0:
    os.setuid(65534)
run = Path(sys.argv[1], "run")
module = run / "tree" / "mod" / "pkg"
module.mkdir(parents=True)
(module / "x.go").touch()
module.chmod(0o555)
module.parent.chmod(0o555)
empty(run)
print(*(path.relative_to(run.parent) for path in run.parent.rglob("*")))
"""


def test_what_nobody_may_write_goes_with_the_run_though_we_are_not_root() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        said = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, folder], capture_output=True, text=True, check=True
        )
    assert said.stdout == "run run/tree\n"


async def test_a_commit_can_be_read_while_the_files_are_exchanged(local: Local) -> None:
    local.copy.tree.rename(local.copy.tree.with_name("away"))
    assert await local.copy.show(local.base, "AGENTS.md") == "Tests live in checks.py.\n"
    assert "app.py" in await local.copy.paths(local.base)
    assert await local.copy.show(local.base, "missing") is None
