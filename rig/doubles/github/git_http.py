"""Git over smart HTTP: `git http-backend` behind GitHub's rules of who may read and push."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from typing import IO

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from rig.doubles.github import pushes
from rig.doubles.github.auth import Viewer, viewer_of
from rig.doubles.github.errors import Refused
from rig.doubles.github.model import Repository
from rig.doubles.github.plumbing import environment
from rig.doubles.github.state import World

CHALLENGE = {"WWW-Authenticate": 'Basic realm="GitHub"'}
CHUNK = 64 * 1024
IN_MEMORY = 4 * 1024 * 1024


async def serve(request: Request) -> Response:
    """One request of the smart protocol."""
    world: World = request.app.state.world
    service = request.query_params.get("service") or request.url.path.rsplit("/", 1)[-1]
    if service not in ("git-upload-pack", "git-receive-pack"):
        return PlainTextResponse("Please upgrade your git client.\n", 403)
    pushing = service == "git-receive-pack"
    try:
        viewer = viewer_of(world, request.headers.get("authorization"))
        repo = _admit(world, request, viewer, pushing=pushing)
    except Refused as refusal:
        headers = CHALLENGE if refusal.status == 401 else {}
        return PlainTextResponse(f"{refusal.message}\n", refusal.status, headers)
    request.state.viewer = viewer
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        async for chunk in request.stream():
            body.write(chunk)
        body.seek(0)
        if pushing and request.method == "POST" and viewer.user:
            async with repo.writing:
                answer = await _backend(request, repo, body, **_guard(world, repo))
                content = b"".join([chunk async for chunk in answer.body])
                await pushes.notice(world, repo, viewer.user)
            return Response(content, answer.status, answer.headers)
        answer = await _backend(request, repo, body)
    return StreamingResponse(answer.body, answer.status, answer.headers)


def _admit(world: World, request: Request, viewer: Viewer, *, pushing: bool) -> Repository:
    """Reading a public repository is free; anything else needs a token that may."""
    repo = world.repositories.get(f"{request.path_params['owner']}/{request.path_params['repo']}".lower())
    if viewer.user is None and (pushing or repo is None or repo.private):
        raise Refused(401, "Authentication required")
    if repo is None or not viewer.may(repo, "read"):
        raise Refused(404, "Repository not found.")
    if pushing and not (viewer.may(repo, "write") and _may_push(viewer)):
        raise Refused(403, f"Permission to {repo.full_name}.git denied to {viewer.login}.")
    return repo


def _may_push(viewer: Viewer) -> bool:
    granted = viewer.token.permissions if viewer.token else None
    return granted is None or granted.get("contents") == "write"


class Answer:
    """What the CGI process said: its status and headers, and the rest of its output as it comes."""

    def __init__(self, process: asyncio.subprocess.Process, status: int, headers: dict[str, str]) -> None:
        self.process = process
        self.status = status
        self.headers = headers
        self.body = self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        assert self.process.stdout is not None  # noqa: S101 - made with a pipe
        try:
            while chunk := await self.process.stdout.read(CHUNK):
                yield chunk
            await self.process.wait()
        finally:
            if self.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()


async def _backend(request: Request, repo: Repository, body: IO[bytes], **more: str) -> Answer:
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=body.fileno() if body.seekable() and _rolled(body) else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_cgi(request, repo, body) | more,
        cwd=repo.path,
    )
    assert process.stdout is not None  # noqa: S101 - made with a pipe
    head = await process.stdout.readuntil(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
    status = int(headers.pop("Status", "200 OK").split()[0])
    return Answer(process, status, headers)


UPDATE = """#!/bin/sh
case " $RIG_PROTECTED " in
*" $1 "*) echo "error: GH006: Protected branch update failed for $1." >&2; exit 1 ;;
esac
"""


def _guard(world: World, repo: Repository) -> dict[str, str]:
    """For protected branches, a hook that refuses a push to them in GitHub's words."""
    closed = [f"refs/heads/{name}" for name, held in repo.protections.items() if held.restrict_pushes]
    if not closed:
        return {}
    hooks = world.data / "hooks"
    if not (hooks / "update").exists():
        hooks.mkdir(exist_ok=True)
        (hooks / "update").write_text(UPDATE)
        (hooks / "update").chmod(0o755)
    setting = {"GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(hooks)}
    return {"GIT_CONFIG_COUNT": "1", "RIG_PROTECTED": " ".join(closed), **setting}


def _rolled(body: IO[bytes]) -> bool:
    """Give the spooled body a file of its own, for the child to read."""
    body.fileno()
    body.seek(0)
    return True


def _cgi(request: Request, repo: Repository, body: IO[bytes]) -> dict[str, str]:
    size = body.seek(0, 2)
    body.seek(0)
    service = next(each for each in SERVICES if request.url.path.endswith(each))
    env = {
        "GIT_PROJECT_ROOT": str(repo.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_HTTP_MAX_REQUEST_BUFFER": "100M",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"/{repo.path.name}/{service}",
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(size),
        "REMOTE_USER": getattr(request.state, "viewer", Viewer()).login or "",
        "REMOTE_ADDR": "127.0.0.1",
    }
    if encoding := request.headers.get("content-encoding"):
        env["HTTP_CONTENT_ENCODING"] = encoding
    if protocol := request.headers.get("git-protocol"):
        env["GIT_PROTOCOL"] = protocol
    return environment(**env)


SERVICES = ("info/refs", "git-upload-pack", "git-receive-pack")
routes = [
    Route(f"/{{owner}}/{{repo}}{suffix}/{service}", serve, methods=["GET", "POST"])
    for suffix in (".git", "")
    for service in SERVICES
]
