"""Settings of the workspace server, which come from its environment only."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from servers.kit.settings import RigSettings
from servers.workspace.sandbox import MIB, Limits, Wanted


class WorkspaceSettings(RigSettings):
    """Where the agent works and what its commands see."""

    workspace: Path = Field(default=Path(), description="Folder that the tools are confined to")
    data_dir: Path | None = Field(
        default=None, description="Folder in which the commands' home is made; by default the system's"
    )
    sandbox: Wanted = Field(
        default="auto", description="What confines commands: auto takes the first of bwrap and sandlock that works"
    )
    command_processes: int = Field(
        default=512, ge=16, le=32_768, description="Most processes that a command may have"
    )
    command_memory_mb: int = Field(
        default=8192, ge=64, description="Most memory of all processes of a command, in MiB"
    )
    command_disk_mb: int = Field(
        default=8192, ge=16, description="Most disk that a workspace with its temporary files may take, in MiB"
    )
    registry_hosts: list[str] | None = Field(
        default=None, description="Hosts from which set-up may fetch packages; by default what the clients here use"
    )
    guard_policy: Path | None = Field(
        default=None, description="File that makes the guard's policy stricter; it may add, never take away"
    )
    command_env: dict[str, str] = Field(
        default_factory=dict, description="Variables that commands see besides PATH, HOME and LANG"
    )

    def limits(self) -> Limits:
        """What a command may use."""
        return Limits(
            processes=self.command_processes,
            memory_bytes=self.command_memory_mb * MIB,
            disk_bytes=self.command_disk_mb * MIB,
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
