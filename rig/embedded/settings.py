"""Settings of `rig up`, and what is still missing before it can do real work."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from servers.kit.errors import InvalidInput
from servers.kit.settings import RigSettings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FAMILIAR = {"GITHUB_TOKEN": "RIG_GITHUB_TOKEN", "ANTHROPIC_API_KEY": "RIG_ANTHROPIC_API_KEY"}


class UpSettings(RigSettings):
    """Everything that `rig up` itself decides; the servers it mounts read their own settings beside it."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=7700, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    public_url: str = Field(
        default="", description="Where GitHub reaches this rig for webhooks; without it the rig polls"
    )
    data_dir: Path = Field(default=Path(".rig"), description="Folder for the database, keys, tokens and workspaces")
    database_url: SecretStr = Field(
        default=SecretStr(""), description="PostgreSQL to use instead of the embedded one"
    )
    repositories: list[str] = Field(
        default_factory=list, description="Repositories the rig works on, each as owner/repo"
    )
    characters: Path | None = Field(
        default=None, description="Folder with character files instead of the packaged ones"
    )
    agents: int | None = Field(
        default=None, ge=1, le=32, description="How many of each character may run, whatever its file says"
    )
    idle_exit_seconds: float = Field(
        default=60, gt=0, description="An agent without work for so long ends; it is started again on demand"
    )
    github_token: SecretStr = Field(default=SecretStr(""), description="Token for GitHub, where no App is used")
    github_review_token: SecretStr = Field(
        default=SecretStr(""), description="Token of the account that reviews; another one than the author's"
    )
    github_app_id: int | None = Field(default=None, description="App under whose name the rig works on GitHub")
    github_app_private_key: SecretStr = Field(default=SecretStr(""), description="The App's private key in PEM")
    github_review_app_id: int | None = Field(default=None, description="App under whose name the rig reviews")
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="Secret that GitHub signs webhooks with")
    anthropic_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key for the model that the agents think with"
    )
    log_level: str = Field(default="INFO", description="Lowest level of log lines shown")

    @property
    def open_to_this_machine_only(self) -> bool:
        """Nobody but this machine's users can reach the pages."""
        return self.host in LOOPBACK and not self.public_url


def adopt_familiar_names(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let GITHUB_TOKEN and ANTHROPIC_API_KEY stand for the rig's own names where those are not set."""
    for familiar, ours in FAMILIAR.items():
        given = environment.get(familiar)
        if given and ours not in environment and f"{ours}_FILE" not in environment:
            environment[ours] = given


@dataclass(frozen=True)
class Missing:
    """One thing that `rig up` needs: what, and how to get it."""

    what: str
    how: str


def missing(settings: UpSettings) -> list[Missing]:
    """What has to be set before the rig can work, each with where it comes from."""
    found: list[Missing] = []
    if not settings.repositories:
        found.append(Missing("a repository", "Set RIG_REPOSITORIES='[\"owner/repo\"]' or repositories in rig.toml."))
    if settings.github_app_id is None and not _has(settings.github_token):
        found.append(
            Missing(
                "access to GitHub",
                "Set GITHUB_TOKEN to a fine-grained token with read and write access to contents, issues, pull "
                "requests and commit statuses, and read access to checks: "
                "https://docs.github.com/authentication/keeping-your-account-and-data-secure/"
                "managing-your-personal-access-tokens – or set RIG_GITHUB_APP_ID and "
                "RIG_GITHUB_APP_PRIVATE_KEY_FILE: https://docs.github.com/apps/creating-github-apps",
            )
        )
    if settings.github_app_id is not None and not _has(settings.github_app_private_key):
        found.append(
            Missing(
                "the GitHub App's key",
                "Set RIG_GITHUB_APP_PRIVATE_KEY_FILE to the .pem that GitHub gives: "
                "https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/"
                "managing-private-keys-for-github-apps",
            )
        )
    if not _has(settings.anthropic_api_key):
        found.append(Missing("a model", "Set ANTHROPIC_API_KEY to a key of the Anthropic API console."))
    if settings.public_url and not _has(settings.webhook_secret):
        found.append(
            Missing(
                "the webhook secret",
                "Set RIG_WEBHOOK_SECRET to the secret of the repository's webhook to "
                f"{settings.public_url.rstrip('/')}/webhooks/github: "
                "https://docs.github.com/webhooks/using-webhooks/creating-webhooks",
            )
        )
    return found


def require_complete(settings: UpSettings) -> None:
    """Refuse to start with something missing.

    Raises:
        InvalidInput: All that is missing, each with how to get it.
    """
    lacks = missing(settings)
    if lacks:
        lines = "\n".join(f"  - {one.what}. {one.how}" for one in lacks)
        raise InvalidInput(f"`rig up` cannot start yet. It needs\n{lines}\nTo see it work without any: rig demo")


def remarks(settings: UpSettings) -> list[str]:
    """What a person should know about how this rig is set up."""
    said: list[str] = []
    if not settings.public_url:
        said.append("No RIG_PUBLIC_URL, so GitHub cannot call: the rig polls it instead of waiting for webhooks.")
    one_app = settings.github_app_id is not None and settings.github_review_app_id is None
    one_token = settings.github_app_id is None and not _has(settings.github_review_token)
    if (one_app or one_token) and not _has(settings.github_review_token):
        said.append(
            "One GitHub identity writes and reviews. GitHub refuses an approval by the author, so reviews are "
            "posted as comments; a branch protection that demands an approving review will hold every merge. "
            "Set RIG_GITHUB_REVIEW_TOKEN or RIG_GITHUB_REVIEW_APP_ID to a second identity."
        )
    return said


def _has(secret: SecretStr) -> bool:
    return bool(secret.get_secret_value())


def as_overrides(**options: Any) -> dict[str, Any]:
    """The command's options that were given."""
    return {name: value for name, value in options.items() if value is not None}
