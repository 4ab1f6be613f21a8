"""The characters of this rig: where their files are, who may run how often, what their processes see."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from agents.providers import loading
from agents.settings import AgentSettings
from rig.embedded.launcher import Post
from rig.embedded.settings import UpSettings
from servers.kit.auth import SigningKey
from servers.kit.character import load_files
from servers.kit.errors import InvalidInput
from servers.kit.settings import MODEL_KEYS, RigSettings
from servers.workspace.settings import WorkspaceSettings

PACKAGED = (Path(__file__).parents[1] / "characters", Path(__file__).parents[2] / "characters")
TOKEN_LIFE = timedelta(hours=12)
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"),
)
# What `rig up` decides for each process, whatever is set; keys of models go to those that need them.
DECIDED = frozenset({
    *("conductor_url", "servers", "ca_file", "https_only", "token", "instance", "data_dir", "workspace"),
    *("idle_exit_seconds", "parent_pipe", "status_port", "status_host", *(name.lower() for name in MODEL_KEYS)),
})  # fmt: skip


class _Workspaces(WorkspaceSettings):
    """Reads the operator's `rig.toml` too, which no workspace server may: in its folder that is the repository's."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *args: Any, **kwargs: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return RigSettings.settings_customise_sources(settings_cls, *args, **kwargs)


def characters_folder(settings: UpSettings) -> Path:
    """Where the character files are: as set, or those that come with the rig.

    Raises:
        InvalidInput: There are none.
    """
    places = (settings.characters,) if settings.characters else PACKAGED
    found = next((place for place in places if place.is_dir() and any(place.glob("*.yaml"))), None)
    if found is None:
        raise InvalidInput(f"No character files in {places[0]}. Set RIG_CHARACTERS to a folder with some.")
    return found.absolute()


class Crew:
    """The catalogue of characters, and how each is run.

    Raises:
        InvalidInput: A file is wrong, or two have one name.
    """

    def __init__(self, folder: Path, limit: int | None) -> None:
        self.folder = folder
        files = load_files(folder)
        self.catalogue = {one.name: one for one in files.values()}
        self.posts = {one.name: Post(path, limit or one.instances) for path, one in files.items()}
        devs = frozenset(name for name, one in self.catalogue.items() if one.role == "dev")
        for name, one in self.catalogue.items():
            if "review" in one.work:
                self.posts[name] = replace(self.posts[name], follows=devs)

    def require_models(self, settings: UpSettings) -> None:
        """See that every character can reach its models.

        Raises:
            InvalidInput: Every key and program that is missing.
        """
        keys = {name.lower(): key for name, key in settings.model_keys.items()}
        known = AgentSettings.load(**keys | {"token": "-"})  # each process gets its own
        lacks: list[str] = []
        for character in self.catalogue.values():
            try:
                loading.require(character, known)
            except InvalidInput as error:
                lacks.append(str(error))
        if lacks:
            raise InvalidInput("\n".join(lacks))

    def environment(self, settings: UpSettings, key: SigningKey, base: str) -> Callable[[str, int], dict[str, str]]:
        """What a process may see: a short list of this process's variables, what is set for it, its token and place.

        Raises:
            InvalidInput: A setting of the agents is wrong.
        """
        shared = allowed(os.environ) | operators()

        def of(name: str, number: int) -> dict[str, str]:
            wanted = loading.variables(self.catalogue[name])
            keys = {name: key for name, key in settings.model_keys.items() if name in wanted}
            token = key.issue(name, self.catalogue[name].role, TOKEN_LIFE)
            own = {
                "RIG_CONDUCTOR_URL": base,
                "RIG_TOKEN": token,
                "RIG_INSTANCE": f"{name}-{number}",
                "RIG_DATA_DIR": str(settings.data_dir.absolute()),
                "RIG_CONFIG": os.devnull,  # the operator's rig.toml is not for agents
                "RIG_PARENT_PIPE": "1",
                "RIG_STATUS_PORT": "0",  # the rig's own page shows them all
                "RIG_IDLE_EXIT_SECONDS": f"{settings.idle_exit_seconds:g}",
            }
            return shared | own | keys

        return of


def operators() -> dict[str, str]:
    """What is set of the agents and their workspaces, in the environment or `rig.toml`, as an agent's variables.

    Raises:
        InvalidInput: A value is wrong.
    """
    found: dict[str, str] = {}
    for settings in (AgentSettings.load(token="-"), _Workspaces.load()):  # noqa: S106 - each process gets its own
        said = settings.model_dump(exclude_unset=True, exclude=set(DECIDED), exclude_none=True)
        found |= {f"RIG_{name.upper()}": _written(value) for name, value in said.items()}
    return found


def _written(value: Any) -> str:
    if isinstance(value, Path):
        return str(value.expanduser().absolute())  # an agent's servers start elsewhere
    return value if isinstance(value, str) else json.dumps(value)


def allowed(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that an agent's process inherits."""
    return {name: environment[name] for name in PASSED_ON if name in environment}
