"""What a repository says about itself: `.rig-agent.yaml` and AGENTS.md, as the base branch has them."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.errors import Stuck

FILE = ".rig-agent.yaml"
GUIDE = "AGENTS.md"


class RepositorySettings(BaseModel):
    """The keys of `.rig-agent.yaml` that a run needs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    build_command: str = Field(default="", alias="buildCommand")
    test_command: str = Field(default="", alias="testCommand")


def parse(text: str | None) -> RepositorySettings:
    """Read the file's text; a repository without one gets the defaults.

    Raises:
        Stuck: It is not valid.
    """
    if not text or not text.strip():
        return RepositorySettings()
    try:
        data = yaml.safe_load(text)
        return RepositorySettings.model_validate(data)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Stuck("repository_config", f"{FILE}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise Stuck("repository_config", f"{FILE} is not valid.", str(error)) from error
