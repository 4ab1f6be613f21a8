"""Settings of the workspace server, which come from its environment only."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from servers.kit.settings import RigSettings


class WorkspaceSettings(RigSettings):
    """Where the agent works and what its commands see."""

    workspace: Path = Field(default=Path(), description="Folder that the tools are confined to")
    data_dir: Path | None = Field(
        default=None, description="Folder in which the commands' home is made; by default the system's"
    )
    command_env: dict[str, str] = Field(
        default_factory=dict, description="Variables that commands see besides PATH, HOME and LANG"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # A rig.toml in the current folder is the repository's here, and must not widen the confinement.
        return init_settings, env_settings
