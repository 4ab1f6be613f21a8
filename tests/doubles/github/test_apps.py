"""GitHub Apps: assertions, installations, tokens and the App's webhook."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rig.doubles.github import GitHubDouble
from tests.doubles.github.published import webhook_schemas
from tests.doubles.github.support import ADA, REPO, SECRET, receiving

APP = 77


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def public(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def assertion(key: rsa.RSAPrivateKey, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now - 30, "exp": now + 500, "iss": str(APP), **claims}, key, "RS256")


@pytest.fixture
async def installation(github: GitHubDouble, key: rsa.RSAPrivateKey) -> int:
    return await github.add_app(APP, "rig-app", public(key), "ada")


async def token(github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int, **wanted: Any) -> str:
    path = f"/app/installations/{installation}/access_tokens"
    answer = await github.api("POST", path, assertion(key), wanted or None)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


async def test_an_app_knows_itself_and_where_it_is_installed(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int
) -> None:
    proof = assertion(key)
    assert (await github.api("GET", "/app", proof)).json()["slug"] == "rig-app"
    assert [each["id"] for each in (await github.api("GET", "/app/installations", proof)).json()] == [installation]
    assert (await github.api("GET", f"/repos/{REPO}/installation", proof)).json()["id"] == installation
    assert (await github.api("GET", f"/app/installations/{installation}", proof)).json()["app_id"] == APP


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "78"},
        {"iss": "rig-app"},
        {"exp": 1},
        {"exp": int(time.time()) + 3600},
        {"iat": int(time.time()) + 900, "exp": int(time.time()) + 1000},
    ],
)
async def test_a_wrong_assertion_is_refused(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int, claims: dict[str, Any]
) -> None:
    assert (await github.api("GET", "/app", assertion(key, **claims))).status_code == 401


async def test_only_the_apps_own_key_counts(github: GitHubDouble, installation: int) -> None:
    other = rsa.generate_private_key(65537, 2048)
    assert (await github.api("GET", "/app", assertion(other))).status_code == 401
    assert (await github.api("GET", "/app", ADA)).status_code == 401
    unsigned = jwt.encode({"iss": str(APP), "iat": 1, "exp": 9999999999}, "", "none")
    assert (await github.api("GET", "/app", unsigned)).status_code == 401


async def test_an_installation_acts_as_the_apps_bot(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int
) -> None:
    secret = await token(github, key, installation)
    number = await github.file_issue(REPO, "By the App", token=secret, labels=["x"])
    issue = (await github.api("GET", f"/repos/{REPO}/issues/{number}", ADA)).json()
    assert (issue["user"]["login"], issue["user"]["type"]) == ("rig-app[bot]", "Bot")
    assert (await github.graphql("{ viewer { login } }", token=secret))["data"]["viewer"]["login"] == "rig-app[bot]"
    assert (await github.api("GET", "/user", secret)).status_code == 403
    seen = (await github.api("GET", "/installation/repositories", secret)).json()
    assert [repo["full_name"] for repo in seen["repositories"]] == [REPO]


async def test_a_token_is_held_to_its_repositories(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int
) -> None:
    await github.seed_repository("ada/other", files={"a": "b"}, private=True)
    everywhere = await token(github, key, installation)
    here = await token(github, key, installation, repositories=["demo"])
    assert (await github.api("GET", "/repos/ada/other", everywhere)).status_code == 200
    assert (await github.api("GET", "/repos/ada/other", here)).status_code == 404
    git = f"{github.clone_url('ada/other', here)}/info/refs?service=git-upload-pack"
    assert (await github.http.get(git)).status_code == 404
    path = f"/app/installations/{installation}/access_tokens"
    unknown = await github.api("POST", path, assertion(key), {"repositories": ["nothing"]})
    assert unknown.status_code == 422


async def test_a_token_is_held_to_its_permissions(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int
) -> None:
    reader = await token(github, key, installation, permissions={"contents": "read", "issues": "write"})
    ref = {"ref": "refs/heads/x", "sha": "0" * 40}
    assert (await github.api("POST", f"/repos/{REPO}/git/refs", reader, ref)).status_code == 403
    assert (await github.api("POST", f"/repos/{REPO}/issues", reader, {"title": "x"})).status_code == 201
    push = f"{github.clone_url(REPO, reader)}/info/refs?service=git-receive-pack"
    assert (await github.http.get(push)).status_code == 403
    path = f"/app/installations/{installation}/access_tokens"
    beyond = await github.api("POST", path, assertion(key), {"permissions": {"workflows": "write"}})
    assert beyond.status_code == 422


async def test_only_an_app_reports_check_runs(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int
) -> None:
    sha = (await github.state())["repositories"][REPO]["refs"]["refs/heads/main"]
    body = {"name": "lint", "head_sha": sha, "status": "in_progress"}
    path = f"/repos/{REPO}/check-runs"
    assert (await github.api("POST", path, ADA, body)).status_code == 403
    secret = await token(github, key, installation)
    made = (await github.api("POST", path, secret, body)).json()
    output = {"title": "Lint", "summary": "Two", "text": "a\nb"}
    done = {"conclusion": "failure", "output": output}
    assert (await github.api("PATCH", f"{path}/{made['id']}", secret, done)).json()["status"] == "completed"
    shown = (await github.api("GET", f"{path}/{made['id']}", ADA)).json()
    assert (shown["output"]["text"], shown["app"]["slug"]) == ("a\nb", "rig-app")
    suites = (await github.api("GET", f"/repos/{REPO}/commits/{sha}/check-suites", ADA)).json()
    assert [suite["conclusion"] for suite in suites["check_suites"]] == ["failure"]


async def test_an_apps_hook_hears_every_repository_and_names_the_installation(
    github: GitHubDouble, key: rsa.RSAPrivateKey, installation: int
) -> None:
    async with receiving() as hooks:
        hooks.answers = [500]
        await github.add_webhook(hooks.url, SECRET, app_id=APP)
        await github.file_issue(REPO, "One", token=ADA)
        await github.settle()
        assert hooks.payload("issues.opened")["installation"]["id"] == installation
        webhook_schemas().check_payload("issues", hooks.taken[0][2])
        failed = (await github.api("GET", "/app/hook/deliveries?status=failure", assertion(key))).json()[0]
        path = f"/app/hook/deliveries/{failed['id']}"
        assert (await github.api("GET", path, assertion(key))).json()["response"] is not None
        assert (await github.api("POST", f"{path}/attempts", assertion(key))).status_code == 202
        await github.settle()
        assert [guid for _, guid, _ in hooks.taken] == [failed["guid"]] * 2
