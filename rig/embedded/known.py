"""Every setting that `rig.toml` may hold: a misspelt one is named, for each process reads only what it knows."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from agents.settings import AgentSettings
from conductor.settings import ConductorSettings
from rig.cli.access import ClientSettings
from rig.embedded.alone import AloneSettings
from rig.embedded.settings import UpSettings
from servers.github.settings import AloneSettings as GitHubAlone
from servers.github.settings import GitHubSettings
from servers.kit.errors import InvalidInput
from servers.kit.settings import RigSettings
from servers.memory.settings import AloneSettings as MemoryAlone
from servers.memory.settings import MemorySettings
from servers.workspace.settings import WorkspaceSettings

SETTINGS: tuple[type[RigSettings], ...] = (
    UpSettings,
    ConductorSettings,
    GitHubSettings,
    MemorySettings,
    WorkspaceSettings,
    AgentSettings,
    AloneSettings,
    GitHubAlone,
    MemoryAlone,
    ClientSettings,
)


def require_known_keys() -> None:
    """Refuse a `rig.toml` with keys that no part of the rig reads.

    Raises:
        InvalidInput: Every unknown key, each with the nearest known one.
    """
    path = Path(os.environ.get("RIG_CONFIG", "rig.toml"))
    if not path.is_file():
        return
    known = {name for settings in SETTINGS for name in settings.model_fields}
    unknown = [key for key in tomllib.loads(path.read_text(encoding="utf-8")) if key not in known]
    if unknown:
        raise InvalidInput(f"{path}: {' '.join(_said(key, known) for key in unknown)} See docs/settings.md.")


def _said(key: str, known: Iterable[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1)
    return f"There is no setting `{key}`{f'; did you mean `{near[0]}`?' if near else '.'}"
