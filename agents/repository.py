"""What a repository says about itself: `.rig-agent.yaml` and AGENTS.md, as the base branch has them."""

from __future__ import annotations

from agents.errors import Stuck
from servers.kit import repository
from servers.kit.errors import InvalidInput
from servers.kit.repository import FILE, RepositorySettings

__all__ = ["FILE", "GUIDE", "RepositorySettings", "parse"]
GUIDE = "AGENTS.md"


def parse(text: str | None) -> RepositorySettings:
    """Read the file's text; a repository without one gets the defaults.

    Raises:
        Stuck: It is not valid.
    """
    try:
        return repository.parse(text)
    except InvalidInput as error:
        raise Stuck("repository_config", str(error).partition("\n")[0], str(error)) from error
