"""What git itself says of commits: a bare mirror per repository, with little on disk and no secret in it."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from servers.kit.errors import NotFound, TimedOut, Unavailable
from servers.kit.logs import get

NEEDED = (2, 38)  # the first git whose merge-tree writes trees
SECONDS = 45.0  # callers wait for a minute
MAX_PACKS = 100
KNOWN = 1000
FILTER = "blob:limit=100k"  # what is larger is fetched where git needs it
PASSED_ON = ("PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "GIT_SSL_CAINFO")
log = get(__name__)


@dataclass(frozen=True)
class Ran:
    """How a git command ended."""

    code: int
    out: str
    err: str


class Mirrors:
    """Mirrors of the repositories that are asked about, without large files until git needs them.

    Args:
        github_url: GitHub as browsers open it.
        megabytes: The mirrors' size together; the one that was used longest ago goes first.
        folder: Where they are until the end; by default a new folder for temporary files.
        needed: The oldest git that is asked.
    """

    def __init__(
        self, github_url: str, megabytes: int, folder: Path | None = None, needed: tuple[int, int] = NEEDED
    ) -> None:
        self._needed = needed
        self._url = github_url
        self._limit = megabytes * 1_000_000
        self._folder = folder
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._able: bool | None = None
        self._answers: dict[tuple[str, str, str, str], bool] = {}

    async def is_clean_merge(self, repository: str, secret: str, head: str, base: str, merged: str) -> bool:
        """Whether `merged` is `head` with some commit of the branch `base` merged into it, and nothing else.

        Raises:
            NotFound: The repository has no such commit or branch.
            Unavailable: git cannot fetch now.
        """
        if not await self._can():
            return False
        question = (repository.lower(), head, base, merged)
        async with self._locks[repository.lower()]:
            if question not in self._answers:
                mirror = await self._opened(repository)
                try:
                    answer = await self._compare(mirror, secret, head, base, merged)
                except TimedOut:  # too large to be compared: a review anew is better than a merge that never comes
                    log.warning("a merge cannot be compared in time", repository=repository, merged=merged)
                    return False
                finally:
                    await asyncio.to_thread(self._tidy, mirror)
                if len(self._answers) >= KNOWN:
                    self._answers.clear()
                self._answers[question] = answer
            return self._answers[question]

    def close(self) -> None:
        """Forget every mirror."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _compare(self, mirror: Path, secret: str, head: str, base: str, merged: str) -> bool:
        tip = f"refs/heads/{base}"
        await self._fetch(mirror, secret, merged, f"+{tip}:{tip}")
        tree, *parents = (await self._git(mirror, "log", "-1", "--format=%T %P", merged)).out.split()
        if len(parents) != 2 or parents[0] != head:
            return False
        ancestor = await self._git(mirror, "merge-base", "--is-ancestor", parents[1], tip, secret=secret)
        clean = await self._git(mirror, "merge-tree", "--write-tree", head, parents[1], secret=secret)
        if ancestor.code > 1 or clean.code > 1:
            raise Unavailable(f"git could not compare the commits: {ancestor.err or clean.err}"[:500])
        return ancestor.code == 0 and clean.code == 0 and clean.out.split()[0] == tree

    async def _fetch(self, mirror: Path, secret: str, *what: str) -> None:
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", f"--filter={FILTER}")
        ran = await self._git(mirror, "fetch", *options, "origin", *what, secret=secret)
        if ran.code == 0:
            return
        if re.search(r"not our ref|couldn't find remote ref|no such remote ref|not found", ran.err, re.IGNORECASE):
            raise NotFound(f"GitHub has no such commit or branch any more: {ran.err[:300]}")
        raise Unavailable(f"git cannot fetch from GitHub now: {ran.err[:300]}")

    async def _opened(self, repository: str) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="rig-github-"))
        mirror = self._folder / f"{repository.lower().replace('/', '+')}.git"
        if not mirror.exists():
            mirror.mkdir(parents=True)
            await self._git(mirror, "init", "--quiet", "--bare", ".")
            with (mirror / "config").open("a") as config:  # a repository's name is checked by then
                url = f"{self._url}/{repository}.git"
                config.write(
                    f'[remote "origin"]\n\turl = {url}\n\tpromisor = true\n\tpartialclonefilter = {FILTER}\n'
                )
        os.utime(mirror)
        return mirror

    def _tidy(self, used: Path) -> None:
        """Keep within the limit; a mirror of many small packs is cheaper to fetch anew than to repack."""
        if len(list(used.glob("objects/pack/*.pack"))) > MAX_PACKS:
            shutil.rmtree(used, ignore_errors=True)
        mirrors = sorted(used.parent.iterdir(), key=lambda mirror: mirror.stat().st_mtime)
        sizes = {mirror: _size(mirror) for mirror in mirrors}
        for mirror in mirrors:
            if sum(sizes.values()) <= self._limit:
                return
            busy = self._locks[mirror.name.removesuffix(".git").replace("+", "/", 1)].locked() and mirror != used
            if not busy:
                shutil.rmtree(mirror, ignore_errors=True)
                del sizes[mirror]

    async def _can(self) -> bool:
        if self._able is None:
            try:
                said = (await self._git(Path.cwd(), "--version")).out
            except OSError:
                said = ""
            found = re.search(r"(\d+)\.(\d+)", said)
            self._able = found is not None and (int(found[1]), int(found[2])) >= self._needed
            if not self._able:
                log.warning("no git 2.38 or newer: every merge of the base has to be reviewed anew", git=said.strip())
        return self._able

    async def _git(self, folder: Path, *arguments: str, secret: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=folder,
            env=self._environment(folder, secret),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise TimedOut("git did not end in time. Try again later.") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Ran(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace").strip())

    def _environment(self, folder: Path, secret: str) -> dict[str, str]:
        """Nobody's configuration but ours, and the secret where neither the disk nor a list of processes shows it."""
        plain = {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "http:https",
        }
        if not secret:
            return plain
        basic = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
        return plain | {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
