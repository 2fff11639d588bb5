"""The server: its routes, the pages, and how it is started and ended."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from skelact import __version__, limits
from skelact.app import explain, look, teach
from skelact.app.context import Context, action, read_body, route, session_of
from skelact.app.jobs import JobQueue
from skelact.app.media import MediaLibrary
from skelact.app.project import Project
from skelact.app.safety import LOOPBACK, Guard, Sessions, allowed_hosts
from skelact.app.worker import Worker
from skelact.cache import Cache
from skelact.errors import BackendMissing, CheckpointError, ConfigError
from skelact.escaping import for_terminal
from skelact.inference.zoo import find
from skelact.interop.annotation_files import formats

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_SHORTEST_PASSWORD = 8
_WRONG = "The password is wrong, or the last attempt was less than a second ago."


@dataclass(frozen=True, kw_only=True)
class AppSettings:
    """How the application is started. `videos` are further folders of videos, `max_upload_mb` the
    limit of an upload in MB."""

    folder: Path
    videos: Sequence[Path] = ()
    cache: str | None = None
    model: str = ""
    host: str = "127.0.0.1"
    port: int = 7860
    password: str = ""
    max_upload_mb: int = 2000
    debug: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError for another host without a password, and for a short password."""
        if self.host not in LOOPBACK and not self.password:
            raise ConfigError(
                f"{self.host} can be reached by other machines",
                "Add --password, or leave out --host.",
            )
        if self.password and len(self.password) < _SHORTEST_PASSWORD:
            raise ConfigError(
                f"The password has fewer than {_SHORTEST_PASSWORD} characters",
                "Choose a longer one.",
            )


class Application:
    """The server with all that it needs; `close` ends the work and removes uploads."""

    def __init__(self, settings: AppSettings, port: int, worker: Worker | None = None) -> None:
        """Raises BackendMissing if the packages of the server are not installed, PathMissing if a
        folder does not exist, CheckpointError if the chosen model does not."""
        require()
        if settings.model and not find(settings.model).is_file():
            raise CheckpointError(f"There is no model {settings.model}", "Check --model.")
        from starlette.applications import Starlette
        from starlette.routing import Route

        project = Project(
            settings.folder,
            settings.videos,
            Cache(settings.folder / ".skelact" if settings.cache is None else settings.cache),
        )
        self.context = context = Context(
            project=project,
            jobs=JobQueue(worker),
            media=MediaLibrary(project.cache),
            max_upload=settings.max_upload_mb * limits.MB,
            model=settings.model,
            debug=settings.debug,
        )
        self.sessions = Sessions(settings.password)
        self.cookie = f"skelact-{port}"
        inner = Starlette(
            routes=[
                Route("/", self.start_page),
                Route("/login", self.login_page, methods=["GET"]),
                Route("/login", self.login, methods=["POST"]),
                Route("/static/{name}", self.static),
                Route("/api/state", route(context, state)),
                Route("/api/jobs", route(context, jobs)),
                Route(
                    "/api/jobs/{id}/cancel", action(context, look.Nothing, cancel), methods=["POST"]
                ),
                *look.routes(context),
                *explain.routes(context),
                *teach.routes(context),
            ]
        )
        hosts = allowed_hosts(settings.host, port, bool(settings.password))
        self.asgi = Guard(inner, self.sessions, hosts, self.cookie)

    def close(self) -> None:
        """End all work."""
        self.context.jobs.close()
        self.context.media.close()
        self.context.project.close()

    async def start_page(self, request: Request) -> Response:
        """The page, with the cookie of a session."""
        from starlette.responses import HTMLResponse

        session = request.scope["state"]["session"]
        page = HTMLResponse(limits.read_bytes(STATIC / "index.html"))
        if session is None or not session.trusted:
            self._set_cookie(page, self.sessions.new().token)
        return page

    async def login_page(self, request: Request) -> Response:
        """The form for the password."""
        return self._login_form("")

    def _login_form(self, message: str) -> Response:
        from starlette.responses import HTMLResponse

        text = limits.read_text(STATIC / "login.html")
        return HTMLResponse(text.replace("<!-- message -->", message), 403 if message else 200)

    async def login(self, request: Request) -> Response:
        """Check the password; if it is right, start a session."""
        from starlette.responses import RedirectResponse

        fields = parse_qs((await read_body(request, 4096)).decode("utf-8", "replace"))
        if not self.sessions.password or not self.sessions.check(fields.get("password", [""])[0]):
            return self._login_form(_WRONG)
        session = self.sessions.new()
        session.trusted = True
        page = RedirectResponse("/", 303)
        self._set_cookie(page, session.token)
        return page

    def _set_cookie(self, page: Response, token: str) -> None:
        page.set_cookie(self.cookie, token, httponly=True, samesite="strict", path="/")

    async def static(self, request: Request) -> Response:
        """A script, a style sheet or a picture of the page."""
        from starlette.responses import PlainTextResponse, Response

        names = {p.name: p for p in STATIC.iterdir() if p.suffix in _TYPES}
        file = names.get(request.path_params["name"])
        if file is None:
            return PlainTextResponse("There is no such file.", 404)
        return Response(limits.read_bytes(file), media_type=_TYPES[file.suffix])


def state(context: Context, request: Request) -> Any:
    """What the page shows of the project."""
    return {
        "version": __version__,
        "project": for_terminal(context.project.folder.name),
        "models": context.models(),
        "max_upload": context.max_upload,
        "formats": [{"name": f.name, "title": f.title} for f in formats().values()],
    }


def jobs(context: Context, request: Request) -> Any:
    """The jobs of the session, and those of others that run."""
    return context.jobs.of(session_of(request))


def cancel(context: Context, session: str, item: str, body: look.Nothing) -> Any:
    """Cancel a job."""
    context.jobs.cancel(int(item) if item.isdecimal() else -1, session)
    return {}


def require() -> None:
    """Raise BackendMissing if the packages of the server are not installed."""
    try:
        import starlette
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise BackendMissing(
            f"The application needs the package {error.name}", 'pip install "skelact[app]"'
        ) from error
    del starlette


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at the address; port 0 is any free one. Raises ConfigError if it cannot
    be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{host}:{port} cannot be used: {error.strerror or error}",
            "Choose another --port, or 0 for any free one.",
        ) from error
    return listener


def serve(settings: AppSettings, on_ready: Callable[[str], None] = lambda url: None) -> None:
    """Run the application until it is interrupted. `on_ready` gets its address. Raises
    BackendMissing, PathMissing, CheckpointError and ConfigError."""
    require()
    import uvicorn

    listener = open_socket(settings.host, settings.port)
    port = listener.getsockname()[1]
    try:
        application = Application(settings, port)
    except BaseException:
        listener.close()
        raise
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        application.asgi,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=200,
        timeout_graceful_shutdown=2,
    )
    try:
        on_ready(f"http://{shown}:{port}/")
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        application.close()
        listener.close()
