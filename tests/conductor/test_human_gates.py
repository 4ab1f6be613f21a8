"""What in a change only a person may let through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.merge.human_gates import MOST, triggers
from conductor.merge.policy import Policy, of_repository
from conductor.merge.snapshot import Change, Changes, Content
from servers.kit.repository import parse

POLICY = Policy()


def patch(*added: str) -> str:
    return "\n".join(["@@ -1,2 +1,3 @@ def x():", " kept", *(f"+{line}" for line in added), "-gone password"])


def change(path: str, *added: str, **more: Any) -> Change:
    fields: dict[str, Any] = {"patch": patch(*(added or ("x = 1",))), "additions": max(1, len(added)), "blob": "b1"}
    return Change(path=path, **fields | more)


def asked(*files: Change, policy: Policy = POLICY, **more: Any) -> list[tuple[str, str]]:
    return [(one.category, one.says) for one in triggers(Changes(files=list(files), **more), policy)]


def topics(*files: Change, policy: Policy = POLICY) -> list[str]:
    return [category for category, _ in asked(*files, policy=policy)]


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        ("src/auth/tokens.py", "authentication_session"),
        ("Auth.py", "authentication_session"),
        ("web/src/Session.ts", "authentication_session"),
        ("shop/payments/stripe_client.go", "payments"),
        ("db/migrations/0007_books.py", "schema_migration"),
        ("prisma/schema.prisma", "schema_migration"),
        ("app/privacy/export.py", "personal_data"),
        ("jobs/purge_books.py", "data_deletion"),
        (".rig-agent.yaml", "rig_policy"),
        (".github/CODEOWNERS", "rig_policy"),
        (".gitmodules", "third_party_code"),
        ("LICENSE_auth/session.py", "authentication_session"),
        (".github/workflows/ci.yml", "rig_policy"),
        (".github/actions/test/action.yml", "rig_policy"),
    ],
)
def test_a_path_triggers_its_topic(path: str, topic: str) -> None:
    assert topics(change(path)) == [topic]


@pytest.mark.parametrize(
    ("line", "topic"),
    [
        ("    if not check(Password):", "authentication_session"),
        ("client = stripe.Client()", "payments"),
        ('cursor.execute("ALTER  TABLE books ADD x int")', "schema_migration"),
        ("user.date_of_birth = when", "personal_data"),
        ('    db.run("delete from books")', "data_deletion"),
        ("+password", "authentication_session"),
        ("# only a comment\rimport stripe", "payments"),
        ("# only a comment\u2028import stripe", "payments"),
        ("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44 = 1", "authentication_session"),
    ],
)
def test_a_word_on_an_added_line_triggers_its_topic(line: str, topic: str) -> None:
    assert topics(change("src/app.py", line)) == [topic]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("src/app.py", "passwordless = passwords = compass = 1"),
        ("src/app.py", "x = 1"),
        ("src/app.py", "    # say no word about the password"),
        ("src/app.ts", "  // password"),
        ("README.md", "Set your password."),
        ("docs/auth.md", "Sessions end after an hour: password"),
        ("tests/auth/test_login.py", "password = 'x'"),
        ("src/auth_test.go", "password"),
        ("uv.lock", "stripe"),
        ("src/authors.py", "x"),
        ("src/paymentsx/plan.py", "x"),
    ],
)
def test_nothing_else_triggers(path: str, line: str) -> None:
    assert topics(change(path, line)) == []


def test_another_commit_of_a_submodule_is_third_party_code() -> None:
    pointer = change("tests/data", patch=f"@@ -1 +1 @@\n-Subproject commit {'a' * 40}\n+Subproject commit {'b' * 40}")
    assert topics(pointer) == ["third_party_code"]


def test_words_on_lines_that_go_do_not_trigger() -> None:
    assert "password" in patch("x = 1")
    assert topics(change("src/app.py", "x = 1")) == []


def test_a_renamed_file_triggers_by_either_path() -> None:
    moved = Change(path="src/other.py", previous_path="src/auth/tokens.py", status="renamed")
    assert topics(moved) == ["authentication_session"]


def test_a_sentence_names_file_and_reason() -> None:
    assert asked(change("src/auth/x.py")) == [
        ("authentication_session", "`src/auth/x.py` changes authentication or sessions (path `**/auth/`).")
    ]
    assert asked(change("app.py", "import stripe")) == [("payments", "`app.py` changes payments (it adds `stripe`).")]


def test_a_hostile_path_cannot_write_markdown() -> None:
    [(_, says)] = asked(change("auth/`\n**@everybody** <b>\u202e.py"))
    assert says.count("`") == 4
    assert "\n" not in says
    assert "\u202e" not in says


def test_a_binary_file_is_silent_and_a_diff_too_large_is_not() -> None:
    assert topics(Change(path="logo.png", additions=0)) == []
    assert topics(Change(path="src/huge.py", additions=9000)) == ["unread"]
    assert topics(Change(path="uv.lock", additions=9000)) == []


def test_more_files_than_can_be_read_need_a_person() -> None:
    assert asked(change("a.py"), complete=False) == [("unread", "It changes more files than the rig can read.")]


def test_of_many_triggers_the_last_stands_for_the_rest_and_its_evidence_for_all_of_them() -> None:
    def of(count: int) -> Any:
        return triggers(Changes(files=[change(f"auth/{n}.py") for n in range(count)]), POLICY)

    assert len(of(500)) == MOST
    assert of(500)[-1].says == f"There are {500 - MOST + 1} more changes like these."
    assert of(500)[-1].evidence == of(500)[-1].evidence != of(501)[-1].evidence


def manifest(path: str, before: str | None, after: str | None, **more: Any) -> Changes:
    return Changes(files=[change(path)], contents=[Content(path=path, before=before, after=after, **more)])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (manifest("requirements.txt", "rich==1\n", "rich==2\n"), None),
        (manifest("requirements.txt", "rich\nhttpx\n", "rich\n"), None),
        (manifest("requirements.txt", "rich\n", None), None),
        (
            manifest("requirements.txt", "rich\n", "rich\r\nhttpx\r\n"),
            "`requirements.txt` adds the dependency `httpx`.",
        ),
        (manifest("a/go.mod", None, "require b v1\nrequire c v1"), "`a/go.mod` adds the dependencies `b`, `c`."),
        (
            manifest("package.json", "{}", "{"),
            "`package.json` declares dependencies and could not be read.",
        ),
        (manifest("package.json", "{", '{"dependencies": {}}'), None),
        (
            manifest("package.json", None, None, readable=False),
            "`package.json` declares dependencies and could not be read.",
        ),
        (
            Changes(files=[change("Cargo.toml")]),
            "`Cargo.toml` declares dependencies and could not be read.",
        ),
    ],
)
def test_a_new_dependency_triggers_and_a_new_version_does_not(changes: Changes, says: str | None) -> None:
    assert [one.says for one in triggers(changes, POLICY)] == ([says] if says else [])


def test_a_dependency_that_moves_between_manifests_is_not_new() -> None:
    contents = [
        Content(path="requirements.txt", before="rich\n", after=""),
        Content(path="pyproject.toml", before="", after='[project]\ndependencies = ["rich"]\n'),
    ]
    assert triggers(Changes(contents=contents), POLICY) == []


def test_evidence_follows_what_changed_and_not_where_it_stands() -> None:
    def evidence(file: Change) -> tuple[str, ...]:
        return triggers(Changes(files=[file]), POLICY)[0].evidence

    one = change("auth/x.py", "a = 1")
    moved = change("auth/x.py", patch="@@ -90,1 +91,2 @@\n other\n+a = 1\n-gone password")
    assert evidence(one) == evidence(moved)
    assert evidence(one) != evidence(change("auth/x.py", "a = 2"))
    assert evidence(one) != evidence(change("auth/y.py", "a = 1"))


SETTINGS = """
policy:
  codeOwners: ignore
  holdLabels: [wait]
  humanGates:
    newDependencies: false
    paths:
      payments: ["off", "ledger/"]
      Crown jewels: ["/jewels/"]
    keywords:
      payments: ["off"]
      personal data: [nickname]
"""


def test_a_repository_adds_topics_and_switches_built_in_ones_off_by_name() -> None:
    policy = of_repository(parse(SETTINGS).policy)
    assert (policy.code_owners, policy.hold_labels, policy.new_dependencies) == ("ignore", ["wait"], False)
    assert topics(change("billing/x.py", "stripe"), policy=policy) == []
    assert asked(change("ledger/x.py"), policy=policy) == [
        ("payments", "`ledger/x.py` changes payments (path `ledger/`).")
    ]
    assert asked(change("jewels/a.md"), policy=policy) == [
        ("crown_jewels", "`jewels/a.md` concerns Crown jewels (path `/jewels/`).")
    ]
    assert topics(change("docs/names.md", "nickname"), policy=policy) == ["personal_data"]
    assert topics(change("a.py", "ssn = 1"), policy=policy) == ["personal_data"]
    assert triggers(manifest("requirements.txt", "", "rich\n"), policy) == []


def test_a_policy_is_known_by_its_content() -> None:
    assert of_repository(parse("").policy).digest == Policy().digest
    assert of_repository(parse(SETTINGS).policy).digest not in (Policy().digest, "")


@given(
    st.builds(
        Change,
        path=st.text(min_size=1, max_size=80),
        previous_path=st.none() | st.text(min_size=1, max_size=40),
        status=st.sampled_from(["added", "removed", "modified", "renamed", "unchanged"]),
        additions=st.integers(0, 10**6),
        patch=st.none() | st.text(max_size=300),
    )
)
def test_no_change_is_too_odd(file: Change) -> None:
    for one in triggers(Changes(files=[file]), POLICY):
        assert one.says.endswith(".")
        assert one.evidence
