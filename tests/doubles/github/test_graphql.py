"""GraphQL: any selection over what the double knows, and nothing that GitHub does not have."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)
from hypothesis import given
from hypothesis import strategies as st

from rig.doubles.github import GitHubDouble
from rig.doubles.github.graphql.endpoint import RESOLVERS
from rig.doubles.github.graphql.engine import ARGUMENTS, FIELDS, INTERFACES
from rig.doubles.github.graphql.language import SyntaxProblem
from rig.doubles.github.graphql.language import parse as parse_here
from tests.doubles.github.published import text_of
from tests.doubles.github.support import ADA, DEV, REPO, REVIEW, Copy, Receiver, pull_request

SENT = Path(__file__).parents[3] / "servers" / "github" / "graphql"
GATE = """
query Gate($owner: String!, $name: String!, $number: Int!, $after: String) {
  viewer { login }
  repository(owner: $owner, name: $name) {
    id databaseId nameWithOwner isPrivate
    defaultBranchRef { name target { oid } }
    pullRequest(number: $number) {
      id number title body url state isDraft merged mergeable mergeStateStatus reviewDecision
      headRefName headRefOid baseRefName baseRefOid isInMergeQueue changedFiles additions deletions
      author { __typename login ... on Bot { databaseId } }
      mergedBy { login } mergeCommit { oid }
      labels(first: 20) { totalCount nodes { name } }
      files(first: 100) { nodes { path changeType } }
      closingIssuesReferences(first: 10) { nodes { number repository { nameWithOwner } } }
      reviews(first: 20) { nodes { state author { login } commit { oid } } }
      latestOpinionatedReviews(first: 20, writersOnly: true) { nodes { state author { login } commit { oid } } }
      reviewThreads(first: 1, after: $after) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes { id isResolved isOutdated path comments(first: 1) { nodes { body author { login } } } }
      }
      commits(last: 1) { nodes { commit { oid statusCheckRollup { state contexts(first: 50) { nodes {
        __typename
        ... on CheckRun { name status conclusion detailsUrl text databaseId isRequired(pullRequestNumber: $number) }
        ... on StatusContext { context state targetUrl isRequired(pullRequestNumber: $number) }
      } } } } } }
    }
  }
}
"""


@functools.cache
def schema() -> GraphQLSchema:
    return build_schema(text_of("graphql-schema/schema.graphql"), assume_valid=True)


def conforms(value: Any, kind: str, where: str) -> None:
    """Whether a value fits the published type: not null where it says so, enums by name."""
    if value is None:
        assert not kind.endswith("!"), f"{where} is null, and GitHub's never is"
        return
    named = schema().type_map[kind.strip("[]!")]
    if isinstance(named, GraphQLEnumType):
        assert value in named.values, f"{where} is {value}, which {named.name} does not have"
    else:
        simple = {"Int": int, "Boolean": bool, "String": str, "ID": str}
        assert isinstance(value, simple.get(named.name, str)), f"{where} is {value}, and not {kind}"


def test_every_resolver_stands_for_a_field_of_githubs_schema() -> None:
    modules = {module.__name__.rpartition(".")[2] for module in RESOLVERS}
    assert modules == {"reads", "pulls", "relations", "reviews", "writes"}
    for type_name, fields in FIELDS.items():
        if type_name == "Edge":
            continue
        published = schema().type_map[type_name]
        assert isinstance(published, GraphQLObjectType), type_name
        for name in fields:
            assert name in published.fields, f"GitHub has no {type_name}.{name}"
            known = set(published.fields[name].args)
            assert set(ARGUMENTS[type_name, name]) <= known, f"{type_name}.{name} takes {known}"


def test_every_abstract_type_is_one_that_github_gives_the_type() -> None:
    for type_name, names in INTERFACES.items():
        for name in names:
            abstract = schema().type_map[name]
            assert isinstance(abstract, GraphQLInterfaceType | GraphQLUnionType)
            assert type_name in {possible.name for possible in schema().get_possible_types(abstract)}


def sent() -> list[Path]:
    return sorted(SENT.glob("*.graphql"))


@pytest.mark.parametrize("document", sent(), ids=lambda path: path.stem)
def test_the_documents_that_the_rig_sends_are_valid_and_answered(document: Path) -> None:
    text = document.read_text()
    assert validate(schema(), parse(text)) == []
    assert parse_here(text).operations
    assert unanswered(text) == []


def unanswered(text: str) -> list[str]:
    """The fields of a document that no resolver here stands for."""
    missing: list[str] = []
    info = TypeInfo(schema())

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent, name = info.get_parent_type(), node.name.value
            assert parent is not None
            concrete = [parent.name]
            if isinstance(parent, GraphQLInterfaceType | GraphQLUnionType):
                concrete = [t.name for t in schema().get_possible_types(parent) if t.name in FIELDS]
            paging = name in ("nodes", "edges", "totalCount", "pageInfo")
            if name != "__typename" and not paging and not any(name in FIELDS.get(t, {}) for t in concrete):
                missing.append(f"{parent.name}.{name}")

    visit(parse(text), TypeInfoVisitor(info, Fields()))
    return missing


async def test_the_gate_is_read_in_one_query(github: GitHubDouble, copy: Copy) -> None:
    assert validate(schema(), parse(GATE)) == []
    assert unanswered(GATE) == []
    await github.file_issue(REPO, "One", token=ADA)
    await github.protect(REPO, required_checks=["test"])
    number = await pull_request(github, copy)
    head = await copy.head()
    comments = [{"path": "calc.py", "line": line, "body": f"On {line}"} for line in (1, 2)]
    await github.api(
        "POST", f"/repos/{REPO}/pulls/{number}/reviews", REVIEW, {"event": "APPROVE", "comments": comments}
    )
    await github.api("POST", f"/repos/{REPO}/statuses/{head}", DEV, {"state": "pending", "context": "rig/gate"})
    await github.settle()
    variables = {"owner": "ada", "name": "demo", "number": number}
    answers = [(await github.graphql(GATE, variables, REVIEW)) for _ in range(2)]
    assert [a["data"]["repository"]["pullRequest"]["mergeable"] for a in answers] == ["UNKNOWN", "MERGEABLE"]
    assert "errors" not in answers[1]
    pull = answers[1]["data"]["repository"]["pullRequest"]
    assert (pull["headRefOid"], pull["mergeStateStatus"], pull["reviewDecision"]) == (head, "UNSTABLE", "APPROVED")
    assert pull["author"]["login"] == "rig-dev"
    assert pull["closingIssuesReferences"]["nodes"] == [{"number": 1, "repository": {"nameWithOwner": REPO}}]
    assert pull["latestOpinionatedReviews"]["nodes"] == [
        {"state": "APPROVED", "author": {"login": "rig-review"}, "commit": {"oid": head}}
    ]
    rollup = pull["commits"]["nodes"][0]["commit"]["statusCheckRollup"]
    assert [(c["__typename"], c["isRequired"]) for c in rollup["contexts"]["nodes"]] == [
        ("CheckRun", True),
        ("StatusContext", False),
    ]
    first = pull["reviewThreads"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (2, True)
    later = await github.graphql(GATE, variables | {"after": first["pageInfo"]["endCursor"]}, REVIEW)
    rest = later["data"]["repository"]["pullRequest"]["reviewThreads"]
    assert rest["nodes"][0]["comments"]["nodes"][0]["body"] == "On 2"
    assert rest["pageInfo"]["hasNextPage"] is False


async def test_answers_have_the_types_that_github_publishes(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy)
    await github.settle()
    query = schema().type_map["PullRequest"]
    assert isinstance(query, GraphQLObjectType)
    leaves = {
        name: str(query.fields[name].type)
        for name in FIELDS["PullRequest"]
        if isinstance(
            schema().type_map[str(query.fields[name].type).strip("[]!")], GraphQLEnumType | GraphQLScalarType
        )
    }
    selection = f"pullRequest(number: {number}) {{ {' '.join(leaves)} }}"
    answer = await github.graphql(f'{{ repository(owner: "ada", name: "demo") {{ {selection} }} }}', token=DEV)
    data = answer["data"]["repository"]["pullRequest"]
    assert len(data) == len(leaves) > 20
    for name, value in data.items():
        conforms(value, leaves[name], name)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ viewer { name nothing } }", "Field 'nothing' doesn't exist on type 'User'"),
        ("{ viewer }", "Field must have selections"),
        ("{ viewer { login { x } } }", "Selections can't be made on scalars"),
        ("{ viewer { login(x: 1) } }", "doesn't accept argument 'x'"),
        ("query($x: Int!) { viewer { login } }", "Variable $x was provided invalid value"),
        ("{ repository(owner: $o, name: $o) { id } }", "Variable $o is used but not declared"),
        ("{ ...Missing }", "Fragment Missing was used, but not defined"),
        ("{ viewer { login }", "Expected a name, actual: end"),
        ("subscription { x }", "Expected query or mutation"),
        ("", "No operation"),
        ("{ viewer { login } } %", "Expected one of the tokens"),
        ("{a" * 100 + "}" * 100, "nested too deeply"),
    ],
)
async def test_wrong_documents_are_errors_without_data(github: GitHubDouble, query: str, message: str) -> None:
    answer = await github.graphql(query, token=ADA)
    assert message in answer["errors"][0]["message"]
    assert "data" not in answer


@pytest.mark.parametrize(
    ("selection", "kind"),
    [
        ('repository(owner: "ada", name: "nothing") { id }', "NOT_FOUND"),
        ('repository(owner: "ada", name: "demo") { pullRequest(number: 99) { id } }', "NOT_FOUND"),
        ('repository(owner: "ada", name: "demo") { issues { totalCount } }', "MISSING_PAGINATION_BOUNDARIES"),
        ('repository(owner: "ada", name: "demo") { issues(first: 101) { totalCount } }', "EXCESSIVE_PAGINATION"),
        ('node(id: "PR_0") { id }', "NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_null_with_an_error(github: GitHubDouble, selection: str, kind: str) -> None:
    answer = await github.graphql(f"{{ viewer {{ login }} {selection} }}", token=ADA)
    assert answer["data"]["viewer"] == {"login": "ada"}
    assert answer["errors"][0]["type"] == kind


async def test_aliases_fragments_directives_and_edges_work(github: GitHubDouble) -> None:
    await github.file_issue(REPO, "One", token=ADA, labels=["x"])
    query = """
    # A comment, and a block string below.
    query Read($with: Boolean = false) {
      mine: repository(owner: "ada", name: \"\"\"demo\"\"\") { ...Both other: name @skip(if: true) }
    }
    fragment Both on Repository {
      issues(last: 1, states: [OPEN]) { edges { cursor node { title @include(if: $with) number ...on Node { id } } } }
    }
    """
    answer = await github.graphql(query, {}, ADA)
    edge = answer["data"]["mine"]["issues"]["edges"][0]
    assert set(answer["data"]["mine"]) == {"issues"}
    assert set(edge["node"]) == {"number", "id"}
    assert "title" in (await github.graphql(query, {"with": True}, ADA))["data"]["mine"]["issues"]["edges"][0]["node"]


async def test_nobody_reads_graphql_without_a_token(github: GitHubDouble) -> None:
    answer = await github.http.post("/api/graphql", json={"query": "{ viewer { login } }"})
    assert answer.status_code == 401
    broken = await github.http.post("/api/graphql", content=b"{", headers={"Authorization": f"Bearer {ADA}"})
    assert broken.status_code == 400


async def test_a_private_repository_is_not_found_by_strangers(github: GitHubDouble) -> None:
    await github.seed_repository("ada/secret", private=True, files={"a": "b"})
    query = '{ repository(owner: "ada", name: "secret") { id } }'
    assert (await github.graphql(query, token=DEV))["errors"][0]["type"] == "NOT_FOUND"
    found = (await github.graphql(query, token=ADA))["data"]["repository"]["id"]
    by_id = f'{{ node(id: "{found}") {{ __typename }} }}'
    assert (await github.graphql(by_id, token=ADA))["data"]["node"] == {"__typename": "Repository"}
    assert (await github.graphql(by_id, token=DEV))["data"]["node"] is None


ENQUEUE = """mutation($id: ID!, $head: GitObjectID) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { state position } } }"""


async def test_a_merge_queue_lands_what_is_put_into_it(github: GitHubDouble, copy: Copy, hooks: Receiver) -> None:
    number = await pull_request(github, copy)
    path = f"/repos/{REPO}/pulls/{number}"
    pull = (await github.api("GET", path, DEV)).json()
    none = await github.graphql(ENQUEUE, {"id": pull["node_id"]}, DEV)
    assert none["errors"][0]["message"] == "Merge queue is not enabled for the base branch"
    await github.protect(REPO, merge_queue=True, required_checks=["test"])
    await github.settle()
    direct = await github.api("PUT", f"{path}/merge", DEV, {"merge_method": "squash"})
    assert (direct.status_code, direct.json()["message"]) == (405, "Changes must be made through the merge queue")
    moved = await github.graphql(ENQUEUE, {"id": pull["node_id"], "head": "f" * 40}, DEV)
    assert "Head branch was modified" in moved["errors"][0]["message"]
    queued = await github.graphql(ENQUEUE, {"id": pull["node_id"], "head": pull["head"]["sha"]}, DEV)
    assert queued["data"]["enqueuePullRequest"]["mergeQueueEntry"]["state"] == "QUEUED"
    await github.settle()
    assert (await github.api("GET", path, DEV)).json()["merged"] is True
    assert "pull_request.enqueued" in hooks.names()


@given(st.text(alphabet='{}()[]:!$@.,"#\\ \nabquery1-|&\x00é', max_size=60))
def test_any_text_is_a_document_or_a_syntax_problem(text: str) -> None:
    with contextlib.suppress(SyntaxProblem):
        parse_here(text)
