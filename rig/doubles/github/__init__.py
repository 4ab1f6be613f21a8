"""A stateful GitHub at the wire: REST, GraphQL, git, webhooks and CI over real bare repositories."""

from rig.doubles.github.client import GitHubDouble

__all__ = ["GitHubDouble"]
