"""REST: commit statuses, check runs and check suites."""

from __future__ import annotations

from typing import Any, cast

from starlette.routing import Route

from rig.doubles.github import checks
from rig.doubles.github import repos as store
from rig.doubles.github.call import Answer, Call, Reply, rest
from rig.doubles.github.errors import Refused, forbidden, not_found, unprocessable
from rig.doubles.github.model import App, CheckRun, Json, now
from rig.doubles.github.shapes import checks as shapes

STATES = ("error", "failure", "pending", "success")


async def sha_of(call: Call, name: str = "ref") -> str:
    sha = await store.resolve(call.repository.path, call.param(name))
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {call.param(name)}")
    return sha


async def create_status(call: Call) -> Answer:
    creator = call.require("write", "statuses")
    state, sha = call.body.get("state"), await sha_of(call, "sha")
    if state not in STATES:
        raise unprocessable("state is not included in the list", message="Validation Failed")
    text, link = call.body.get("description"), call.body.get("target_url")
    if text is not None and len(text) > 140:
        raise unprocessable("description is too long (maximum is 140 characters)", message="Validation Failed")
    context = call.body.get("context") or "default"
    made = await checks.set_status(
        call.world, call.repository, sha, creator, context, state, description=text, target_url=link
    )
    return Reply(shapes.status(call.world, call.repository, made), 201)


async def list_statuses(call: Call) -> Answer:
    sha = await sha_of(call)
    found = [each for each in reversed(call.repository.statuses) if each.sha == sha]
    return call.page(found, lambda status: shapes.status(call.world, call.repository, status))


async def combined_status(call: Call) -> Answer:
    return checks.combined_status(call.world, call.repository, await sha_of(call))


async def list_check_runs(call: Call) -> Answer:
    repo, sha = call.repository, await sha_of(call)
    every = [run for run in repo.runs if run.head_sha == sha]
    found = every if call.query("filter") == "all" else checks.latest_runs(repo, sha)
    name, status = call.query("check_name"), call.query("status")
    chosen = [run for run in found if name in ("", run.name) and status in ("", run.status)]
    return _counted(call, "check_runs", chosen)


async def list_runs_of_suite(call: Call) -> Answer:
    wanted = int(call.param("id"))
    return _counted(call, "check_runs", [r for r in call.repository.runs if r.suite.id == wanted])


def _counted(call: Call, key: str, found: list[CheckRun]) -> Reply:
    reply = call.page(found, lambda run: shapes.run(call.world, call.repository, run))
    return Reply({"total_count": len(found), key: reply.body}, headers=reply.headers)


async def list_suites(call: Call) -> Answer:
    sha = await sha_of(call)
    found = [suite for suite in call.repository.suites if suite.head_sha == sha]
    more = await checks.suite_extras(call.world, call.repository, sha)
    reply = call.page(found, lambda suite: shapes.suite(call.world, call.repository, suite) | more)
    return Reply({"total_count": len(found), "check_suites": reply.body}, headers=reply.headers)


def _find_run(call: Call) -> CheckRun:
    for run in call.repository.runs:
        if run.id == int(call.param("id")):
            return run
    raise not_found()


async def get_check_run(call: Call) -> Answer:
    return shapes.run(call.world, call.repository, _find_run(call))


async def get_job_log(call: Call) -> Answer:
    """A redirect to where the log lies: an Actions job has the id of its check run."""
    run = _find_run(call)
    call.viewer.signed_in()
    if run.log is None:
        raise not_found()
    return Reply(status=302, headers={"Location": f"{call.world.api}/_logs/{call.repository.full_name}/{run.id}"})


async def get_raw_log(call: Call) -> Answer:
    return Reply(_find_run(call).log or "", media="text/plain; charset=utf-8")


def _app(call: Call) -> App:
    """Check runs are for Apps only."""
    call.require("write", "checks")
    if installed := call.viewer.installation:
        return installed.app
    raise forbidden("You must authenticate via a GitHub App.")


async def create_check_run(call: Call) -> Answer:
    app = _app(call)
    name, head = call.text("name", "CheckRun"), call.text("head_sha", "CheckRun")
    sha = await store.resolve(call.repository.path, head)
    if sha is None:
        raise unprocessable(message=f"No commit found for SHA: {head}")
    suite = checks.suite_for(call.world, call.repository, app, sha)
    run = checks.new_run(call.world, call.repository, suite, name, call.user)
    await _update(call, run)
    return Reply(shapes.run(call.world, call.repository, run), 201)


async def update_check_run(call: Call) -> Answer:
    app, run = _app(call), _find_run(call)
    if run.suite.app is not app:
        raise forbidden("Invalid app_id `{app.id}` - check run can only be modified by the App that created it.")
    await _update(call, run)
    return shapes.run(call.world, call.repository, run)


async def _update(call: Call, run: CheckRun) -> None:
    body = call.body
    output = cast(Json, body.get("output") or {})
    run.details_url = body.get("details_url", run.details_url)
    run.external_id = body.get("external_id") or run.external_id
    run.title, run.summary = output.get("title", run.title), output.get("summary", run.summary)
    run.text = output.get("text", run.text)
    conclusion: Any = body.get("conclusion")
    if body.get("status") == "completed" and conclusion is None:
        raise unprocessable(message='For "completed" status, a conclusion is required.')
    if conclusion is not None:
        await checks.complete_run(call.world, call.repository, run, str(conclusion), call.user)
    elif body.get("status") == "in_progress":
        run.status, run.started_at = "in_progress", now()


REPO = "/repos/{owner}/{repo}"
routes: list[Route] = [
    rest(REPO + "/statuses/{sha}", "POST", create_status),
    rest(REPO + "/commits/{ref:path}/statuses", "GET", list_statuses),
    rest(REPO + "/statuses/{ref:path}", "GET", list_statuses),
    rest(REPO + "/commits/{ref:path}/status", "GET", combined_status),
    rest(REPO + "/commits/{ref:path}/check-runs", "GET", list_check_runs),
    rest(REPO + "/commits/{ref:path}/check-suites", "GET", list_suites),
    rest(REPO + "/check-suites/{id:int}/check-runs", "GET", list_runs_of_suite),
    rest(REPO + "/check-runs", "POST", create_check_run),
    rest(REPO + "/check-runs/{id:int}", "GET", get_check_run),
    rest(REPO + "/check-runs/{id:int}", "PATCH", update_check_run),
    rest(REPO + "/actions/jobs/{id:int}/logs", "GET", get_job_log),
    rest("/_logs/{owner}/{repo}/{id:int}", "GET", get_raw_log),
]
