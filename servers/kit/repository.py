"""What a repository says about itself in `.rig-agent.yaml`; mistakes are named with their line and key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from servers.kit import strict_yaml
from servers.kit.errors import InvalidInput

FILE = ".rig-agent.yaml"
LONGEST = 16 * 1024

Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Command = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Stack = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9-]{0,40})?$")]
# A counted repetition of \w would be compiled to megabytes.
Topic = Annotated[str, StringConstraints(max_length=61, pattern=r"^[A-Za-z][\w -]*$")]
Host = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9][A-Za-z0-9.-]{0,250}(:\d{1,5})?$")]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class HumanGates(_Strict):
    """What only a person may let through; what stands here adds to what the rig knows by itself."""

    paths: dict[Topic, list[Words]] = Field(
        default_factory=dict, description="Patterns of paths by topic: a pull request that touches one waits"
    )
    keywords: dict[Topic, list[Words]] = Field(
        default_factory=dict, description="Words by topic: a change that adds one waits"
    )
    new_dependencies: bool = Field(default=True, description="Whether a new third-party dependency waits")


class Deployment(_Strict):
    """What has to happen to a merged change before the issue is done; what is not named is not waited for."""

    staging: Words | None = Field(default=None, description="Environment that it is deployed to first")
    smoke: Words | None = Field(default=None, description="Workflow that tests it there, or a character")
    e2e: Words | None = Field(default=None, description="Workflow that tests everything there, or a character")
    production: Words | None = Field(default=None, description="Environment that it has to arrive in")


class RepositoryPolicy(_Strict):
    """How much the rig may do here alone."""

    hold_labels: list[Words] = Field(
        default_factory=lambda: ["do-not-merge"], description="Labels that hold a pull request"
    )
    manual_labels: list[Words] = Field(
        default_factory=lambda: ["manual-merge"], description="Labels that leave the merge to a person"
    )
    code_owners: Literal["required", "ignore"] = Field(
        default="required", description="Whether an owner by CODEOWNERS has to approve"
    )
    human_gates: HumanGates = Field(default_factory=HumanGates, description="What a person has to approve")
    deployment: Deployment | None = Field(default=None, description="None: an issue is done once it is merged")
    network: list[Host] = Field(
        default_factory=list, description="Hosts that commands may reach; set-up reaches package registries too"
    )


class RepositorySettings(_Strict):
    """The file `.rig-agent.yaml` on the base branch.

    Every key may be left out. What this version does not know is refused, so that a misspelt key is never
    taken for a default.
    """

    stack: Stack = Field(default="", description="Stack an agent must know; empty: any agent will do")
    tools: list[Words] = Field(
        default_factory=list, description="Programs that the work needs beyond the stack's own"
    )
    setup_command: Command = Field(default="", description="Fetches dependencies, once, before the work")
    build_command: Command = Field(default="", description="Has to pass before anything is pushed")
    test_command: Command = Field(default="", description="Has to pass before anything is pushed")
    escalate: list[Words] = Field(
        default_factory=list, description="Who is asked where the rig stops: @people and @teams, called there"
    )
    policy: RepositoryPolicy = Field(default_factory=RepositoryPolicy, description="How much the rig does alone")


def parse(text: str | None, source: str = FILE) -> RepositorySettings:
    """Read the file's text; a repository without one gets the defaults.

    Args:
        text: YAML of at most 16,384 characters, without anchors.
        source: File name for messages.

    Raises:
        InvalidInput: Every mistake, each as `file:line: key: what is wrong`.
    """
    if text is None or not text.strip():
        return RepositorySettings()
    if len(text) > LONGEST:
        raise InvalidInput(f"{source}:1: longer than {LONGEST} characters.")
    node, data = strict_yaml.read(text, source, "the file", aliases=False)
    return strict_yaml.validate(RepositorySettings, data, node, source, "file")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    return RepositorySettings.model_json_schema(by_alias=True)
