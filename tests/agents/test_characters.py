"""The characters that come with the rig."""

from __future__ import annotations

import importlib

import pytest

from servers.kit.character import Character, load_all
from servers.kit.tools import Toolbox
from tests.agents.stage import ROOT

CATALOGUE = load_all(ROOT / "characters")
WRITERS = {"edit_file", "write_file", "run_command"}


@pytest.mark.parametrize("character", CATALOGUE.values(), ids=CATALOGUE)
def test_every_tool_exists_and_is_open_to_the_role(character: Character) -> None:
    for server, connection in character.mcp_servers.items():
        module = "conductor.server" if server == "conductor" else f"servers.{server}.server"
        tools: Toolbox = importlib.import_module(module).tools
        assert set(connection.tools) <= tools.shown(character.role), server


@pytest.mark.parametrize("character", CATALOGUE.values(), ids=CATALOGUE)
def test_no_model_may_touch_git_credentials_or_write_to_github(character: Character) -> None:
    github = character.mcp_servers.get("github")
    assert all(tool.startswith(("get_", "list_", "search_")) for tool in (github.tools if github else []))


def test_reviewers_change_nothing() -> None:
    for character in CATALOGUE.values():
        workspace = character.mcp_servers.get("workspace")
        if character.role == "review" and workspace:
            assert not WRITERS & set(workspace.tools)
