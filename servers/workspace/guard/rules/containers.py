"""Containers: no way out of them, and what runs in them is looked at too."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.rules import paths
from servers.workspace.guard.verdict import Blocked

RUN_VALUES = (
    "-v", "--volume", "-e", "--env", "--env-file", "-p", "--publish", "--name", "-w", "--workdir", "-u", "--user",
    "--network", "--net", "--mount", "--entrypoint", "-l", "--label", "--platform", "-m", "--memory", "--cpus", "-h",
    "--hostname", "--add-host", "--index", "--restart", "--gpus", "--shm-size", "--ulimit", "--pid", "--ipc",
    "--cap-add",
    "--security-opt", "--device", "--tmpfs", "-f", "--file", "--profile", "--project-name", "--pull", "--health-cmd",
)  # fmt: skip
EXECUTES = ("exec", "run")
DATA = re.compile(
    r"psql|mysql|mariadb|redis-cli|valkey-cli|mongosh?|sqlite3|dropdb|mysqladmin|cqlsh|clickhouse-client"
)
SHELLS = ("sh", "bash", "ash")
MOUNTED = re.compile(
    r"^(/|/etc|/root|/home|/var|/usr|/proc|/sys|/dev|/boot|/var/run/docker\.sock|/run/docker\.sock|/run)$"
)


def docker(invocation: Invocation) -> str | None:
    """Judge docker, podman and compose.

    Raises:
        Blocked: A folder of the machine is handed in, or what runs inside destroys data.
    """
    for option in ("-v", "--volume", "--mount"):
        for value in invocation.option(option):
            _check_mount(invocation, value)
    words = [word for _, word in invocation.numbered(RUN_VALUES)]
    if words[:1] == ["compose"]:
        words = words[1:]
    if (
        words[:1]
        and words[0] in ("rm", "kill", "stop", "container")
        and any(marks.OUTPUT in word for word in invocation.args)
    ):
        raise Blocked(
            "It ends containers that this command did not start. Name your own, or use docker compose down."
        )
    if words[:1] and words[0] in EXECUTES:
        inner = _inner(invocation, words[0])
        if inner and (DATA.fullmatch(inner[0]) or (inner[0] in SHELLS and DATA.search(" ".join(inner)))):
            return invocation.shell.calls.call(invocation.shell, inner, invocation.stdin, {})
    return marks.OUTPUT


def _inner(invocation: Invocation, word: str) -> list[str]:
    """The command that runs in the container: what stands behind its name or image."""
    numbered = list(invocation.numbered(RUN_VALUES))
    names = [name for _, name in numbered]
    position = names.index(word) + 2
    return invocation.args[numbered[position][0] :] if len(numbered) > position else []


def _check_mount(invocation: Invocation, value: str) -> None:
    named = re.search(r"(?:source|src)=([^,]+)", value)
    source = named[1] if named else value.split(":")[0]
    if not named and ":" not in value:
        return
    absolute = invocation.shell.absolute(source) if source[:1] in "/~." else None
    if absolute is None:
        return
    home = absolute == invocation.shell.home()
    if MOUNTED.match(absolute) or home or paths.is_credential(invocation.shell.place, absolute):
        raise Blocked(f"It hands {source} of this machine to a container. Mount folders of the workspace.")


def kubectl(invocation: Invocation) -> str | None:
    """Judge what kubectl shows and runs; what is simply forbidden stands in the policy.

    Raises:
        Blocked: It shows secrets, or runs what is forbidden.
    """
    words = invocation.positionals(
        ("-n", "--namespace", "--context", "-o", "--output", "-l", "--selector", "-c", "--kubeconfig")
    )
    shown = [*invocation.option("-o"), *invocation.option("--output")]
    secrets = words[:1] == ["get"] and any(re.match(r"secrets?\b|.*\bsecrets?(/|,|$)", word) for word in words[1:2])
    if secrets and any(re.match(r"json|yaml|go-template|custom", form) for form in shown):
        raise Blocked("It shows secrets of the cluster.")
    if words[:1] == ["exec"] and "--" in invocation.args:
        inner = invocation.args[invocation.args.index("--") + 1 :]
        return invocation.shell.calls.call(invocation.shell, inner, invocation.stdin, {}) if inner else None
    return None


RULES: dict[str, Callable[[Invocation], str | None]] = {
    **dict.fromkeys(("docker", "podman", "nerdctl", "docker-compose", "podman-compose"), docker),
    **dict.fromkeys(("kubectl", "oc", "k", "kubecolor"), kubectl),
}
