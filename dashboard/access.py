"""Who may look at the pages: this machine's users, or whoever shows a token."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from servers.kit.auth import Verifier
from servers.kit.errors import Forbidden, RigError, Unauthenticated

COOKIE = "rig_token"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
COOKIE_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Access:
    """The rule for one rig.

    Attributes:
        verifier: Checks tokens.
        open_on_loopback: Whether requests to a loopback name need no token.
    """

    verifier: Verifier
    open_on_loopback: bool

    async def require(self, request: HTTPConnection) -> None:
        """Let the request pass or say why not.

        Raises:
            Unauthenticated: A token is needed and there is none that holds.
            Forbidden: The page is for this machine only and was asked for under another name.
        """
        if self.open_on_loopback:
            # A page elsewhere whose name was rebound to 127.0.0.1 still sends its own name.
            if _host_name(request) not in LOOPBACK:
                raise Forbidden("This rig answers on this machine only. Set RIG_PUBLIC_URL to open it with tokens.")
            return
        token = _bearer(request) or request.cookies.get(COOKIE)
        if not token:
            raise Unauthenticated("Open this page once with ?token=…; `rig token issue` makes one.")
        await self.verifier.verify(token)

    async def sign_in(self, request: Request) -> Response | None:
        """Exchange `?token=` for a cookie, so that the token leaves the address bar."""
        token = request.query_params.get("token")
        if token is None:
            return None
        await self.verifier.verify(token)
        rest = urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "token"])
        answer = RedirectResponse(request.url.path + (f"?{rest}" if rest else ""), status_code=303)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            COOKIE, token, max_age=COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure, path="/"
        )
        return answer


def refusal(error: RigError) -> Response:
    """The error as a plain page."""
    return Response(f"{error}\n", error.http_status, media_type="text/plain; charset=utf-8")


def _host_name(request: HTTPConnection) -> str:
    host = request.headers.get("host", "")
    return host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _bearer(request: HTTPConnection) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
