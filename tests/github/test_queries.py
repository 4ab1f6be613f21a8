"""Every GraphQL query that the server sends holds against GitHub's own schema."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from servers.github.queries import FOLDER

QUERIES = sorted(FOLDER.glob("*.graphql"))
SCHEMA = Path(__file__).parents[1] / "doubles" / "node_modules" / "@octokit" / "graphql-schema" / "schema.graphql"


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    if not SCHEMA.exists():
        reason = "GitHub's GraphQL schema is not here: `make test` installs it."
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return build_schema(SCHEMA.read_text(encoding="utf-8"), assume_valid=True)


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_the_query_is_valid(path: Path, schema: GraphQLSchema) -> None:
    assert validate(schema, parse(path.read_text(encoding="utf-8"))) == []


def test_the_queries_are_found() -> None:
    assert len(QUERIES) >= 6
