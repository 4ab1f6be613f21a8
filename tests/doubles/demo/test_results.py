"""What the scripts make of the tools' answers."""

from __future__ import annotations

import json

import pytest

from rig.doubles.anthropic.script import Result, UnexpectedInput
from rig.doubles.demo.results import exit_code, file_content, passed, words

FILE = 'def f():\n\n    return "1: x"\n'


def answer(text: str, is_error: bool = False) -> Result:
    return Result(text, is_error)


@pytest.mark.parametrize("separator", ["\t", "→"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_is_read_without_its_line_numbers(separator: str, wrapped: bool) -> None:
    lines = [f"{number:>3}{separator}{line}" for number, line in enumerate(FILE.splitlines(), start=1)]
    text = "\n".join([*lines, "[go on at line 4]"])
    assert file_content(answer(json.dumps({"result": text}) if wrapped else text)) == FILE


def test_a_file_without_numbers_is_refused() -> None:
    with pytest.raises(UnexpectedInput, match="a file with numbered lines"):
        file_content(answer("hello"))


def test_an_error_is_refused_with_its_words() -> None:
    with pytest.raises(UnexpectedInput, match="came: not_found: There is no file x"):
        words(answer("not_found: There is no file x.", is_error=True))


@pytest.mark.parametrize(
    ("text", "code"), [('{"exit_code": 0, "stderr": "OK"}', 0), ("exit code: 1", 1), ("exit_code=-9", -9)]
)
def test_the_exit_code_is_found_in_json_and_in_words(text: str, code: int) -> None:
    assert exit_code(answer(text)) == code


@pytest.mark.parametrize("text", ['{"exit_code": 1, "stderr": "OK"}', '{"exit_code": 0, "stderr": "NO TESTS RAN"}'])
def test_a_command_passes_only_with_zero_and_an_ok(text: str) -> None:
    passed(answer('{"exit_code": 0, "stderr": "OK"}'))
    with pytest.raises(UnexpectedInput):
        passed(answer(text))
