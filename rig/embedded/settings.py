"""Settings of `rig up`, and what is still missing before it can do real work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from servers.github.settings import GITHUB_ACCESS, GITHUB_DOCS, GitHubSettings
from servers.kit.errors import InvalidInput
from servers.kit.settings import MODEL_KEYS, RigSettings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WEBHOOK = f"{GITHUB_DOCS}/webhooks/using-webhooks/creating-webhooks"


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
    characters: Path | None = Field(
        default=None, description="Folder with character files instead of the packaged ones"
    )
    agents: int | None = Field(
        default=None, ge=1, le=32, description="How many of each character may run, whatever its file says"
    )
    idle_exit_seconds: float = Field(
        default=60, gt=0, description="An agent without work for so long ends; it is started again on demand"
    )
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="Secret that GitHub signs webhooks with")
    anthropic_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key for the model that the agents think with"
    )
    claude_code_oauth_token: SecretStr = Field(
        default=SecretStr(""), description="Token of a Claude plan, for characters whose provider is claude-cli"
    )
    openai_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key of the Responses API, for characters whose provider is codex-cli"
    )
    codex_api_key: SecretStr = Field(default=SecretStr(""), description="Key that Codex alone uses, before the other")
    parent_pipe: bool = Field(default=False, description="Stop when standard input ends")
    log_level: str = Field(default="INFO", description="Lowest level of log lines shown")

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not (urlsplit(value).scheme in ("http", "https") and urlsplit(value).hostname):
            raise ValueError("is not an address such as https://rig.example.com")
        return value

    @property
    def model_keys(self) -> dict[str, str]:
        """The keys of models that are set, by the variable in which an agent expects them."""
        keys: dict[str, SecretStr] = {name: getattr(self, name.lower()) for name in MODEL_KEYS}
        return {name: key.get_secret_value() for name, key in keys.items() if _has(key)}

    @property
    def open_to_this_machine_only(self) -> bool:
        """Nobody but this machine's users can reach the pages."""
        public = urlsplit(self.public_url).hostname
        return self.host in LOOPBACK and (public is None or public in LOOPBACK)


@dataclass(frozen=True)
class Missing:
    """One thing that `rig up` needs: what, and how to get it."""

    what: str
    how: str


def missing(settings: UpSettings, github: GitHubSettings) -> list[Missing]:
    """What has to be set before the rig can work, each with where it comes from."""
    found: list[Missing] = []
    if not github.repositories:
        found.append(Missing("a repository", "Set RIG_REPOSITORIES=owner/repo (more: separated by commas)."))
    if github.credential("conductor") is None:
        found.append(Missing("access to GitHub", GITHUB_ACCESS))
    if not settings.model_keys:
        found.append(Missing("a model", "Set ANTHROPIC_API_KEY to a key of the Anthropic API console."))
    if settings.public_url and not _has(settings.webhook_secret):
        address = f"{settings.public_url.rstrip('/')}/webhooks/github"
        found.append(
            Missing("the webhook secret", f"Set RIG_WEBHOOK_SECRET to that of your webhook to {address}: {WEBHOOK}")
        )
    return found


def require_complete(settings: UpSettings, github: GitHubSettings) -> None:
    """Refuse to start with something missing.

    Raises:
        InvalidInput: All that is missing, each with how to get it.
    """
    lacks = missing(settings, github)
    if lacks:
        lines = "\n".join(f"  - {one.what}. {one.how}" for one in lacks)
        raise InvalidInput(f"`rig up` cannot start yet. It needs\n{lines}\nTo see the rig work without any: rig demo")


def remarks(settings: UpSettings, github: GitHubSettings) -> list[str]:
    """What a person should know about how this rig is set up."""
    said: list[str] = []
    if not settings.public_url:
        said.append("Without RIG_PUBLIC_URL GitHub cannot call the rig, so the rig polls GitHub for changes.")
    if github.reviews_own_work:
        said.append(
            "One GitHub identity writes and reviews. GitHub refuses an approval by the author, so reviews are "
            "posted as comments, and a branch protection that demands an approving review holds every merge. "
            "Set RIG_GITHUB_REVIEW_TOKEN, or RIG_GITHUB_REVIEW_APP_ID with its key, to a second identity."
        )
    return said


def _has(secret: SecretStr) -> bool:
    return bool(secret.get_secret_value())
