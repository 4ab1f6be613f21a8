"""Settings of an agent process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from servers.kit.settings import RigSettings

PROTECTED = [
    ".github/workflows/**",
    ".github/actions/**",
    "CODEOWNERS",
    "*/CODEOWNERS",
    ".rig-agent.yaml",
    ".gitmodules",
]


class AgentSettings(RigSettings):
    """How an agent reaches the rig, and the limits that its steps hold it to."""

    conductor_url: str = Field(
        default="http://127.0.0.1:7700", description="Base URL of the rig; its servers are at <base>/mcp/<name>"
    )
    servers: dict[str, str] = Field(
        default_factory=dict, description="URLs of the rig's servers that are elsewhere, by name, as JSON"
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates, PEM, by which the rig is trusted beside whom this machine trusts"
    )
    https_only: bool = Field(
        default=False, description="Refuse to reach the rig by plain HTTP; for agents outside its own network"
    )
    token: SecretStr = Field(description="The character's token, from `rig token issue`")
    instance: str = Field(default="", description="Stable name of this slot; by default HOSTNAME or the character")
    data_dir: Path = Field(default=Path.home() / ".rig", description="Folder for clones and working copies")
    idle_exit_seconds: float = Field(default=300, ge=0, description="Leave after so long without work; 0: never")
    parent_pipe: bool = Field(default=False, description="Leave at once when standard input ends")
    patience_seconds: float = Field(
        default=120, ge=0, description="How long a server or GitHub may be away before a step fails"
    )
    model_patience_seconds: float = Field(
        default=300, ge=0, description="How long the model may be away before a run is stuck"
    )
    drain_seconds: float = Field(
        default=8, gt=0, le=600, description="How long a run that has to stop may save its unfinished work"
    )
    test_timeout_seconds: float = Field(
        default=900, gt=0, le=1800, description="Longest time for the repository's build and for its tests"
    )
    setup_timeout_seconds: float = Field(
        default=900, gt=0, le=1800, description="Longest time for fetching the repository's dependencies"
    )
    clone_cache_mb: int = Field(
        default=20_480, ge=0, description="Most disk for clones; those unused for longest are deleted, in MiB"
    )
    max_changed_files: int = Field(default=100, ge=1, description="Most files that one pull request may change")
    max_changed_lines: int = Field(default=3000, ge=1, description="Most lines that one pull request may change")
    protected_paths: list[str] = Field(
        default=PROTECTED, description="Patterns of paths that no agent changes, as JSON"
    )
    prices: Path | None = Field(
        default=None, description="Price table for models whose price changed or that are not known, as JSON"
    )
    status_port: int = Field(default=3000, ge=0, le=65535, description="Port of the agent's own page; 0: none")
    status_host: str = Field(default="127.0.0.1", description="Address at which that page is served")
    log_level: str = Field(default="INFO", description="Lowest level that is logged")
    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias="anthropic_api_key",
        description="Key of the Messages API; set ANTHROPIC_API_KEY",
    )
    claude_code_oauth_token: SecretStr | None = Field(
        default=None,
        validation_alias="claude_code_oauth_token",
        description="Token of a Claude plan, for claude-cli; set CLAUDE_CODE_OAUTH_TOKEN",
    )
    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias="openai_api_key",
        description="Key of the Responses API, for codex-cli; set OPENAI_API_KEY",
    )
    codex_api_key: SecretStr | None = Field(
        default=None,
        validation_alias="codex_api_key",
        description="Key that Codex alone uses, before the other; set CODEX_API_KEY",
    )
    claude_program: str = Field(default="claude", description="Claude Code's program: a name in PATH, or a path")
    codex_program: str = Field(default="codex", description="Codex's program: a name in PATH, or a path")

    @property
    def clones(self) -> Path:
        """The folder of the clones that all agents of this data folder share."""
        return self.data_dir.expanduser().resolve() / "clones"

    @model_validator(mode="after")
    def _sealed(self) -> Self:
        addresses = (self.conductor_url, *self.servers.values())
        bare = [url for url in addresses if not url.lower().startswith("https://")]
        if self.https_only and bare:
            raise ValueError(f"{bare[0]} does not begin with https://, and RIG_HTTPS_ONLY is set")
        return self

    def slot(self, character: str) -> str:
        """The stable name under which this process claims."""
        return self.instance or os.environ.get("HOSTNAME") or character
