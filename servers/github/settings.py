"""Settings of the GitHub server: where GitHub is, under which identities, on which repositories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from servers.kit import alone
from servers.kit.errors import InvalidInput
from servers.kit.settings import RigSettings

Identity = Literal["conductor", "dev", "review"]
IDENTITIES: tuple[Identity, ...] = ("conductor", "dev", "review")
GITHUB_DOCS = "https://docs.github.com"
GITHUB_ACCESS = (
    "Set GITHUB_TOKEN to a fine-grained token that may read and write contents, issues, pull requests and commit "
    f"statuses and read checks: {GITHUB_DOCS}/authentication/keeping-your-account-and-data-secure/"
    "managing-your-personal-access-tokens . Or set RIG_GITHUB_APP_ID and RIG_GITHUB_APP_PRIVATE_KEY_FILE "
    f"of a GitHub App: {GITHUB_DOCS}/apps/creating-github-apps"
)


@dataclass(frozen=True)
class TokenCredential:
    """A personal access token."""

    token: str


@dataclass(frozen=True)
class AppCredential:
    """A GitHub App, installed on the repositories it serves."""

    app_id: int
    private_key: str


Credential = TokenCredential | AppCredential


class AloneSettings(alone.AloneSettings):
    """Where the server listens when it runs by itself, and how it asks the conductor about claims."""

    port: int = Field(default=7701, ge=0, le=65535, description="Port to listen on")


class GitHubSettings(RigSettings):
    """How GitHub is reached; every identity without a credential of its own uses the conductor's."""

    github_url: str = Field(
        default="https://github.com", description="GitHub, or a GitHub Enterprise Server, as browsers open it"
    )
    github_token: SecretStr | None = Field(default=None, description="Personal access token of the conductor")
    github_dev_token: SecretStr | None = Field(default=None, description="Personal access token of those who write")
    github_review_token: SecretStr | None = Field(
        default=None, description="Personal access token of those who review"
    )
    github_app_id: int | None = Field(default=None, ge=1, description="GitHub App of the conductor")
    github_app_private_key: SecretStr | None = Field(default=None, description="That App's private key, PEM")
    github_dev_app_id: int | None = Field(default=None, ge=1, description="GitHub App of those who write")
    github_dev_app_private_key: SecretStr | None = Field(default=None, description="That App's private key, PEM")
    github_review_app_id: int | None = Field(default=None, ge=1, description="GitHub App of those who review")
    github_review_app_private_key: SecretStr | None = Field(default=None, description="That App's private key, PEM")
    github_threads: int = Field(default=8, ge=1, le=64, description="Requests to GitHub at one time")
    github_timeout_seconds: int = Field(
        default=10, ge=1, le=120, description="Seconds to wait for an answer of GitHub"
    )
    github_mirror_megabytes: int = Field(
        default=1000, ge=1, description="Size of the mirrors together in which merges are compared"
    )
    repositories: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Repositories the rig may touch, as owner/repo separated by commas; "
        "empty: all that the credential sees",
    )

    @field_validator("github_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("is not an http or https address such as https://github.com")
        return url.rstrip("/")

    @field_validator("repositories", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("repositories")
    @classmethod
    def _named_in_full(cls, names: list[str]) -> list[str]:
        for name in names:
            owner, _, repo = name.partition("/")
            if not owner or not repo or "/" in repo:
                raise ValueError(f"{name!r} is not of the form owner/repo")
        return names

    @field_validator("github_app_private_key", "github_dev_app_private_key", "github_review_app_private_key")
    @classmethod
    def _pem(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        pem = key.get_secret_value().replace("\\n", "\n")
        try:
            load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise ValueError("is not a private key in PEM; GitHub gives one in the App's settings") from error
        return SecretStr(pem)

    @model_validator(mode="after")
    def _apps_have_keys(self) -> Self:
        for identity in IDENTITIES:
            app_id, key = self._app(identity)
            if (app_id is None) != (key is None):
                prefix = _prefix(identity)
                app = f"RIG_{prefix}APP".upper()
                raise ValueError(f"{app}_ID and {app}_PRIVATE_KEY go together; one is missing")
        return self

    @property
    def api_url(self) -> str:
        """Base of the REST API."""
        scheme, host = urlsplit(self.github_url)[:2]
        hosted = host == "github.com" or host.endswith(".ghe.com")
        return f"{scheme}://api.{host}" if hosted else f"{self.github_url}/api/v3"

    def credential(self, identity: Identity) -> Credential | None:
        """What `identity` shows to GitHub, or None where nothing is set."""
        return self._own_credential(identity) or self._own_credential("conductor")

    @property
    def reviews_own_work(self) -> bool:
        """Whether author and reviewer are one GitHub identity, whose approval GitHub refuses."""
        return self.credential("dev") == self.credential("review")

    def allows(self, repository: str) -> bool:
        """Whether the rig may touch `repository` at all."""
        return not self.repositories or repository.lower() in {name.lower() for name in self.repositories}

    def _app(self, identity: Identity) -> tuple[int | None, SecretStr | None]:
        prefix = _prefix(identity)
        return getattr(self, f"{prefix}app_id"), getattr(self, f"{prefix}app_private_key")

    def _own_credential(self, identity: Identity) -> Credential | None:
        app_id, key = self._app(identity)
        if app_id is not None and key is not None:
            return AppCredential(app_id, key.get_secret_value())
        token: SecretStr | None = getattr(self, f"{_prefix(identity)}token")
        return TokenCredential(token.get_secret_value()) if token else None


def require_credential(settings: GitHubSettings) -> None:
    """Refuse to serve without any credential.

    Raises:
        InvalidInput: There is none; with how to get one.
    """
    if settings.credential("conductor") is None:
        raise InvalidInput(f"The github server cannot start yet. It needs access to GitHub. {GITHUB_ACCESS}")


def _prefix(identity: Identity) -> str:
    return "github_" if identity == "conductor" else f"github_{identity}_"
