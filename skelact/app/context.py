"""What the routes of the server share, and how a function becomes a route."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from skelact import limits
from skelact.app.explanations import Explanations
from skelact.app.jobs import JobQueue
from skelact.app.media import MediaLibrary
from skelact.app.project import Project
from skelact.config import shipped
from skelact.errors import InputError, PathMissing, SkelactError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

T = TypeVar("T")
Endpoint = Callable[["Request"], Awaitable["Response"]]
_BODY_BYTES = limits.MB  # of a request that is no file
_RUN = "run:"  # before the name of a run, to tell it from a shipped model


class ServerError(SkelactError):
    """A request cannot be answered; `status` is that of HTTP."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status


@dataclass(kw_only=True)
class Context:
    """The parts of the application."""

    project: Project
    jobs: JobQueue
    media: MediaLibrary
    explanations: Explanations = field(default_factory=Explanations)
    max_upload: int  # bytes
    model: str = ""  # chosen by the user at the start: a run folder or a checkpoint
    debug: bool = False

    def models(self) -> list[dict[str, str]]:
        """The models that can be chosen: id and title; the default is the first one."""
        given = [{"id": "given", "title": self.model}] if self.model else []
        runs = [
            {"id": f"{_RUN}{row['name']}", "title": f"{row['name']} (own)"}
            for row in self.project.run_rows()
        ]
        ours = [
            {"id": path.stem, "title": path.stem} for path in sorted(shipped("zoo").glob("*.pt"))
        ]
        return [*given, *runs, *ours]

    def model_path(self, model_id: str) -> str:
        """The path of a model by its id, or of the default one if it is empty. Raises
        PathMissing."""
        known = [row["id"] for row in self.models()]
        model_id = model_id or known[0]
        if model_id not in known:
            raise PathMissing(f"There is no model {model_id!r}", "Load the page again.")
        if model_id == "given":
            return self.model
        if model_id.startswith(_RUN):
            return str(self.project.run(model_id.removeprefix(_RUN)))
        return str(shipped("zoo") / f"{model_id}.pt")


def route(context: Context, function: Callable[[Context, Request], Any]) -> Endpoint:
    """A route whose function runs in a thread; it returns values for JSON, or a response. Errors
    become JSON with their message and hint."""
    from starlette.concurrency import run_in_threadpool

    async def endpoint(request: Request) -> Response:
        return await answer(context, lambda: run_in_threadpool(function, context, request))

    return endpoint


def action(
    context: Context, kind: type[T], function: Callable[[Context, str, str, T], Any]
) -> Endpoint:
    """A route that changes something: its function gets the session, the id in the path, and the
    JSON body as the type `kind`."""
    from starlette.concurrency import run_in_threadpool

    async def endpoint(request: Request) -> Response:
        async def work() -> Any:
            body = await read_body(request, _BODY_BYTES)
            try:
                content = msgspec.json.decode(body or b"{}", type=kind)
            except msgspec.MsgspecError as error:
                raise ServerError(400, f"The request is invalid: {error}") from error
            item = str(request.path_params.get("id", ""))
            return await run_in_threadpool(function, context, session_of(request), item, content)

        return await answer(context, work)

    return endpoint


async def answer(context: Context, work: Callable[[], Awaitable[Any]]) -> Response:
    """The response of some work, or that of its error."""
    from starlette.responses import JSONResponse, Response

    try:
        result = await work()
    except ServerError as error:
        return JSONResponse({"error": error.message, "hint": error.hint}, error.status)
    except SkelactError as error:
        status = 404 if isinstance(error, PathMissing) else 400
        return JSONResponse({"error": error.message, "hint": error.hint}, status)
    except Exception as error:
        if context.debug:
            traceback.print_exception(error, file=sys.stderr)
        text = f"Unexpected {type(error).__name__}"
        return JSONResponse({"error": text, "hint": "This is a bug in skelact."}, 500)
    return result if isinstance(result, Response) else JSONResponse(result)


def session_of(request: Request) -> str:
    """The session that a request belongs to."""
    return str(request.scope["state"]["session"].token)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request of at most `limit` bytes. Raises ServerError if it is longer."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise ServerError(413, f"The limit is {limits.size_text(limit)}")
    return content


def whole_number(request: Request, name: str, default: int, highest: int) -> int:
    """A number in the query. Raises InputError if it is none, or out of range."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) > highest:
        raise InputError(f"{name} must be a number from 0 to {highest}")
    return int(text)
