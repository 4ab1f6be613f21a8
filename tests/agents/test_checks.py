"""What a change must pass before it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agents.checks import CommandReport, harm, inspect, prove
from agents.settings import AgentSettings

if TYPE_CHECKING:
    from tests.agents.stage import Local


def settings() -> AgentSettings:
    return AgentSettings.load(token="x")


async def complaint(local: Local) -> tuple[str, str]:
    await local.copy.stage()
    found = await inspect(local.copy, local.base, settings())
    return (found.error_class, found.text) if found else ("", "")


@pytest.mark.parametrize(
    ("path", "content", "error_class", "named"),
    [
        (".github/workflows/ci.yml", "on: []\n", "protected_path", ".github/workflows/ci.yml"),
        (".github/workflows/deep/er.yml", "on: []\n", "protected_path", ".github/workflows/deep/er.yml"),
        (".rig-agent.yaml", "testCommand: 'true'\n", "protected_path", ".rig-agent.yaml"),
        ("docs/CODEOWNERS", "* @mallory\n", "protected_path", "docs/CODEOWNERS"),
        ("notes.txt", "a\nghp_" + "a" * 36 + "\n", "secret_found", "notes.txt:2: GitHub Token"),
        ("key.pem", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n", "secret_found", "key.pem:1: Private Key"),
        ("big.txt", "line\n" * 3001, "diff_too_large", "3001 lines"),
        ("ünïcode name.txt", "<<<<<<< x\n=======\n>>>>>>> y\n", "conflict_markers", "ünïcode name.txt:1"),
        (".venv/x.py", "left over\n", "no_changes", "Nothing is changed"),
    ],
)
async def test_a_change_is_refused_with_the_place(
    local: Local, path: str, content: str, error_class: str, named: str
) -> None:
    local.write(path, content)
    found, text = await complaint(local)
    assert found == error_class
    assert named in text


@pytest.mark.parametrize(
    "attributes",
    ["* -diff\n", "*.txt binary\n", "* -diff -text conflict-marker-size=40 whitespace=-trailing-space\n"],
)
@pytest.mark.parametrize(
    ("content", "error_class"),
    [
        ("ghp_" + "a" * 36 + "\n", "secret_found"),
        ("line\n" * 3001, "diff_too_large"),
        ("<<<<<<< x\n=======\n>>>>>>> y\n", "conflict_markers"),
    ],
)
async def test_attributes_hide_nothing(local: Local, attributes: str, content: str, error_class: str) -> None:
    local.write(".gitattributes", attributes)
    local.write("notes.txt", content)
    assert (await complaint(local))[0] == error_class


SECRETS = "key = AKIA" + "B" * 16 + "\nghp_" + "c" * 36 + "\n"


@pytest.mark.parametrize(
    "content",
    [
        b"\0" + SECRETS.encode(),
        *(SECRETS.encode(encoding) for encoding in ("utf-16", "utf-16-be", "utf-16-le", "utf-32")),
        b"\x89PNG\r\n\xff" + SECRETS.encode() + b"\xfe\x00",
    ],
)
async def test_what_is_no_plain_text_is_looked_through_too(local: Local, content: bytes) -> None:
    (local.copy.tree / "notes.bin").write_bytes(content)
    found, text = await complaint(local)
    assert found == "secret_found"
    assert "notes.bin:1: AWS Access Key" in text or "notes.bin:2: AWS Access Key" in text
    assert "GitHub Token" in text
    assert await harm(local.copy, local.base, settings())


async def test_lines_of_what_git_takes_for_binary_are_counted(local: Local) -> None:
    local.write("big.txt", "\0" + "line\n" * 3001)
    assert (await complaint(local))[0] == "diff_too_large"


async def test_headings_are_no_markers(local: Local) -> None:
    local.write("notes.rst", "Title\n========\n\n>>> 1\n1\n<<<<<< six\n<<<<<<<seven\n")
    assert await complaint(local) == ("", "")


async def test_the_text_of_a_refusal_does_not_repeat_the_secret(local: Local) -> None:
    secret = "ghp_" + "b" * 36
    local.write("notes.txt", secret)
    assert secret not in (await complaint(local))[1]


async def test_too_many_files_are_refused(local: Local) -> None:
    for number in range(101):
        local.write(f"many/{number}.txt", "x\n")
    assert (await complaint(local))[0] == "diff_too_large"


async def test_a_repository_inside_the_repository_is_refused(local: Local) -> None:
    local.write("vendored/x.txt", "x\n")
    inner = local.copy.tree / "vendored"
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        local.run(inner, *arguments)
    assert await complaint(local) == (
        "embedded_repository",
        "Remove the git repository inside vendored.",
    )


async def test_an_ordinary_change_passes(local: Local) -> None:
    local.write("app.py", "def double(n):\n    return 2 * n\n")
    local.write("logo.png", "\x00\x01binary")
    (local.copy.tree / "AGENTS.md").unlink()
    (local.copy.tree / "link").symlink_to("/etc/passwd")
    assert await complaint(local) == ("", "")


async def test_commands_run_in_order_up_to_the_first_that_fails() -> None:
    ran: list[str] = []

    async def run(command: str) -> CommandReport:
        ran.append(command)
        return CommandReport(command=command, exit_code=len(ran) - 1, stdout="out", stderr="err")

    reports, found = await prove(["build", "test", "more"], run)
    assert ran == ["build", "test"]
    assert [report.passed for report in reports] == [True, False]
    assert found is not None
    assert found.text == "`test` ended with 1:\nout\nerr"


async def test_a_command_that_does_not_end_is_named() -> None:
    async def run(command: str) -> CommandReport:
        return CommandReport(command=command, exit_code=124, timed_out=True)

    _, found = await prove(["test"], run)
    assert found is not None
    assert found.text.startswith("`test` did not end in time:")
