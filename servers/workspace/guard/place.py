"""Where a tool is called: the workspace, its branches, who asks, and which paths are whose."""

from __future__ import annotations

import posixpath
import re
from fnmatch import translate
from functools import cached_property, lru_cache

from servers.workspace.guard.policy import Commands, Denial, Policy, base

HOME_OF_ANYBODY = re.compile(r"^(/root|/home/[^/]+|/Users/[^/]+|/var/root)(?=/|$)")
HOST_ONLY = re.compile(r"^[a-z][\w-]*$")
LOOPBACK = re.compile(
    r"^(localhost|127(\.\d+){1,3}|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal|.*\.(localhost|test))$"
)


class Place:
    """What a verdict depends on besides the tool and its input.

    Args:
        workspace: Absolute path of the workspace's root.
        branch: Branch that the work happens on; empty where it is not known.
        protected: Branches, as patterns, that nobody pushes to besides those of the policy.
        remote: Name of the only remote that is pushed to.
        person: Whether somebody can be asked; for an agent what is unclear is denied.
        home: Home of whoever runs the command.
        scratch: Folders for temporary files besides those of the policy.
        reachable: Hosts that the sandbox lets commands reach, as `host`, `*.host` or `host:port`; to connect there is
            no fault, to send files or secrets there still is.
    """

    def __init__(
        self,
        workspace: str,
        branch: str = "",
        protected: tuple[str, ...] = (),
        remote: str = "origin",
        person: bool = False,
        policy: Policy | None = None,
        home: str = "/nonexistent",
        scratch: tuple[str, ...] = (),
        reachable: tuple[str, ...] = (),
    ) -> None:
        self.workspace = posixpath.normpath(workspace)
        self.branch = branch
        self.remote = remote
        self.person = person
        self.policy = policy or base()
        self.home = home
        self._reachable = reachable
        self._scratch = (*self.policy.scratch, *scratch)
        self._protected = _any((*self.policy.protected_branches, *protected))

    @cached_property
    def commands(self) -> Commands:
        """The policy's denied commands."""
        return _commands(self.policy.denied)

    def is_protected(self, branch: str) -> bool:
        """Whether nobody pushes to `branch`."""
        return bool(self._protected.match(branch))

    def is_local_host(self, host: str) -> bool:
        """Whether `host` is this machine, a neighbour in its compose file, or named by the guard's policy."""
        name = _portless(host)
        return _named(host, self.policy.hosts) or bool(LOOPBACK.match(name) or HOST_ONLY.match(name))

    def reaches(self, host: str) -> bool:
        """Whether commands may connect to `host`, given with its port where that is known."""
        return self.is_local_host(host) or _named(host, self._reachable)

    def absolute(self, path: str, cwd: str | None) -> str | None:
        """`path` without `..` and `~`; None where the folder is not known."""
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        elif path.startswith("~"):
            path = "/home/" + path[1:]
        if not path.startswith("/"):
            if cwd is None:
                return None
            path = f"{cwd}/{path}"
        return posixpath.normpath("/" + path.lstrip("/"))

    def inside(self, path: str) -> bool:
        """Whether an absolute path is the workspace or below it."""
        return path == self.workspace or path.startswith(self.workspace.rstrip("/") + "/")

    def relative(self, path: str) -> str:
        """A path of the workspace as seen from its root; the root itself is empty."""
        return path[len(self.workspace) :].lstrip("/")

    def is_scratch(self, path: str) -> bool:
        """Whether an absolute path lies below a folder for temporary files, and not beside the workspace."""
        return any(self._below(path, self.absolute(folder, None) or folder) for folder in self._scratch)

    def _below(self, path: str, root: str) -> bool:
        if not path.startswith(root + "/") or path.strip("/*") == root.strip("/"):
            return False
        return not self.workspace.startswith(root + "/") or _top(path, root) != _top(self.workspace, root)

    def is_credential(self, path: str) -> bool:
        """Whether an absolute path is a file that holds credentials."""
        return any(_any(self.policy.credentials).match(form) for form in self._forms(path))

    def is_secret_file(self, path: str) -> bool:
        """Whether a file's name says that it holds secrets."""
        name = posixpath.basename(path)
        return bool(_any(self.policy.secret_files).match(name)) and not _any(self.policy.public_files).match(name)

    def is_secret_variable(self, name: str) -> bool:
        """Whether a variable's name says that its value is a secret."""
        return name not in self.policy.harmless_variables and bool(_secret(self.policy.secret_variables).search(name))

    def is_device(self, path: str) -> bool:
        """Whether an absolute path may be written by anybody."""
        return bool(_any(self.policy.devices).match(path))

    def is_system(self, path: str) -> bool:
        """Whether an absolute path belongs to the machine."""
        return bool(_any(self.policy.system_files).match(path))

    def is_protected_file(self, path: str) -> bool:
        """Whether an absolute path is a file of the workspace that is not for the model."""
        return self.inside(path) and bool(_any(self.policy.protected_files).match(self.relative(path)))

    def _forms(self, path: str) -> list[str]:
        """The path, and the path as seen from whosever home it is in."""
        forms = [path, HOME_OF_ANYBODY.sub("~", path)]
        if path == self.home or path.startswith(self.home + "/"):
            forms.append("~" + path[len(self.home) :])
        return forms


def _portless(host: str) -> str:
    return re.sub(r":\d+$", "", host.lower())


def _named(host: str, names: tuple[str, ...]) -> bool:
    """Whether a host is on a list; one that is listed without a port is meant with any."""
    forms = (_portless(host), host.lower())
    wild = tuple(own[1:] for own in names if own.startswith("*."))
    return any(form in names or form.endswith(wild) for form in forms)


def _top(path: str, root: str) -> str:
    return path[len(root) :].strip("/").split("/")[0]


@lru_cache(maxsize=8)
def _commands(denied: tuple[Denial, ...]) -> Commands:
    return Commands(denied)


@lru_cache(maxsize=64)
def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_glob(pattern) for pattern in patterns) or r"(?!)")


def _glob(pattern: str) -> str:
    """A glob in which * stays within a folder; ** at its end does not."""
    if pattern.endswith("/**"):
        return _glob(pattern[:-3])[:-2] + r"/.*\Z"
    return translate(pattern).replace(".*", "[^/]*") if "/" in pattern else translate(pattern)


@lru_cache(maxsize=4)
def _secret(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
