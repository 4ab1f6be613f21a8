from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from rig.embedded.first_start import DataFolder, person_token, write_config
from rig.embedded.settings import UpSettings
from servers.github.settings import GitHubSettings
from servers.kit.auth import Verifier
from servers.kit.clock import ManualClock, SystemClock
from servers.kit.errors import Conflict, InvalidInput


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "rig")
    made.make()
    return made


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_first_start_makes_a_key_and_a_persons_token_that_only_the_owner_reads(folder: DataFolder) -> None:
    key = folder.signing_key()
    token, is_new = await person_token(folder, key)
    assert is_new
    assert (await Verifier.of(key).verify(token)).role == "person"
    assert mode_of(folder.key_file) == mode_of(folder.token_file) == 0o600


async def test_later_starts_keep_key_and_token(folder: DataFolder) -> None:
    first, _ = await person_token(folder, folder.signing_key())
    again, is_new = await person_token(folder, folder.signing_key())
    assert again == first
    assert not is_new


async def test_a_token_past_half_of_its_life_or_of_another_key_is_replaced(folder: DataFolder) -> None:
    key, clock = folder.signing_key(), ManualClock(SystemClock().now())
    first, _ = await person_token(folder, key, clock)
    clock.advance(timedelta(days=46).total_seconds())
    second, is_new = await person_token(folder, key, clock)
    assert is_new
    assert second != first
    folder.key_file.unlink()
    assert (await person_token(folder, folder.signing_key(), clock))[1]


def test_two_rigs_cannot_share_a_folder(folder: DataFolder) -> None:
    with folder.locked(), pytest.raises(Conflict, match="Another `rig up`"), folder.locked():
        pass
    with folder.locked():
        pass


def test_the_settings_file_is_written_once_and_says_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rig.toml"
    monkeypatch.setenv("RIG_CONFIG", str(path))
    assert write_config("127.0.0.1", 7801, ["ada/tally"]) == path
    assert write_config("127.0.0.1", 7700, []) is None
    assert UpSettings.load().port == 7801
    assert GitHubSettings.load().repositories == ["ada/tally"]


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_data_folder_that_cannot_be_is_said_in_words(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="RIG_DATA_DIR"):
        DataFolder(tmp_path / path).make()
