"""The table of the characters in the documents says what their files say, and editors know their form."""

from __future__ import annotations

import json
import os
import re

import jsonschema
import pytest
import yaml

from conductor.server import tools as conductor
from servers.github.server import tools as github
from servers.kit.character import Character
from servers.kit.tools import Toolbox
from servers.memory.server import tools as memory
from servers.workspace.server import tools as workspace
from tests.agents.characters.house import CATALOGUE
from tests.agents.stage import ROOT

PAGE = ROOT / "docs" / "characters.md"
HEAD = "|---|---|---|---|---|\n"
SCHEMA = "# yaml-language-server: $schema=../docs/schemas/character.json\n"


BOXES: tuple[Toolbox, ...] = (conductor, github, memory, workspace)
TOOLS = {tool for box in BOXES for tool in box.names()}
FOR_PEOPLE = {"decide_gate"}  # conductor-e says who calls it


def row(character: Character) -> str:
    """What the table says of a character."""
    name = f"[{character.name}](../characters/{character.name}.yaml)"
    offered = {server: sorted(said.tools) for server, said in character.mcp_servers.items() if said.tools}
    tools = "; ".join(f"{server}: {', '.join(names)}" for server, names in offered.items())
    cells = [name, character.role, ", ".join(character.work), ", ".join(character.stacks) or "any", tools]
    return f"| {' | '.join(cells)} |\n"


def test_the_table_of_characters_is_what_their_files_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(HEAD)
    said, _, after = rest.partition("\n\n") if not rest.startswith("\n") else ("", "", rest[1:])
    rows = "".join(row(character) for character in CATALOGUE.values())
    if os.environ.get("RIG_RECORD") == "1":
        PAGE.write_text(f"{before}{HEAD}{rows}\n{after}", encoding="utf-8")
    else:
        assert f"{said}\n" == rows, f"Write it anew: RIG_RECORD=1 make test ARGS={__name__}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_editors_are_told_the_form_of_each_file_and_it_fits(name: str) -> None:
    text = (ROOT / "characters" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith(SCHEMA)
    schema = json.loads((ROOT / "docs" / "schemas" / "character.json").read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(text), schema)


@pytest.mark.parametrize("character", CATALOGUE.values(), ids=CATALOGUE)
def test_each_prompt_says_who_it_is_and_names_no_tool_that_it_lacks(character: Character) -> None:
    said = character.personality
    assert 1_000 < len(said) < 6_000
    assert character.title.partition(" ")[0] in said.partition("\n\n")[0]
    offered = {tool for server in character.mcp_servers.values() for tool in server.tools}
    named = set(re.findall(r"`([a-z_]+)`", said)) & TOOLS
    assert named - offered - FOR_PEOPLE == set()
