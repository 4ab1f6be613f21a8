"""Settings of an agent process."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr

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
    max_changed_files: int = Field(default=100, ge=1, description="Most files that one pull request may change")
    max_changed_lines: int = Field(default=3000, ge=1, description="Most lines that one pull request may change")
    protected_paths: list[str] = Field(
        default=PROTECTED, description="Patterns of paths that no agent changes, as JSON"
    )
    log_level: str = Field(default="INFO", description="Lowest level that is logged")
    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias="anthropic_api_key",
        description="Key of the Messages API; set ANTHROPIC_API_KEY",
    )

    def slot(self, character: str) -> str:
        """The stable name under which this process claims."""
        return self.instance or os.environ.get("HOSTNAME") or character
