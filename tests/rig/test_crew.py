from __future__ import annotations

from pathlib import Path

import pytest

from rig.embedded.crew import Crew, characters_folder
from rig.embedded.settings import UpSettings
from servers.kit.auth import SigningKey, Verifier
from servers.kit.errors import InvalidInput

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


def test_a_character_that_cannot_reach_its_model_is_named_before_anything_starts(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, dev="dev")
    file = next(folder.glob("*.yaml"))
    file.write_text(f"{file.read_text()}\nllm: {{provider: codex-cli, model: gpt-5.5}}\n")
    crew = Crew(folder, None)
    with pytest.raises(InvalidInput, match=r"dev cannot reach its model\.\ncodex-cli: Neither OPENAI_API_KEY"):
        crew.require_models(UpSettings.load(anthropic_api_key="sk-ant-x"))
