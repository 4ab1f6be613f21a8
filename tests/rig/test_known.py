"""A misspelt setting in `rig.toml` is named instead of passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.embedded.known import SETTINGS, require_known_keys
from scripts import reference
from servers.kit.errors import InvalidInput


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIG_CONFIG", str(tmp_path / "rig.toml"))
    return tmp_path / "rig.toml"


def test_an_unknown_key_is_named_with_the_nearest_known_one(config: Path) -> None:
    config.write_text("prot = 3\nzzz = 1\nport = 7701\n")
    with pytest.raises(InvalidInput) as refused:
        require_known_keys()
    assert "no setting `prot`; did you mean `port`? There is no setting `zzz`. See" in str(refused.value)
    assert "`port` " not in str(refused.value)


def test_keys_of_every_process_are_known(config: Path) -> None:
    require_known_keys()
    config.write_text('host = "127.0.0.1"\nlease_seconds = 60\nrepositories = ["o/r"]\nmodel_patience_seconds = 1\n')
    require_known_keys()


def test_all_settings_of_the_reference_are_known() -> None:
    assert set(SETTINGS) == set(reference.SETTINGS.values())
