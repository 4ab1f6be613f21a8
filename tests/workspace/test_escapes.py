"""Whatever a command tries, it stays in its workspace, alone, offline and within its limits."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from servers.workspace.commands import CommandResult, Shell, environment
from servers.workspace.leave import Leave
from servers.workspace.sandbox import Private
from tests.fixtures_waiting import Eventually
from tests.workspace.conftest import available
from tests.workspace.outside import CANARY, listening, made, repository, running, running_in, state, state_of

PTRACE_SEIZE = 0x4206
REPOSITORY = Path(__file__).parents[2]
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    monkeypatch.setenv("RIG_TOKEN", CANARY)


async def attempt(shell: Shell, command: str, timeout: float = 20) -> CommandResult:
    """Run a command; whatever it did, the canary must not come back."""
    result = await shell.run(command, timeout)
    assert CANARY not in result.stdout + result.stderr
    return result


@pytest.mark.parametrize(
    "command",
    [
        "cat {outside}/secret",
        "cat ../outside/secret",
        "ln -s {outside}/secret here; cat here; cp -rL {outside} there; cat there/secret",
        "ln -s {outside} in; cd in && cat secret",
        "ln {outside}/secret hard; cat hard",
        "cat /proc/self/root{outside}/secret /proc/1/root{outside}/secret /proc/{pid}/root{outside}/secret",
        "cat /proc/{pid}/cwd/../outside/secret; ls -l /proc/{pid}/fd/",
        "python3 -c 'import os; os.chdir(chr(46)*2); print(open(\"outside/secret\").read())'",
        "mount --bind {outside} . ; cat secret",
        "unshare --user --map-root-user --mount sh -c 'mount --bind {outside} . ; cat secret'",
    ],
)
async def test_nothing_beside_the_workspace_is_read(shell: Shell, outside: Path, command: str) -> None:
    result = await attempt(shell, command.format(outside=outside, pid=os.getpid()))
    assert result.exit_code != 0


@pytest.mark.parametrize(
    "place",
    ["{outside}/new", "../outside/new", "/new", "/usr/new", "/etc/new", "/dev/new", "/proc/sys/kernel/core_pattern",
     "/proc/sys/kernel/pid_max", "/proc/{pid}/mem", "/var/new", "{package}/new", "{outside}/secret"],
)  # fmt: skip
async def test_nothing_beside_the_workspace_is_written(shell: Shell, outside: Path, place: str) -> None:
    path = place.format(outside=outside, pid=os.getpid(), package=REPOSITORY / "servers")
    result = await attempt(shell, f"(echo 1000 > {path}) 2>/dev/null; ln -s {path} link; echo 1000 > link")
    assert result.exit_code != 0
    assert (outside / "secret").read_text() == CANARY
    assert not (outside / "new").exists()
    assert state(CORE_PATTERN) != "1000"


async def test_nobodys_home_and_no_systems_secret_is_seen(shell: Shell) -> None:
    home = Path.home()
    places = f"{home}/.ssh {home}/.netrc {home}/.gitconfig {home}/.bashrc /root/.bashrc /etc/shadow /etc/ssh"
    result = await attempt(shell, f"cat {places}/* {places}; ls -A {home}/.ssh; ls -A ~; echo end")
    assert result.stdout == "end\n"


async def test_the_environment_of_no_other_process_is_read(shell: Shell) -> None:
    with running(["sleep", "60"]) as pid:
        command = f"cat /proc/{pid}/environ /proc/{os.getpid()}/environ /proc/1/environ /proc/$PPID/environ; env"
        result = await attempt(shell, f"{command}; cat /proc/[0-9]*/environ")
    names = {line.partition("=")[0] for line in result.stdout.replace("\0", "\n").splitlines()}
    assert {"PATH", "HOME", "STACK"} <= names
    assert not names & {"RIG_TOKEN", "ANTHROPIC_API_KEY", "USER", "LOGNAME"}


async def test_no_other_process_is_killed_or_traced(shell: Shell) -> None:
    with running(["sleep", "60"]) as pid:
        trace = f"import ctypes; c = ctypes.CDLL(None); print(c.ptrace({PTRACE_SEIZE}, {pid}, 0, 0))"
        tries = [f"kill -9 {pid}", f"kill -STOP {os.getpid()}", f"kill -0 {os.getppid()}"]
        for command in (*tries, f"python3 -c '{trace}' | grep -x 0", f"head -c 1 /proc/{pid}/mem"):
            assert (await attempt(shell, command)).exit_code != 0
        assert state_of(pid) == "S"


async def test_a_hook_an_alias_and_a_filter_of_the_workspace_do_nothing_outside(
    shell: Shell, root: Path, outside: Path
) -> None:
    repository(root)
    script = f"#!/bin/sh\\ntouch {outside}/owned {root}/ran\\n"
    steps = [
        f"printf '{script}' > run.sh; chmod +x run.sh; cp run.sh .git/hooks/post-checkout",
        f"git config alias.status '!{root}/run.sh'; git config core.fsmonitor {root}/run.sh",
        f"git config core.hooksPath {root}; git config filter.x.clean {root}/run.sh",
        "echo '* filter=x' > .gitattributes",
    ]
    await attempt(shell, "; ".join(steps))
    await shell.run("git status; git checkout -q -b other; git add .", 20, Leave(git=True))
    assert not (outside / "owned").exists()


async def test_hooks_and_configuration_of_the_runs_own_git_stay_as_they_are(root: Path, bwrap_shell: Shell) -> None:
    repository(root)
    before = (root / ".git/config").read_text()
    steps = [
        "git config alias.status '!true'", "echo x >> .git/config", "rm -f .git/config", "mv .git gone",
        "mv .git/config .git/other", "ln -sf /etc/passwd .git/config", "rm -rf .git/hooks",
        "echo x > .git/hooks/post-checkout", "mkdir -p new/.git && mv -T new/.git .git",
    ]  # fmt: skip
    for step in steps:
        assert (await bwrap_shell.run(step, 20, Leave(git=True))).exit_code != 0, step
    assert (root / ".git/config").read_text() == before
    assert made(root / ".git/hooks", "*") == 0
    worked = await bwrap_shell.run("git status --short && git stash list && git log --oneline", 20, Leave(git=True))
    assert (worked.exit_code, "first" in worked.stdout) == (0, True)


@pytest.fixture
def bwrap_shell(root: Path, private: Private) -> Shell:
    return Shell(available("bwrap"), root, private, environment(private.home, {}))


@pytest.mark.parametrize("how", ["sleep 60 &", "(setsid sleep 60 &);", "setsid nohup sleep 60 >/dev/null 2>&1 &"])
async def test_a_process_in_the_background_does_not_outlive_the_command(
    shell: Shell, root: Path, eventually: Eventually, how: str
) -> None:
    result = await attempt(shell, f"{how} echo done", 20)
    assert (result.exit_code, result.stdout) == (0, "done\n")
    assert result.seconds < 5
    await eventually(lambda: not running_in(root))


async def test_nothing_outlives_the_servers_own_death(shell: Shell, root: Path, eventually: Eventually) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from servers.workspace.commands import *; "
        "from servers.workspace.sandbox import *; p = Private(Path(sys.argv[3])); "
        "asyncio.run(Shell(choose(sys.argv[1]), Path(sys.argv[2]), p, environment(p.home, {}))"
        ".run('(setsid env -i sleep 60 &); touch began; sleep 60', 60))"
    )
    argv = [sys.executable, "-c", program, shell.sandbox.name, str(root), str(shell.private.folder)]
    with running(argv, cwd=REPOSITORY):
        await eventually(lambda: (root / "began").exists() and len(running_in(root)) > 1)
    await eventually(lambda: not running_in(root))


async def test_a_fork_bomb_stays_small(shell: Shell, root: Path, eventually: Eventually) -> None:
    """The bomb has an end of its own: what is tested here must not hit the machine if it fails."""
    bomb = "import os, time\nfor _ in range(8): os.fork()\nopen(f'up{os.getpid()}', 'w').close(); time.sleep(1)"
    await attempt(shell, f'python3 -c "{bomb}"', timeout=10)
    await eventually(lambda: not running_in(root))
    assert made(root, "up*") <= 100  # of 256


async def test_memory_of_all_processes_together_is_limited(shell: Shell) -> None:
    one = "x = bytearray(40 << 20); open(f'held{os.getpid()}', 'w').close(); time.sleep(1); os._exit(0)"
    forks = f"import os, time\nfor _ in range(20):\n  if os.fork() == 0:\n    {one}\ntime.sleep(1.2)"
    await attempt(shell, f'python3 -c "{forks}"')
    assert made(shell.folder, "held*") < 16  # of twenty with 40 MiB each, under 300 MiB


async def test_a_disk_is_not_filled(shell: Shell, root: Path, private: Private) -> None:
    write = "for n in $(seq 99); do dd if=/dev/zero of=$TMPDIR/$n bs=1M count=16 2>/dev/null; done; echo end"
    result = await attempt(shell, write)
    assert (result.exit_code, result.stdout) == (137, "")
    assert "hold more than 96 MiB; delete some" in result.stderr
    assert (await attempt(shell, "truncate -s 1T sparse")).exit_code != 0
    assert (await attempt(shell, "rm -rf $TMPDIR/*; sleep 0.2; echo again > file")).exit_code == 0
    assert (root / "file").read_text() == "again\n"


async def test_a_disk_is_not_filled_with_names(shell: Shell) -> None:
    result = await attempt(shell, "for n in $(seq 9999); do > $n; done; sleep 9")
    assert (result.exit_code, "are more than 5000" in result.stderr) == (137, True)


async def test_a_memory_disk_is_not_filled(shell: Shell) -> None:
    fill = "for f in /dev/shm /tmp; do dd if=/dev/zero of=$f/x bs=1M count=400; done; du -sm /dev/shm /tmp"
    result = await attempt(shell, fill)
    sizes = [int(line.split()[0]) for line in result.stdout.splitlines()]
    assert all(size < 100 for size in sizes)


@pytest.mark.parametrize("abstract", [False, True])
async def test_the_hosts_unix_sockets_are_out_of_reach(shell: Shell, tmp_path: Path, abstract: bool) -> None:
    address = f"\0rig-{os.getpid()}" if abstract else str(tmp_path / "docker.sock")
    with listening(socket.AF_UNIX, address):
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({address!r}); print(s.recv(99))"
        result = await attempt(shell, f"cat > try.py <<'END'\n{code}\nEND\npython3 try.py")
    assert result.exit_code != 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0"])
async def test_the_hosts_own_ports_are_out_of_reach(shell: Shell, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with listening(family, ("::1" if ":" in host else "127.0.0.1", 0)) as port:
        code = f"import socket; print(socket.create_connection(({host!r}, {port}), 3).recv(99))"
        assert (await attempt(shell, f'python3 -c "{code}"')).exit_code != 0


async def test_no_name_is_looked_up_and_no_datagram_leaves(shell: Shell) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        address = ("127.0.0.1", server.getsockname()[1])
        send = f"import socket; socket.socket(2, socket.SOCK_DGRAM).sendto(b'x', {address})"
        await attempt(shell, f'python3 -c "{send}"')
        with pytest.raises(BlockingIOError):
            server.recv(1)
    look_up = "import socket; socket.getaddrinfo('example.org', 80)"
    assert (await attempt(shell, f'timeout 5 python3 -c "{look_up}"')).exit_code not in (0, 124)
    out = "timeout 5 bash -c '> /dev/udp/192.0.2.1/53; > /dev/tcp/192.0.2.1/80'"
    assert (await attempt(shell, out)).exit_code == 1


async def test_what_a_run_left_in_its_temporary_folder_leads_the_next_command_nowhere(
    shell: Shell, root: Path, outside: Path
) -> None:
    part = root.relative_to("/").parts[:2]
    for folder in ("$TMPDIR", "/tmp", "~"):
        first = f"cd {folder} && mkdir -p {part[0]} && ln -s {outside} {part[1]}; ln -s {outside} {root.name}"
        await attempt(shell, first)
    assert (await attempt(shell, "echo ours > mine; cat mine")).stdout == "ours\n"
    assert made(outside, "*") == 1


async def test_what_was_left_of_a_home_is_made_again(shell: Shell, private: Private) -> None:
    await attempt(shell, "echo x > ~/.profile; chmod 0 ~")
    private.home.chmod(0o700)
    shutil.rmtree(private.folder)
    assert (await attempt(shell, "ls -A ~ | wc -l; touch $TMPDIR/x && echo ok")).stdout == "0\nok\n"
