from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rig.cli.access import joining
from rig.cli.output import hanging
from servers.kit.auth import SigningKey, Verifier

RIG = [sys.executable, "-P", "-m", "rig"]
CHARACTERS = Path(__file__).parents[2] / "characters"


def rig(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {
        name: value for name, value in os.environ.items() if not name.startswith(("RIG_", "GITHUB_", "ANTHROPIC_"))
    }
    return subprocess.run(
        [*RIG, *arguments], cwd=cwd, env=bare | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_every_command_and_needs_no_heavy_import(tmp_path: Path) -> None:
    shown = rig("--help", cwd=tmp_path)
    assert shown.returncode == 0
    store = ("migrate", "replay", "retention")
    for command in ("demo", "up", "serve", "agent", "token", *store, "issues", "issue", "character"):
        assert command in shown.stdout
    code = "import rig.cli, sys; print([m for m in ('mcp', 'anthropic', 'asyncpg', 'pydantic') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_the_version_is_said(tmp_path: Path) -> None:
    assert rig("--version", cwd=tmp_path).stdout.startswith("rig ")


def test_up_without_settings_says_what_is_missing_and_exits_with_two(tmp_path: Path) -> None:
    refused = rig("up", cwd=tmp_path)
    assert refused.returncode == 2
    assert "GITHUB_TOKEN" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "nothing"),
        ("issue", "show", "not-an-issue"),
        ("issues", "--state", "nowhere"),
        ("runs", "not-an-issue"),
        ("pause", "not a scope"),
        ("memory", "reembed"),
        ("token", "issue", "ada", "--role", "king"),
        ("token", "issue", " "),
        ("up", "--port", "70000"),
        ("up", "--agents", "0"),
        ("replay", "--until", "yesterday"),
        ("replay", "--deliveries", "--since", "yesterday"),
        ("character", "check", "missing.yaml"),
        ("character", "check", "."),
        ("agent", "run", "missing.yaml"),
        ("agent", "run", "nobody"),
        ("agent", "run", "dev-e-python"),
        ("demo", "--issues", "11"),
        ("nonsense",),
    ],
)
def test_bad_input_is_said_in_words_and_exits_with_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    refused = rig(*arguments, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.strip()
    assert "Traceback" not in refused.stderr


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text("port = = 3")
    refused = rig("up", cwd=tmp_path)
    assert refused.returncode == 2
    assert "rig.toml is not valid TOML" in refused.stderr


async def test_a_token_can_be_issued_and_is_accepted_by_the_rigs_key(tmp_path: Path) -> None:
    issued = rig("token", "issue", "ada", "--role", "ops", "--days", "2", "--json", cwd=tmp_path)
    assert issued.returncode == 0, issued.stderr
    answer = json.loads(issued.stdout)
    key = SigningKey.load_or_create(tmp_path / ".rig" / "signing-key.pem")
    who = await Verifier.of(key).verify(answer["token"])
    assert (who.subject, who.role) == ("ada", "ops")
    assert timedelta(days=1.9) < who.expires_at - who.issued_at < timedelta(days=2.1)
    assert "Made .rig/signing-key.pem" in issued.stderr
    plain = rig("token", "issue", "ada", cwd=tmp_path)
    assert plain.stderr == ""
    assert (await Verifier.of(key).verify(plain.stdout.strip())).role == "person"


def test_issues_without_a_token_or_without_a_rig_say_what_to_do(tmp_path: Path) -> None:
    no_token = rig("issues", cwd=tmp_path)
    assert no_token.returncode == 1
    assert no_token.stderr.startswith("rig: There is no token: set RIG_TOKEN")
    no_rig = rig("issues", cwd=tmp_path, RIG_TOKEN="x", RIG_URL="http://127.0.0.1:9")
    assert no_rig.returncode == 1
    assert "cannot be reached" in no_rig.stderr
    assert "Traceback" not in no_rig.stderr


def test_character_files_are_checked_with_their_line(tmp_path: Path) -> None:
    good = rig("character", "check", *map(str, CHARACTERS.glob("*.yaml")), cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nrole: dev\npersonality: x\ncolour: red\ngit: {name: x, email: x@y}\n")
    refused = rig("character", "check", str(bad), cwd=tmp_path)
    assert refused.returncode == 2
    assert "bad.yaml:4: colour: unknown key" in refused.stderr


def test_mistakes_are_named_in_the_order_of_lines_beside_the_valid_files(tmp_path: Path) -> None:
    good = (CHARACTERS / "dev-e-python.yaml").read_text()
    (tmp_path / "good.yaml").write_text(good)
    (tmp_path / "bad.yaml").write_text(
        "colour: red\nname: Bad\nrole: king\npersonality: x\ngit: {name: x, email: x}\n"
    )
    plain = rig("character", "check", ".", cwd=tmp_path)
    assert plain.returncode == 2
    assert "good.yaml: dev-e-python, dev: valid" in plain.stdout
    lines = [int(line.split("bad.yaml:")[1].split(":")[0]) for line in plain.stderr.splitlines()]
    assert lines == [1, 2, 3, 5]
    answer = json.loads(rig("character", "check", ".", "--json", cwd=tmp_path).stdout)
    assert [one["name"] for one in answer["characters"]] == ["dev-e-python"]
    assert len(answer["mistakes"]) == 4


def test_an_agent_is_run_by_name_and_says_what_it_lacks(tmp_path: Path) -> None:
    lacking = rig("agent", "run", "dev-e-python", cwd=tmp_path, RIG_TOKEN="x")
    assert lacking.stderr.startswith("rig: ")
    assert "ANTHROPIC_API_KEY" in lacking.stderr
    unknown = rig("agent", "run", "nobody", cwd=tmp_path)
    assert "there are " in unknown.stderr
    assert "dev-e-python" in unknown.stderr


def test_the_character_schema_is_json_schema(tmp_path: Path) -> None:
    schema = json.loads(rig("character", "schema", cwd=tmp_path).stdout)
    assert schema["additionalProperties"] is False
    assert "personality" in schema["properties"]


def test_migrate_and_replay_work_on_a_configured_database(tmp_path: Path, empty_database_url: str) -> None:
    settings = {"RIG_DATABASE_URL": empty_database_url}
    first = rig("migrate", "--json", cwd=tmp_path, **settings)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["applied"]
    assert json.loads(rig("migrate", "--json", cwd=tmp_path, **settings).stdout)["applied"] == []
    same = rig("replay", cwd=tmp_path, **settings)
    assert "equals the log" in same.stdout, same.stderr
    past = rig("replay", "--until", "2026-01-01", "--json", cwd=tmp_path, **settings)
    assert json.loads(past.stdout) == []
    assert json.loads(rig("replay", "--rebuild", "--json", cwd=tmp_path, **settings).stdout) == {"rebuilt": 0}
    again = rig("replay", "--deliveries", "--since", "2026-01-01", "--json", cwd=tmp_path, **settings)
    assert json.loads(again.stdout) == {"replayed": 0}
    forgotten = json.loads(rig("retention", "--json", cwd=tmp_path, **settings).stdout)
    assert (set(forgotten.values()), forgotten["deliveries"]) == ({0}, 0)


def test_replay_makes_no_database_where_there_is_none(tmp_path: Path) -> None:
    refused = rig("replay", cwd=tmp_path)
    assert refused.returncode == 2
    assert "RIG_DATA_DIR" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away_is_one_line(tmp_path: Path) -> None:
    refused = rig("migrate", cwd=tmp_path, RIG_DATABASE_URL="postgresql://x:y@127.0.0.1:9/z")
    assert refused.returncode == 1
    assert "PostgreSQL cannot be reached" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_help_is_quick(tmp_path: Path) -> None:
    def spent() -> float:
        before = os.times()
        rig("--help", cwd=tmp_path)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(spent() for _ in range(3)) < 0.6  # processor seconds, for the machine may be busy


@pytest.mark.parametrize("command", [("up", "--port", "0"), ("serve", "conductor")])
def test_servers_whose_database_is_away_say_so_without_a_traceback(tmp_path: Path, command: tuple[str, ...]) -> None:
    complete = {"RIG_REPOSITORIES": "ada/tally", "GITHUB_TOKEN": "x", "ANTHROPIC_API_KEY": "x"}
    own = {"RIG_DATABASE_URL": "postgresql://x:y@127.0.0.1:9/z", "RIG_GITHUB_SERVER_URL": "http://127.0.0.1:9"}
    more = {"RIG_GITHUB_URL": "http://127.0.0.1:9", "RIG_SIGNING_KEY": str(tmp_path / "key.pem")}
    refused = rig(*command, cwd=tmp_path, RIG_CHARACTERS=str(CHARACTERS), **complete, **own, **more)
    assert refused.returncode == 1
    assert "\nrig: PostgreSQL cannot be reached" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "never retrieved" not in refused.stderr


def test_long_lines_hang_and_the_line_to_join_works_from_any_folder(tmp_path: Path) -> None:
    lines = hanging("one two three four five six seven", 24, "    ", "  ! ").splitlines()
    assert lines == ["  ! one two three four", "    five six seven"]
    said = joining("http://127.0.0.1:7700", tmp_path / "a folder" / "token")
    assert f"""Bearer $(cat '{tmp_path}/a folder/token')\"""" in said
