"""Who may ask the server for what: names of the host, origins, sessions and the password.

Any page that a browser shows can send requests to a server on the same machine, also under a name
of its own that resolves to it (DNS rebinding). So a request must name the server as the user does,
must not come from another site, and needs the cookie of a session, which only the start page
gives."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SESSIONS = 1000
_WRONG_PASSWORD_S = 1.0  # between two attempts, of everybody together
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# a report has its scripts and pictures in itself; in a sandbox it is of no origin
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; "
    "frame-ancestors 'self'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_OPEN = ("/login", "/static/")  # paths that need no session


@dataclass
class AppSession:
    """A browser. `trusted` means that it knows the password, if there is one."""

    token: str
    trusted: bool
    used: float


class Sessions:
    """The sessions by the secret of their cookie; the least recently used ones are forgotten."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.lock = threading.Lock()
        self._by_token: dict[str, AppSession] = {}
        self._next_attempt = 0.0

    def new(self) -> AppSession:
        """A new session, which is not trusted if there is a password."""
        session = AppSession(secrets.token_urlsafe(32), not self.password, time.monotonic())
        with self.lock:
            self._by_token[session.token] = session
            if len(self._by_token) > _SESSIONS:
                oldest = min(self._by_token.values(), key=lambda s: s.used)
                del self._by_token[oldest.token]
        return session

    def find(self, token: str) -> AppSession | None:
        """The session of a cookie."""
        with self.lock:
            session = self._by_token.get(token)
            if session is not None:
                session.used = time.monotonic()
        return session

    def check(self, password: str) -> bool:
        """Whether a password is right; there is one attempt in a second, and others are wrong."""
        with self.lock:
            now = time.monotonic()
            if now < self._next_attempt:
                return False
            is_right = hmac.compare_digest(password.encode(), self.password.encode())
            if not is_right:
                self._next_attempt = now + _WRONG_PASSWORD_S
            return is_right


class Guard:
    """Refuses requests that are not of this server's own pages, before the application sees them;
    adds the headers that restrict what a page may do."""

    def __init__(self, app: ASGIApp, sessions: Sessions, hosts: Iterable[str], cookie: str) -> None:
        self.app, self.sessions = app, sessions
        self.hosts, self.cookie = frozenset(hosts), cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        session = self.sessions.find(self._token(headers))
        status, reason = self._refusal(scope, headers, session)

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {k for k, _ in message["headers"]}
                own = {**_HEADERS, "content-security-policy": POLICY}
                message["headers"] += [
                    (k.encode(), v.encode()) for k, v in own.items() if k.encode() not in known
                ]
            await send(message)

        if status == 303:
            await _answer(secured, 303, "", [(b"location", b"/login")])
        elif status:
            await _answer(secured, status, reason, [])
        else:
            scope["state"] = {**scope.get("state", {}), "session": session}
            await self.app(scope, receive, secured)

    def _token(self, headers: dict[str, str]) -> str:
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.cookie:
                return value
        return ""

    def _refusal(
        self, scope: Scope, headers: dict[str, str], session: AppSession | None
    ) -> tuple[int, str]:
        """The status and the reason of a refusal; 0 if the request is allowed."""
        host = headers.get("host", "")
        if self.hosts and host.lower() not in self.hosts:
            return 421, "This server has another name. Use the address that it printed."
        path, is_change = scope["path"], scope["method"] not in ("GET", "HEAD")
        site = headers.get("sec-fetch-site", "same-origin")
        is_start = path in ("/", "/login") and headers.get("sec-fetch-mode", "") in ("", "navigate")
        if site not in ("same-origin", "none") and not (is_start and not is_change):
            return 403, "Requests of other sites are refused."
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "Requests of other sites are refused."
        if is_change and origin is None:
            return 403, "A change needs the header Origin."
        if path.startswith(_OPEN):
            return 0, ""
        if path == "/" and not is_change:
            return (303, "") if self.sessions.password and not _trusted(session) else (0, "")
        if not _trusted(session):
            return 401, "This session has ended. Load the page again."
        return 0, ""


def _trusted(session: AppSession | None) -> bool:
    return session is not None and session.trusted


async def _answer(send: Any, status: int, reason: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = reason.encode()
    kind = (b"content-type", b"text/plain; charset=utf-8")
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [kind, length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})


def allowed_hosts(host: str, port: int, has_password: bool) -> set[str]:
    """The values of the header Host that are allowed. Behind a password any name is: a page under
    a name of its own does not have the cookie of this one."""
    if has_password and host not in LOOPBACK:
        return set()
    names = {*LOOPBACK, host}
    return {f"[{n}]:{port}" if ":" in n else f"{n}:{port}" for n in names}
