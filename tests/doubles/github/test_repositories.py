"""Repositories, files, refs, commits, people and permissions over REST."""

from __future__ import annotations

import base64

import pytest

from rig.doubles.github import GitHubDouble
from tests.doubles.github.support import ADA, DEV, FILES, MALLORY, REPO, Copy, Receiver, pull_request

ROOT = f"/repos/{REPO}"


async def test_a_repository_says_what_the_caller_may_do(github: GitHubDouble) -> None:
    seen = (await github.api("GET", ROOT, DEV)).json()
    assert seen["permissions"] == {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}
    assert seen["clone_url"] == f"{github.url}/{REPO}.git"
    assert (await github.api("GET", "/repos/ADA/Demo", DEV)).json()["id"] == seen["id"]


async def test_a_private_repository_does_not_exist_for_strangers(github: GitHubDouble) -> None:
    await github.seed_repository("ada/secret", files={"a": "b"}, private=True)
    assert (await github.api("GET", "/repos/ada/secret", MALLORY)).status_code == 404
    assert (await github.api("GET", "/repos/ada/secret/issues")).status_code == 404
    assert (await github.api("GET", "/repos/ada/secret", ADA)).status_code == 200
    await github.grant("ada/secret", "mallory", "read")
    assert (await github.api("GET", "/repos/ada/secret", MALLORY)).status_code == 200


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic !!", "Digest abc", "Bearer a.b.c"])
async def test_bad_credentials_are_401_even_where_none_are_needed(github: GitHubDouble, header: str) -> None:
    answer = await github.http.get(f"/api/v3{ROOT}", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_anonymous_callers_read_public_repositories_only(github: GitHubDouble) -> None:
    seen = await github.api("GET", ROOT)
    assert (seen.status_code, seen.headers["x-ratelimit-limit"]) == (200, "60")
    assert (await github.api("POST", f"{ROOT}/issues", None, {"title": "x"})).status_code == 401
    assert (await github.api("GET", "/user")).status_code == 401
    assert (await github.api("GET", "/user", ADA)).json()["login"] == "ada"


@pytest.mark.parametrize(
    ("login", "permission", "role"),
    [("ada", "admin", "admin"), ("mallory", "read", "read"), ("mia", "write", "maintain"), ("tom", "read", "triage")],
)
async def test_a_permission_has_an_old_and_a_new_name(
    github: GitHubDouble, login: str, permission: str, role: str
) -> None:
    await github.grant(REPO, "mia", "maintain")
    await github.grant(REPO, "tom", "triage")
    answer = (await github.api("GET", f"{ROOT}/collaborators/{login}/permission", DEV)).json()
    assert (answer["permission"], answer["role_name"]) == (permission, role)


async def test_a_bot_is_not_a_user_to_ask_the_permission_of(github: GitHubDouble) -> None:
    answer = await github.api("GET", f"{ROOT}/collaborators/rig-dev%5Bbot%5D/permission", DEV)
    assert (answer.status_code, answer.json()["message"]) == (404, "rig-dev[bot] is not a user")


async def test_files_are_read_at_a_ref(github: GitHubDouble, copy: Copy) -> None:
    await pull_request(github, copy)
    old = (await github.api("GET", f"{ROOT}/contents/calc.py", DEV)).json()
    new = (await github.api("GET", f"{ROOT}/contents/calc.py?ref=fix", DEV)).json()
    assert base64.b64decode(old["content"]).decode() == FILES["calc.py"]
    assert b"a + b" in base64.b64decode(new["content"])
    listed = (await github.api("GET", f"{ROOT}/contents/docs", DEV)).json()
    assert [(entry["path"], entry["type"]) for entry in listed] == [("docs/usage.md", "file")]
    top = (await github.api("GET", f"{ROOT}/contents/", DEV)).json()
    assert {entry["name"] for entry in top} == {".github", "README.md", "calc.py", "check.py", "docs"}
    raw = await github.api("GET", f"{ROOT}/contents/README.md", DEV, Accept="application/vnd.github.raw+json")
    assert raw.text == "# Calculator\n"
    for path in ("nothing.md", "calc.py?ref=nowhere", "..%2F..%2Fetc%2Fpasswd", "calc.py?ref=--help"):
        assert (await github.api("GET", f"{ROOT}/contents/{path}", DEV)).status_code == 404


async def test_a_file_is_written_as_a_commit_guarded_by_its_blob(github: GitHubDouble, hooks: Receiver) -> None:
    path = f"{ROOT}/contents/docs/new.md"
    text = base64.b64encode(b"New.\n").decode()
    made = await github.api("PUT", path, ADA, {"message": "docs: new", "content": text})
    assert made.status_code == 201
    sha = made.json()["content"]["sha"]
    assert (await github.api("PUT", path, ADA, {"message": "again", "content": text})).status_code == 422
    stale = {"message": "again", "content": text, "sha": "0" * 40}
    assert (await github.api("PUT", path, ADA, stale)).status_code == 409
    gone = await github.http.request(
        "DELETE",
        f"/api/v3{path}",
        json={"message": "docs: none", "sha": sha},
        headers={"Authorization": f"Bearer {ADA}"},
    )
    assert (gone.status_code, gone.json()["content"]) == (200, None)
    assert (await github.api("PUT", path, MALLORY, {"message": "m", "content": text})).status_code == 403
    await github.settle()
    assert hooks.names().count("push") == 2
    assert hooks.payload("push")["commits"][0]["added"] == ["docs/new.md"]


async def test_refs_are_made_moved_and_removed(github: GitHubDouble, hooks: Receiver) -> None:
    head = (await github.api("GET", f"{ROOT}/git/ref/heads/main", DEV)).json()["object"]["sha"]
    ref = {"ref": "refs/heads/topic/a", "sha": head}
    assert (await github.api("POST", f"{ROOT}/git/refs", DEV, ref)).status_code == 201
    assert (await github.api("POST", f"{ROOT}/git/refs", DEV, ref)).status_code == 422
    assert (await github.api("POST", f"{ROOT}/git/refs", DEV, ref | {"sha": "f" * 40})).status_code == 422
    tip = await github.push_files(REPO, "main", {"more.txt": "more\n"}, login="ada")
    moved = await github.api("PATCH", f"{ROOT}/git/refs/heads/topic/a", DEV, {"sha": tip})
    assert moved.json()["object"]["sha"] == tip
    back = await github.api("PATCH", f"{ROOT}/git/refs/heads/topic/a", DEV, {"sha": head})
    assert (back.status_code, back.json()["message"]) == (422, "Update is not a fast forward")
    assert (await github.api("DELETE", f"{ROOT}/git/refs/heads/topic/a", DEV)).status_code == 204
    assert (await github.api("DELETE", f"{ROOT}/git/refs/heads/topic/a", DEV)).status_code == 422
    assert (await github.api("GET", f"{ROOT}/git/ref/heads/topic/a", DEV)).status_code == 404
    await github.settle()
    pushes = [payload for name, _, payload in hooks.taken if name == "push"]
    assert [(p["created"], p["deleted"], p["forced"]) for p in pushes] == [
        (True, False, False),
        (False, False, False),
        (False, False, False),
        (False, True, False),
    ]


async def test_branches_and_commits_are_shown(github: GitHubDouble, copy: Copy) -> None:
    number = await pull_request(github, copy, "fix/deep/name")
    head = await copy.head()
    branch = (await github.api("GET", f"{ROOT}/branches/fix/deep/name", DEV)).json()
    assert (branch["commit"]["sha"], branch["protected"]) == (head, False)
    assert (await github.api("GET", f"{ROOT}/branches/none", DEV)).json()["message"] == "Branch not found"
    listed = (await github.api("GET", f"{ROOT}/branches", DEV)).json()
    assert [one["name"] for one in listed] == ["fix/deep/name", "main"]
    commit = (await github.api("GET", f"{ROOT}/commits/fix/deep/name", DEV)).json()
    assert commit["stats"] == {"total": 2, "additions": 1, "deletions": 1}
    assert len((await github.api("GET", f"{ROOT}/commits?sha=fix/deep/name", DEV)).json()) == 2
    of_commit = (await github.api("GET", f"{ROOT}/commits/{head}/pulls", DEV)).json()
    assert [pull["number"] for pull in of_commit] == [number]
    compared = (await github.api("GET", f"{ROOT}/compare/main...fix/deep/name", DEV)).json()
    assert (compared["status"], compared["ahead_by"], compared["files"][0]["filename"]) == ("ahead", 1, "calc.py")


async def test_protection_is_told_by_both_apis(github: GitHubDouble) -> None:
    path = f"{ROOT}/branches/main/protection"
    assert (await github.api("GET", path, ADA)).json()["message"] == "Branch not protected"
    assert (await github.api("GET", f"{ROOT}/rules/branches/main", DEV)).json() == []
    await github.protect(REPO, required_checks=["test"], required_reviews=1)
    told = (await github.api("GET", path, ADA)).json()
    assert told["required_status_checks"]["contexts"] == ["test"]
    rules = (await github.api("GET", f"{ROOT}/rules/branches/main", DEV)).json()
    assert [rule["type"] for rule in rules] == ["required_status_checks", "pull_request"]
    assert (await github.api("GET", path, DEV)).status_code == 403
    assert (await github.api("DELETE", path, ADA)).status_code == 204


async def test_a_protection_that_asks_for_owners_says_so_in_every_api(github: GitHubDouble) -> None:
    await github.protect(REPO, required_reviews=1, code_owners=True)
    told = (await github.api("GET", f"{ROOT}/branches/main/protection", ADA)).json()
    assert told["required_pull_request_reviews"]["require_code_owner_reviews"]
    [rule] = (await github.api("GET", f"{ROOT}/rules/branches/main", DEV)).json()
    assert rule["parameters"]["require_code_owner_review"]
    query = """{ repository(owner: "ada", name: "demo") { ref(qualifiedName: "main") { refUpdateRule {
        pattern requiredApprovingReviewCount requiredStatusCheckContexts requiresCodeOwnerReviews } } } }"""
    assert (await github.graphql(query, token=DEV))["data"]["repository"]["ref"]["refUpdateRule"] == {
        "pattern": "main",
        "requiredApprovingReviewCount": 1,
        "requiredStatusCheckContexts": [],
        "requiresCodeOwnerReviews": True,
    }


async def test_teams_and_public_addresses_lead_to_people(github: GitHubDouble) -> None:
    await github.team("acme/core", ["ada", "grace"])
    await github.public_email("grace", "grace@example.com")
    members = (await github.api("GET", "/orgs/acme/teams/Core/members", DEV)).json()
    assert [member["login"] for member in members] == ["ada", "grace"]
    assert (await github.api("GET", "/orgs/acme/teams/other/members", DEV)).status_code == 404
    for query, logins in (("grace@example.com in:email", ["grace"]), ("nobody@example.com in:email", [])):
        found = (await github.api("GET", f"/search/users?q={query}", DEV)).json()
        assert [user["login"] for user in found["items"]] == logins


async def test_collaborators_and_limits_are_listed(github: GitHubDouble) -> None:
    listed = (await github.api("GET", f"{ROOT}/collaborators", DEV)).json()
    assert {user["login"]: user["role_name"] for user in listed} == {
        "ada": "admin",
        "mallory": "read",
        "rig-dev[bot]": "write",
        "rig-review[bot]": "write",
    }
    assert (await github.api("GET", f"{ROOT}/collaborators/mallory", DEV)).status_code == 204
    assert (await github.api("GET", f"{ROOT}/collaborators/nobody", DEV)).status_code == 404
    assert (await github.api("GET", "/rate_limit", DEV)).json()["resources"]["core"]["limit"] == 5000
    assert (await github.api("GET", "/user/repos", DEV)).json()[0]["full_name"] == REPO


async def test_what_is_not_a_request_is_refused(github: GitHubDouble) -> None:
    headers = {"Authorization": f"Bearer {ADA}"}
    for body in (b"{", b"[1]", b'"x"', b"[" * 10_000):
        answer = await github.http.post(f"/api/v3{ROOT}/issues", content=body, headers=headers)
        assert answer.status_code == 400
