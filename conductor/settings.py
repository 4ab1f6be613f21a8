"""The conductor's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from conductor.issues.limits import Limits
from conductor.merge.train import MergeTrain
from conductor.retention import Ages
from servers.kit.settings import RigSettings


class ConductorSettings(RigSettings):
    """What the conductor needs; every field also as `RIG_<FIELD>`, secrets as `RIG_<FIELD>_FILE`."""

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql://user:password@host/database")
    valkey_url: SecretStr = Field(
        default=SecretStr(""),
        description="Valkey for wake-ups and KEDA, as rediss://user:password@host:6379/0; without it PostgreSQL does",
    )
    repositories: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Enrolled repositories, as owner/repo separated by commas"
    )
    label_apps: Annotated[list[str], NoDecode] = Field(
        default_factory=list, description="Apps whose agent-ready label starts work, as logins like planner[bot]"
    )
    readiness: bool = Field(default=True, description="Whether authors of vague issues are asked before work starts")
    readiness_judge: str = Field(
        default="", description="Character that has to find an issue clear before work starts, such as judge-e"
    )
    rubric_judge: str = Field(
        default="", description="Character that scores merged work, such as judge-e; nothing waits for it"
    )
    incident_secret: SecretStr = Field(
        default=SecretStr(""), description="What monitoring signs its incidents with, or sends as bearer token"
    )
    incident_repository: str = Field(
        default="", description="Repository of incidents that name none, as owner/repo; it has to be enrolled"
    )
    incident_quiet_hours: float = Field(
        default=24, gt=0, description="An incident that stayed away for so long is a new one when it comes back"
    )
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="Secret of GitHub's webhooks")
    webhook_secret_old: SecretStr = Field(default=SecretStr(""), description="Also accepted while secrets change")
    github_server_url: str = Field(
        default="http://127.0.0.1:7700/mcp/github", description="Where the github server answers"
    )
    memory_server_url: str = Field(
        default="", description="Where the memory server answers; without it nothing remembered becomes a document"
    )
    signing_key: Path = Field(default=Path(".rig/signing-key.pem"), description="Ed25519 key that signs tokens")
    characters: Path = Field(default=Path("characters"), description="Folder of character files")
    lease_seconds: float = Field(default=90, gt=0, description="How long a claim holds without a heartbeat")
    first_heartbeat_seconds: float = Field(default=30, gt=0, description="A claim without any heartbeat ends then")
    lease_grace_seconds: float = Field(default=60, ge=0, description="How late an ended lease is expired")
    park_seconds: float = Field(
        default=60, gt=0, description="How long a holder that should make room for critical work may go on"
    )
    watch_seconds: float = Field(default=15, gt=0, description="How often standstill and alike failures are sought")
    reconcile_seconds: float = Field(default=300, gt=0, description="How often GitHub is read again")
    token_hours: float = Field(default=24, gt=0, description="Life of a renewed token")
    max_strikes: int = Field(default=2, ge=1, description="Failed attempts until a person is asked")
    max_reviews: int = Field(default=5, ge=1, description="Rounds of review until a person is asked")
    max_ci_repairs: int = Field(default=3, ge=0, description="Repairs of red CI until a person is asked")
    max_same_failure: int = Field(
        default=3, ge=1, description="Alike failures of an issue, but for red CI, until a person is asked"
    )
    max_repository_failures: int = Field(
        default=5, ge=1, description="Failures of one class in a repository within an hour until it is paused"
    )
    max_usd_without_progress: float = Field(
        default=2,
        gt=0,
        description="Dollars spent on an issue without a new commit or green check",
    )
    max_usd_per_issue: float | None = Field(
        default=25, gt=0, description="Dollars that all agents together may spend on an issue"
    )
    max_turns_per_issue: int | None = Field(default=None, ge=1, description="Model calls on an issue, likewise")
    max_usd_per_day: float | None = Field(
        default=200, gt=0, description="Dollars that the whole rig may spend in a day (UTC)"
    )
    max_turns_per_day: int | None = Field(default=None, ge=1, description="Model calls in a day, likewise")
    max_open_issues: int = Field(default=3, ge=1, description="Issues of a repository in work at once")
    watch_progress_minutes: float = Field(default=30, gt=0, description="How long work may stand still")
    watch_review_minutes: float = Field(default=20, gt=0, description="How long a review may stand still")
    watch_merge_minutes: float = Field(default=15, gt=0, description="How long a merge may stand still")
    watch_ci_minutes: float = Field(default=60, gt=0, description="How long CI may go without a result")
    merge_train: MergeTrain = Field(
        default="always",
        description="Whether a pull request has to contain its base before it lands: always, or when_required by "
        "the base's rules",
    )
    keep_deliveries_days: float = Field(default=30, ge=1, description="How long webhook deliveries are kept")
    keep_logs_days: float = Field(
        default=30, ge=1, description="How long the lines that agents said, and what models said, are kept"
    )
    keep_steps_days: float = Field(default=90, ge=1, description="How long the steps of runs are kept")
    keep_answers_days: float = Field(default=30, ge=1, description="How long a repeated request is known")
    keep_agents_days: float = Field(default=30, ge=1, description="How long an agent that is gone is still listed")
    keep_messages_days: float = Field(default=90, ge=1, description="How long messages are kept once they are read")
    keep_effects_days: float = Field(default=90, ge=1, description="How long it is kept what was done outside")
    pool_size: int = Field(default=10, ge=2, le=100, description="Database connections per process")

    @property
    def ages(self) -> Ages:
        """How long things are kept that are not events."""
        return Ages(
            deliveries=self.keep_deliveries_days,
            redeliveries=self.keep_deliveries_days,
            log_lines=self.keep_logs_days,
            steps=self.keep_steps_days,
            transcripts=self.keep_logs_days,
            answers=self.keep_answers_days,
            agents=self.keep_agents_days,
            messages=self.keep_messages_days,
            effects=self.keep_effects_days,
        )

    @property
    def limits(self) -> Limits:
        """Where the rig stops by itself."""
        return Limits(
            strikes=self.max_strikes,
            reviews=self.max_reviews,
            ci_failures=self.max_ci_repairs,
            same_failure=self.max_same_failure,
            repository_failures=self.max_repository_failures,
            usd=self.max_usd_without_progress,
            usd_per_issue=self.max_usd_per_issue,
            turns_per_issue=self.max_turns_per_issue,
            usd_per_day=self.max_usd_per_day,
            turns_per_day=self.max_turns_per_day,
            open_issues=self.max_open_issues,
            progress_minutes=self.watch_progress_minutes,
            review_minutes=self.watch_review_minutes,
            merge_minutes=self.watch_merge_minutes,
            ci_minutes=self.watch_ci_minutes,
        )

    @field_validator("repositories", "label_apps", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
