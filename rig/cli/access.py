"""How the command reaches a running rig."""

from __future__ import annotations

import shlex
from pathlib import Path

from pydantic import Field, SecretStr

from servers.kit.errors import Unauthenticated
from servers.kit.settings import RigSettings


class ClientSettings(RigSettings):
    """Where the rig is, and the token to show there."""

    url: str = Field(default="", description="The rig's address, such as https://rig.example.com")
    host: str = Field(default="127.0.0.1", description="Where `rig up` listens on this machine")
    port: int = Field(default=7700, description="The port of `rig up` on this machine")
    token: SecretStr = Field(default=SecretStr(""), description="Bearer token")
    data_dir: Path = Field(default=Path(".rig"), description="Data folder of `rig up`, which holds a token")

    @property
    def base(self) -> str:
        return self.url.rstrip("/") or f"http://{self.host}:{self.port}"

    def bearer(self) -> str:
        """The token to show.

        Raises:
            Unauthenticated: There is none.
        """
        if given := self.token.get_secret_value():
            return given
        try:
            return (self.data_dir / "token").read_text().strip()
        except OSError as error:
            raise Unauthenticated(
                f"There is no token: set RIG_TOKEN, or run this where `rig up` keeps {self.data_dir}/token."
            ) from error


def joining(base: str, token_file: Path) -> str:
    """The command that adds a rig to Claude Code, from whatever folder; the shell reads the token."""
    token = f"$(cat {shlex.quote(str(token_file.absolute()))})"
    return f'claude mcp add --transport http rig {base}/mcp/conductor --header "Authorization: Bearer {token}"'
