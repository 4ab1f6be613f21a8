"""A mistake in a character file is named with file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from servers.kit.character import HttpServer, StdioServer, json_schema, load, load_all, parse
from servers.kit.errors import InvalidInput

CHARACTERS = Path(__file__).parents[2] / "characters"
GOOD = """\
name: dev-e-python
role: dev
personality: |
  You write Python.
git:
  name: Dev-E
  email: dev-e@example.com
mcpServers:
  github:
    tools: [get_diff]
  workspace:
    command: python
    args: [-I, -m, servers.workspace]
    tools: [read_file]
budget:
  usd: 2
"""
# As it stands in the original's documents.
ORIGINAL = """\
character:
  name: "Dev-E (Node)"
  personality: "You are Dev-E, a development agent..."
  llm:
    provider: claude-cli
    model: claude-sonnet-4-6
  mcpServers:
    github:
      command: npx
      args: ["-y", "@modelcontextprotocol/server-github"]
  cron:
    - schedule: "*/5 * * * *"
      prompt: "Check for work..."
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "x.yaml")
    return str(caught.value).splitlines()


def test_a_good_file_is_read() -> None:
    character = parse(GOOD, "x.yaml")
    assert character.name == "dev-e-python"
    assert isinstance(character.mcp_servers["github"], HttpServer)
    assert isinstance(character.mcp_servers["workspace"], StdioServer)
    assert character.budget.usd == 2
    assert character.budget.turns == 60


def test_the_older_form_below_one_key_is_read_and_its_mistakes_have_their_lines() -> None:
    nested = "character:\n" + "".join(f"  {line}\n" for line in GOOD.splitlines())
    assert parse(nested, "x.yaml") == parse(GOOD, "x.yaml")
    assert mistakes(nested.replace("    usd: 2", "    euro: 2")) == ["x.yaml:17: budget.euro: unknown key"]


def test_the_original_s_example_loads_as_it_is() -> None:
    character = parse(ORIGINAL, "dev-e.yaml")
    assert (character.name, character.title, character.role) == ("dev-e-node", "Dev-E (Node)", "dev")
    assert character.stacks == ["node"]
    assert character.llm.provider == "claude-cli"
    assert character.llm.model == "claude-sonnet-4-6"
    assert isinstance(character.mcp_servers["github"], StdioServer)
    assert [prompt.schedule for prompt in character.cron] == ["*/5 * * * *"]
    assert character.git.email == "dev-e-node@users.noreply.github.com"
    assert parse(ORIGINAL.replace("    - schedule", "      schedule"), "dev-e.yaml") == character


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Dev-E", "dev-e dev []"),
        ("Dev-E (Dotnet)", "dev-e-dotnet dev ['dotnet']"),
        ("Review-E", "review-e review []"),
        ("Conductor-E", "conductor-e support []"),
        ("iBuild-E", "ibuild-e dev []"),
    ],
)
def test_a_name_of_the_original_says_the_role(name: str, said: str) -> None:
    character = parse(f"character: {{name: {name}, personality: x}}", "x.yaml")
    assert f"{character.name} {character.role} {character.stacks}" == said


def test_what_a_name_does_not_say_has_to_be_said() -> None:
    assert mistakes("character:\n  name: Bob\n  personality: x\n") == ["x.yaml:1: role: Field required"]
    assert mistakes("character:\n  personality: x\n")[0] == "x.yaml:1: name: Field required"
    assert mistakes(ORIGINAL.replace("claude-cli", "gpt"))[0].startswith("x.yaml:5: llm.provider: ")
    assert mistakes(ORIGINAL.replace("*/5 *", "*/5"))[0].startswith("x.yaml:12: cron.0.schedule: ")
    assert "x.yaml:1: character: unknown key" in mistakes("character: Dev-E\n")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("role: dev", "role: dev\ncolour: red", "x.yaml:3: colour: unknown key"),
        ("  usd: 2", "  usd: 2\n  euros: 3", "x.yaml:17: budget.euros: unknown key"),
        ("    tools: [get_diff]", "    toolz: [get_diff]", "x.yaml:10: mcpServers.github.toolz: unknown key"),
        ("    command: python", "    command: 5", "x.yaml:12: mcpServers.workspace.command: Input should be"),
        ("    args: [-I, -m,", "    args: [-I, {a: 1},", "x.yaml:13: mcpServers.workspace.args.1: Input should be"),
        ("  github:", "  Git Hub:", "x.yaml:9: mcpServers.Git Hub: String should match"),
        ("role: dev", "role: boss", "x.yaml:2: role: Input should be 'dev', 'review', 'architect'"),
        ("role: dev", "role: no", "x.yaml:2: role: Input should be 'dev', 'review', 'architect'"),
        ("role: dev\n", "", "x.yaml:1: role: Field required"),
        ("  name: Dev-E\n", "", "x.yaml:5: git.name: Field required"),
        ("  usd: 2", "  usd: -1", "x.yaml:16: budget.usd: Input should be greater than 0"),
        ("  usd: 2", "  usd: .nan", "x.yaml:16: budget.usd: Input should be"),
        ("  usd: 2", "  usd: 2\n  usd: 3", "x.yaml:17: usd: the key stands twice"),
        ("role: dev", "role: dev\nrole: review", "x.yaml:3: role: the key stands twice"),
        ("role: dev", "role: dev\n5: five", "x.yaml:3: 5: "),
        ("role: dev", "role: dev\n? [a, b]\n: c", "x.yaml:3: not valid YAML"),
        ("role: dev", "role: dev\n\tx: 1", "x.yaml:3: not valid YAML"),
        ("role: dev", "role: !!python/object/apply:os.system [id]", "x.yaml:2: not valid YAML"),
        ("role: dev", "role: *nobody", "x.yaml:2: not valid YAML"),
        ("role: dev", "role: dev\n---\nrole: dev", "x.yaml:3: not valid YAML"),
        ("role: dev", "role: dev\x00", "x.yaml:2: not valid YAML: special characters"),
    ],
)
def test_a_mistake_is_named_once_with_its_line(before: str, after: str, said: str) -> None:
    assert before in GOOD
    [mistake] = mistakes(GOOD.replace(before, after, 1))
    assert mistake.startswith(said)


def test_every_mistake_is_named_at_once() -> None:
    text = GOOD.replace("role: dev", "role: boss\ncolour: red").replace("usd: 2", "usd: two")
    assert [mistake.split(": ")[0:2] for mistake in mistakes(text)] == [
        ["x.yaml:2", "role"],
        ["x.yaml:3", "colour"],
        ["x.yaml:17", "budget.usd"],
    ]


def test_anchors_and_merges_work_and_their_mistakes_stand_where_they_were_written() -> None:
    text = GOOD.replace("budget:\n  usd: 2\n", "budget: &b\n  usd: 2\nllm:\n  <<: {max_tokens: 500}\n")
    assert parse(text, "x.yaml").llm.max_tokens == 500
    assert mistakes(text.replace("500", "5")) == [
        "x.yaml:18: llm.max_tokens: Input should be greater than or equal to 256"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b\n",
        "5",
        "character: 5",
        "character:\n",
        "a: &a {b: *a}\n",
        "&a [*a]",
        "mcpServers: &m\n  x: *m\n",
        "<<: &a\n  <<: *a\n",
        "[" * 5000,
        "{a: " * 5000,
        "a: &a [x,x]\nb: &b [*a,*a]\n"
        + "".join(
            f"{n}: &n{n} [*{p},*{p}]\n"
            for n, p in zip("cdefghijklmnop", ["b", *(f"n{c}" for c in "cdefghijklmno")], strict=True)
        ),
        "\ud800",
    ],
)
def test_what_is_no_character_at_all_is_refused(text: str) -> None:
    assert mistakes(text)[0].startswith("x.yaml:")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    for path in (tmp_path / "latin.yaml", tmp_path / "gone.yaml", tmp_path):
        with pytest.raises(InvalidInput, match=str(path)):
            load(path)


def test_the_catalogue_has_each_name_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "note.txt").write_text("no character")
    assert list(load_all(tmp_path)) == ["dev-e-python"]
    (tmp_path / "b.yaml").write_text(GOOD)
    with pytest.raises(InvalidInput, match=r"b\.yaml: the name dev-e-python is taken"):
        load_all(tmp_path)


def test_the_schema_for_editors_accepts_what_is_accepted() -> None:
    schema = json_schema()
    jsonschema.validate(yaml.safe_load(GOOD), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(GOOD) | {"colour": "red"}, schema)
    assert json.dumps(schema)


@pytest.mark.parametrize("path", sorted(CHARACTERS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_rig_s_own_characters_are_good(path: Path) -> None:
    assert load(path).name == path.stem


def test_kinds_are_those_of_the_role_and_verify() -> None:
    start = "name: x\nrole: review\npersonality: x\ngit: {name: X, email: x@example.org}\n"
    assert parse(start, "x.yaml").work == ("review",)
    assert parse(f"{start}kinds: [verify]\n", "x.yaml").work == ("verify",)
    with pytest.raises(InvalidInput, match=r"x\.yaml:5: kinds: .*implement is not for its role"):
        parse(f"{start}kinds: [implement]\n", "x.yaml")
    assert parse(f"{start}kinds: [judge, chore]\n", "x.yaml").work == ("judge", "chore")
    with pytest.raises(InvalidInput, match=r"x\.yaml:5: kinds\.0"):
        parse(f"{start}kinds: [sing]\n", "x.yaml")
