"""A run's working copy: files for the model, and beside them the git data that only the supervisor uses.

The model's `.git` is a throwaway of its own. Whatever it commits, configures or breaks there, the supervisor compares
the files with what it fetched itself.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from agents import clones
from agents.errors import Moved, Stuck
from agents.git import Credential, Output, failure, git
from agents.run_folder import delete
from servers.kit.character import Git
from servers.kit.errors import RigError
from servers.kit.logs import get, redact

log = get(__name__)

REMOTE = "refs/remotes/origin/"
CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[user]
\tname = {name}
\temail = {email}
"""
LEFTOVERS = """\
__pycache__/
*.pyc
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.coverage
.venv/
node_modules/
.DS_Store
"""


@dataclass(frozen=True)
class Merge:
    """The outcome of merging the base: a tree, and the files in which conflict markers were left."""

    tree: str
    conflicts: list[str]


def empty(folder: Path) -> None:
    """Make a run's folder as new, at the same path, whatever the last run left in it."""
    # What cannot be deleted can still be moved out of the way.
    spent = folder.rename(folder.with_name(uuid4().hex))
    (folder / "tree").mkdir(parents=True)
    delete(spent)


class WorkingCopy:
    """One repository's clone, kept between runs, and one run's files.

    Args:
        cache: The bare clone, which other agents of the machine may use at the same time.
        folder: The run's folder; the files are in `<folder>/tree`.
    """

    def __init__(self, cache: Path, folder: Path) -> None:
        self._cache = cache
        self._folder = folder
        self._use: clones.Use | None = None
        self._laying: asyncio.Task[None] | None = None
        self.tree = folder / "tree"
        self._env = {
            "GIT_DIR": str(cache),
            "GIT_WORK_TREE": str(self.tree),
            "GIT_INDEX_FILE": str(folder / "index"),
        }

    async def fetch(self, credential: Credential) -> None:
        """Bring the clone up to date, making it first if it is not there."""
        self._use = self._use or await asyncio.to_thread(clones.Use, self._cache)
        async with clones.changing(self._cache):
            if not (self._cache / "info" / "exclude").exists():
                await git("init", "--quiet", "--bare", "--template=", str(self._cache), cwd=self.tree)
                (self._cache / "info").mkdir(exist_ok=True)
                (self._cache / "info" / "exclude").write_text(LEFTOVERS)
            for lock in [*self._cache.glob("[!r]*.lock"), *self._cache.glob("refs/**/*.lock")]:
                lock.unlink(missing_ok=True)  # left by a process that was killed: nobody else is here
            options = ("--quiet", "--prune", "--no-tags")
            heads = f"+refs/heads/*:{REMOTE}*"
            await self._git("fetch", *options, credential.clone_url, heads, credential=credential)

    async def fetch_commit(self, sha: str, credential: Credential) -> None:
        """Make sure that `sha` is here, even if no branch holds it any more."""
        if not await self.resolve(sha):
            await self._git("fetch", "--quiet", "--no-tags", credential.clone_url, sha, credential=credential)

    async def resolve(self, name: str) -> str | None:
        """The commit that a SHA or a full ref name stands for, or None."""
        said = await self._git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}", good=(0, 1, 128))
        return said.out.strip() or None

    async def remote(self, branch: str) -> str | None:
        """The head of a branch as it was fetched, or None."""
        return await self.resolve(REMOTE + branch)

    async def check_out(self, treeish: str) -> None:
        """Make the files equal to a commit or tree, from what lies ready where there is something."""
        if not any(self.tree.iterdir()):
            await asyncio.to_thread(clones.take_spare, self._cache, self._folder)
        await self._git("read-tree", "--reset", "-u", treeish)

    async def give_history(self, commit: str, branch: str, author: Git) -> None:
        """Give the files a `.git` in which the model can look around: the history, on a branch of its own.

        It borrows the clone's objects, and no git command of ours ever works with it.
        """
        own = self.tree / ".git"
        head = own / "refs" / "heads" / branch
        for folder in (head.parent, own / "objects" / "info", own / "objects" / "pack", own / "hooks"):
            folder.mkdir(parents=True, exist_ok=True)
        head.write_text(f"{commit}\n")
        (own / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        (own / "objects" / "info" / "alternates").write_text(f"{self.objects}\n")
        (own / "config").write_text(
            CONFIG.format(name=json.dumps(author.name, ensure_ascii=False), email=author.email)
        )
        shutil.copyfile(self._env["GIT_INDEX_FILE"], own / "index")

    @property
    def objects(self) -> Path:
        """Where the history's objects are, which the model's `.git` reads."""
        return self._cache / "objects"

    @property
    def packages(self) -> Path:
        """Where is kept what set-up fetched: with the clone, with which it goes."""
        return self._cache / "packages"

    def lay_ready(self, commit: str, root: Path, at_most: int) -> None:
        """Lay a commit's files ready for the next run, beside this one; then see that clones do not grow for ever.

        Args:
            root: The folder of all clones.
            at_most: Bytes that they may take.
        """
        self._laying = asyncio.create_task(self._lay(commit, root, at_most), name="files for the next run")

    async def _lay(self, commit: str, root: Path, at_most: int) -> None:
        if not (self._cache / clones.SPARE).exists():
            await self._lay_spare(commit)
        for gone in await asyncio.to_thread(clones.trim, root, at_most):
            log.info("a clone that was not used for long is deleted", clone=gone.name)

    async def _lay_spare(self, commit: str) -> None:
        spare = await asyncio.to_thread(clones.new_spare, self._cache)
        env = {"GIT_WORK_TREE": str(spare / "tree"), "GIT_INDEX_FILE": str(spare / "index")}
        try:
            await self._git("read-tree", "--reset", "-u", commit, env=env, cwd=self._cache)
            clones.keep_spare(self._cache, spare)
        except (Stuck, RigError) as error:
            log.info("no files are laid ready", reason=str(error))
        finally:
            await asyncio.to_thread(shutil.rmtree, spare, ignore_errors=True)

    async def merge(self, head: str, base: str) -> Merge:
        """Merge two commits without touching the files."""
        options = ("--write-tree", "--name-only", "--no-messages", "-z")
        said = await self._git("merge-tree", *options, head, base, good=(0, 1))
        tree, *conflicts = said.out.rstrip("\0").split("\0")
        return Merge(tree.strip(), [path for path in conflicts if path])

    async def replay(self, commit: str, since: str, onto: str) -> Merge:
        """What `commit` changed since `since`, made to `onto` instead, without touching the files."""
        # Two commits that left `since` on their own: what lies between does not come along.
        ours, theirs = [await self._on(since, one) for one in (commit, onto)]
        return await self.merge(theirs, ours)

    async def _on(self, parent: str, commit: str) -> str:
        nobody = Git(name="rig", email="rig@localhost")
        return await self.commit(await self.tree_of(commit), [parent], "", nobody)

    async def contains(self, commit: str, ancestor: str) -> bool:
        """Whether `ancestor` is part of `commit`'s history."""
        return (await self._git("merge-base", "--is-ancestor", ancestor, commit, good=(0, 1))).exit_code == 0

    async def fork_point(self, commit: str, base: str) -> str:
        """Where `commit` left the base."""
        return (await self._git("merge-base", commit, base)).out.strip()

    def unlock(self) -> None:
        """Forget a git command that was ended while it worked on the files."""
        Path(f"{self._env['GIT_INDEX_FILE']}.lock").unlink(missing_ok=True)

    async def stage(self) -> str:
        """Take the files as they are now; answers their tree."""
        # Of a repository that the index knows, git asks the state by a git command in it, which that one's own
        # configuration steers. So the index knows none while files are added.
        links = await self._links()
        if links:
            gone = "\0".join(links)
            await self._git("update-index", "--force-remove", "-z", "--stdin", stdin=gone)
        await self._git("add", "--all", ".")
        # A submodule that is not checked out is an empty folder, which git overlooks.
        if empty := {path: sha for path, sha in links.items() if _is_empty(self.tree / path)}:
            known = "\0".join(f"160000 {sha}\t{path}" for path, sha in empty.items())
            await self._git("update-index", "--add", "-z", "--index-info", stdin=known)
        return (await self._git("write-tree")).out.strip()

    async def _links(self) -> dict[str, str]:
        """The repositories inside this one, by path, with the commit at which the index has them."""
        said = await self._git("ls-files", "--stage", "-z")
        entries = [entry.partition("\t") for entry in said.out.split("\0") if entry.startswith("160000 ")]
        return {path: about.split()[1] for about, _, path in entries}

    async def tree_of(self, commit: str) -> str:
        return (await self._git("rev-parse", f"{commit}^{{tree}}")).out.strip()

    async def diff(self, since: str, *options: str) -> str:
        """What is staged, compared with a commit."""
        plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
        return (await self._git("diff", "--cached", *plain, *options, since, good=(0, 2))).out

    async def show(self, commit: str, path: str) -> str | None:
        """A file as a commit has it, or None."""
        said = await self._git("cat-file", "blob", f"{commit}:{path}", good=(0, 128), cwd=self._cache)
        return said.out if said.exit_code == 0 else None

    async def paths(self, commit: str) -> list[str]:
        """Every file that a commit has."""
        said = await self._git("ls-tree", "-r", "-z", "--name-only", commit, cwd=self._cache)
        return [path for path in said.out.split("\0") if path]

    async def parents(self, commit: str) -> list[str]:
        return (await self._git("rev-parse", f"{commit}^@")).out.split()

    async def message(self, commit: str) -> str:
        return (await self._git("log", "-1", "--format=%B", commit)).out.strip()

    async def trailer(self, commit: str, name: str) -> str:
        """A trailer of a commit's message, or an empty string."""
        said = await self._git("log", "-1", f"--format=%(trailers:key={name},valueonly)", commit)
        return said.out.strip()

    async def commit(self, tree: str, parents: Sequence[str], message: str, author: Git) -> str:
        """Make a commit under the agent's own name; answers its SHA."""
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", author.name), ("EMAIL", author.email))
        }
        named = [part for parent in parents for part in ("-p", parent)]
        made = await self._git("commit-tree", tree, *named, stdin=message, env=who)
        return made.out.strip()

    async def push(self, commit: str, branch: str, credential: Credential, seen: str | None) -> None:
        """Push one commit to one branch, which has to be where it was seen.

        Args:
            seen: The branch's head on the remote as we know it; None if there must be no branch.

        Raises:
            Moved: The branch is elsewhere.
            Stuck: The remote refuses.
        """
        await self._push(f"{commit}:{_ref(branch)}", branch, credential, seen or "")

    async def delete(self, branch: str, credential: Credential, seen: str) -> None:
        """Delete a branch of the remote if it is where it was seen; errors as in `push`."""
        await self._push(f":{_ref(branch)}", branch, credential, seen)

    async def _push(self, spec: str, branch: str, credential: Credential, seen: str) -> None:
        lease = f"--force-with-lease={_ref(branch)}:{seen}"
        arguments = ("push", "--quiet", "--porcelain", lease, credential.clone_url, spec)
        said = await self._git(*arguments, credential=credential, good=(0, 1))
        if said.exit_code == 0:
            return
        if "[rejected]" in said.out:
            raise Moved(f"{branch} is not at {seen or 'its beginning'} any more.")
        raise failure("push", redact(f"{said.err}\n{said.out}"))

    async def _git(
        self,
        *arguments: str,
        credential: Credential | None = None,
        stdin: str | None = None,
        good: tuple[int, ...] = (0,),
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Output:
        """Run git among the files, or at `cwd` where they may be exchanged meanwhile."""
        merged = {**self._env, **(env or {})}
        return await git(*arguments, cwd=cwd or self.tree, env=merged, credential=credential, stdin=stdin, good=good)


def _ref(branch: str) -> str:
    """The full name of a branch that an agent may push."""
    if not re.fullmatch(r"[\w][\w./-]*", branch) or branch.endswith((".lock", "/", ".")) or ".." in branch:
        raise Stuck("git_error", f"{branch!r} is no branch that an agent may push.")
    return f"refs/heads/{branch}"


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
