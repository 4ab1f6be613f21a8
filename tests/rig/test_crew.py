from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.settings import AgentSettings
from agents.stdio import OPERATORS, POLICY, operators_policy
from rig.embedded.crew import DECIDED, Crew, characters_folder
from rig.embedded.settings import UpSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.errors import InvalidInput
from servers.workspace.settings import WorkspaceSettings

CHARACTER = """
name: {name}
role: {role}
personality: You work.
git: {{name: {name}, email: {name}@example.com}}
instances: 3
"""


def folder_with(tmp_path: Path, **roles: str) -> Path:
    for name, role in roles.items():
        (tmp_path / f"{name}.yaml").write_text(CHARACTER.format(name=name, role=role))
    return tmp_path


def test_the_rig_comes_with_characters() -> None:
    crew = Crew(characters_folder(UpSettings.load()), None)
    assert {one.role for one in crew.catalogue.values()} == {
        "architect",
        "deploy",
        "dev",
        "monitor",
        "review",
        "support",
    }


def test_an_empty_folder_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="RIG_CHARACTERS"):
        characters_folder(UpSettings.load(characters=tmp_path))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, dev="dev")
    (folder / "again.yaml").write_text(CHARACTER.format(name="dev", role="dev"))
    with pytest.raises(InvalidInput, match="taken"):
        Crew(folder, None)


def test_the_limit_beats_what_the_file_says_and_reviewers_follow_developers(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, dev="dev", rev="review")
    posts = Crew(folder, None).posts
    assert posts["dev"].instances == 3
    assert posts["rev"].follows == {"dev"}
    assert Crew(folder, 7).posts["dev"].instances == 7


async def test_an_agents_environment_is_a_short_list_with_its_own_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RIG_GITHUB_TOKEN", "RIG_WEBHOOK_SECRET", "RIG_DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    crew = Crew(folder_with(tmp_path, dev="dev"), None)
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    settings = UpSettings.load(anthropic_api_key="sk-ant-x", openai_api_key="sk-x", data_dir=tmp_path)
    environment = crew.environment(settings, key, "http://127.0.0.1:7700")("dev", 2)
    assert "secret" not in environment.values()
    assert environment["RIG_INSTANCE"] == "dev-2"
    assert environment["ANTHROPIC_API_KEY"] == "sk-ant-x"
    assert "OPENAI_API_KEY" not in environment
    who = await Verifier.of(key).verify(environment["RIG_TOKEN"])
    assert (who.subject, who.role) == ("dev", "dev")


def environment(tmp_path: Path) -> dict[str, str]:
    crew = Crew(folder_with(tmp_path, dev="dev"), None)
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    return crew.environment(UpSettings.load(data_dir=tmp_path), key, "http://127.0.0.1:7700")("dev", 1)


UNSET = {"prices": "prices.json", "guard_policy": "guard.yaml", "registry_hosts": ["pypi.example"]}
SETTINGS = AgentSettings(token=SecretStr("-")).model_dump() | WorkspaceSettings().model_dump() | UNSET
SET = {name: value for name, value in SETTINGS.items() if name not in DECIDED}
FILES = ("prices", "guard_policy")


@pytest.mark.parametrize("place", ["environment", "rig.toml"])
def test_every_setting_of_agents_and_workspaces_reaches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in SET.items()}
    if place == "environment":
        for name, value in said.items():
            monkeypatch.setenv(f"RIG_{name.upper()}", value)
    else:
        lines = [f"{name} = {json.dumps(value)}" for name, value in SET.items() if name != "command_env"]
        (tmp_path / "rig.toml").write_text("\n".join([*lines, "[command_env]"]))
        monkeypatch.setenv("RIG_CONFIG", "rig.toml")
    known = environment(tmp_path)
    wanted = said | {name: str(tmp_path / said[name]) for name in FILES}
    assert {name: known.get(f"RIG_{name.upper()}") for name in SET} == wanted


def test_what_is_not_set_is_left_to_the_agents(tmp_path: Path) -> None:
    assert not {f"RIG_{name.upper()}" for name in SET} & set(environment(tmp_path))


def test_a_wrong_setting_of_the_agents_is_named_before_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_COMMAND_MEMORY_MB", "lots")
    with pytest.raises(InvalidInput, match="RIG_COMMAND_MEMORY_MB"):
        environment(tmp_path)


def test_every_setting_of_the_operator_reaches_the_workspace_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"RIG_{name.upper()}" for name in WorkspaceSettings.model_fields} - {"RIG_WORKSPACE", "RIG_DATA_DIR"}
    assert {*OPERATORS, POLICY} == names
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(POLICY, "guard.yaml")
    assert operators_policy() == tmp_path / "guard.yaml"


def test_a_character_that_cannot_reach_its_model_is_named_before_anything_starts(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, dev="dev")
    file = next(folder.glob("*.yaml"))
    file.write_text(f"{file.read_text()}\nllm: {{provider: codex-cli, model: gpt-5.5}}\n")
    crew = Crew(folder, None)
    with pytest.raises(InvalidInput, match=r"dev cannot reach its model\.\ncodex-cli: Neither OPENAI_API_KEY"):
        crew.require_models(UpSettings.load(anthropic_api_key="sk-ant-x"))
