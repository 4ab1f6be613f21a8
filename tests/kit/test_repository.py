"""What a repository says about itself is read strictly, whatever somebody wrote into the file."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from servers.kit.errors import InvalidInput
from servers.kit.repository import LONGEST, RepositorySettings, json_schema, parse

GOOD = """\
stack: python
tools: [git, make]
setupCommand: pip install -e .
testCommand: python -m pytest -q
buildCommand: make
escalate: [discord]
policy:
  holdLabels: [wait]
  codeOwners: ignore
  humanGates:
    paths:
      money: [billing/**]
    keywords:
      money: [invoice]
    newDependencies: no
  deployment:
    production: live
  network: [internal.example.com, "*.example.org:8443"]
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    return str(caught.value).splitlines()


def test_a_good_file_is_read() -> None:
    read = parse(GOOD)
    assert (read.stack, read.test_command, read.setup_command) == (
        "python",
        "python -m pytest -q",
        "pip install -e .",
    )
    assert (read.policy.hold_labels, read.policy.manual_labels) == (["wait"], ["manual-merge"])
    assert read.policy.human_gates.paths == {"money": ["billing/**"]}
    assert not read.policy.human_gates.new_dependencies
    assert read.policy.deployment
    assert read.policy.deployment.production == "live"


@pytest.mark.parametrize("text", [None, "", "  \n", "\n\n"])
def test_a_repository_without_the_file_gets_the_defaults(text: str | None) -> None:
    read = parse(text)
    assert read == RepositorySettings()
    assert (read.policy.code_owners, read.policy.human_gates.new_dependencies) == ("required", True)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("stack: python", "stak: python", ".rig-agent.yaml:1: stak: unknown key"),
        ("stack: python", "stack: 3", ".rig-agent.yaml:1: stack: Input should be a valid string"),
        ("stack: python", "stack: Py thon", ".rig-agent.yaml:1: stack: String should match"),
        ("tools: [git, make]", "tools: git", ".rig-agent.yaml:2: tools: Input should be a valid list"),
        ("tools: [git, make]", "tools: {git: 1}", ".rig-agent.yaml:2: tools: Input should be a valid list"),
        ("testCommand:", "test_command:", ".rig-agent.yaml:4: test_command: unknown key"),
        ("testCommand:", "stack:", ".rig-agent.yaml:4: stack: the key stands twice"),
        ("  codeOwners: ignore", "  codeOwners: maybe", ".rig-agent.yaml:9: policy.codeOwners: Input should be"),
        ("      money: [invoice]", "      money: invoice", ".rig-agent.yaml:14: policy.humanGates.keywords.money: "),
        ("newDependencies: no", "newDependencies: 0", ".rig-agent.yaml:15: policy.humanGates.newDependencies: "),
        ("    production:", "    prod:", ".rig-agent.yaml:17: policy.deployment.prod: unknown key"),
        ("internal.example.com", "'a b'", ".rig-agent.yaml:18: policy.network.0: String should match"),
        ("tools: [git, make]", "tools: [git, make", ".rig-agent.yaml:3: not valid YAML"),
        ("buildCommand: make", "buildCommand: a\x00b", ".rig-agent.yaml:5: not valid YAML"),
        ("stack: python", "stack: !!python/name:os.system", ".rig-agent.yaml:1: not valid YAML"),
        ("stack: python", "stack: 2024-99-99", ".rig-agent.yaml:1: not valid YAML"),
        ("stack: python", "? {a: b}\n: c", ".rig-agent.yaml:1: not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(before: str, after: str, said: str) -> None:
    assert before in GOOD
    assert mistakes(GOOD.replace(before, after, 1))[0].startswith(said)


BOMB = "a: &a [x, x]\n" + "".join(
    f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.parametrize(
    "text",
    ["- a\n- b\n", "words", "5", "policy: []", BOMB, "a: &a {b: *a}\n", "[" * 400, "\ud800", "x" * (LONGEST + 1)],
    ids=["list", "words", "number", "list for a map", "bomb", "in itself", "deep", "half a character", "long"],
)
def test_hostile_files_are_refused_with_a_line(text: str) -> None:
    assert mistakes(text)[0].startswith(".rig-agent.yaml:")


def test_a_megabyte_is_refused_unread() -> None:
    assert mistakes("tools:\n" + "- x\n" * 260_000) == [f".rig-agent.yaml:1: longer than {LONGEST} characters."]


def test_the_schema_for_editors_accepts_what_is_accepted() -> None:
    schema = json_schema()
    jsonschema.validate(yaml.safe_load(GOOD), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stak": "python"}, schema)
    assert json.dumps(schema)
