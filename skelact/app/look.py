"""Routes about videos: the list, playing, poses, predictions, downloads and uploads."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from skelact import limits
from skelact.app.context import (
    Context,
    ServerError,
    action,
    answer,
    route,
    session_of,
    whole_number,
)
from skelact.app.jobs import AppJob
from skelact.app.project import ProjectVideo
from skelact.app.results import PredictionBatch, VideoResult, as_page
from skelact.errors import InputError, OutputError, PathMissing, counted, escaped
from skelact.escaping import for_json
from skelact.report import writers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_CHUNK = 2000  # frames of poses in one answer
_FREE = 512 * limits.MB  # of the disk, which uploads leave
_TYPES = {"json": "application/json", "csv": "text/csv", "srt": "application/x-subrip"}


class ModelChoice(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request for a prediction."""

    model: str = ""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request without arguments."""


def routes(context: Context) -> list[Route]:
    """The routes."""
    from starlette.routing import Route

    return [
        Route("/api/videos", route(context, list_videos)),
        Route("/api/videos/{id}", route(context, describe)),
        Route("/api/videos/{id}/poses", route(context, poses)),
        Route("/api/videos/{id}/download/{form}", route(context, download)),
        Route("/api/videos/{id}/predict", action(context, ModelChoice, predict), methods=["POST"]),
        Route("/api/videos/{id}/overlay", action(context, Nothing, overlay), methods=["POST"]),
        Route("/api/videos/{id}/convert", action(context, Nothing, convert), methods=["POST"]),
        Route("/api/predict", action(context, ModelChoice, predict_all), methods=["POST"]),
        Route("/api/uploads", _upload(context), methods=["POST"]),
        Route("/api/uploads/{id}/keep", action(context, Nothing, keep), methods=["POST"]),
        Route("/api/uploads/{id}", action(context, Nothing, remove), methods=["DELETE"]),
        Route("/media/{id}", route(context, media)),
    ]


def list_videos(context: Context, request: Request) -> Any:
    """All videos that the session may see."""
    counts: dict[Path, int] = {}
    for row in context.project.labels.rows():
        path = row.path.resolve()
        counts[path] = counts.get(path, 0) + 1
    results = context.project.results
    return [
        {
            "id": v.id,
            "name": v.name,
            "upload": bool(v.session),
            "labels": counts.get(v.path.resolve(), 0) if counts else 0,
            "result": v.id in results,
        }
        for v in context.project.videos(session_of(request))
    ]


def _video(context: Context, request: Request) -> ProjectVideo:
    return context.project.video(request.path_params["id"], session_of(request))


def _result(context: Context, video: ProjectVideo) -> VideoResult:
    result = context.project.results.get(video.id)
    if result is None:
        raise PathMissing(f"{video.name} has no prediction", "Analyse it first.")
    return result


def describe(context: Context, request: Request) -> Any:
    """A video: whether it can be played, its size, and the result if there is one."""
    video = _video(context, request)
    playable = context.media.playable(video.path)
    result = context.project.results.get(video.id)
    return {
        "id": video.id,
        "name": video.name,
        "upload": bool(video.session),
        "state": playable.state,
        "error": playable.error,
        "hint": playable.hint,
        "width": playable.info.width,
        "height": playable.info.height,
        "fps": playable.info.fps,
        "frames": playable.info.frames,
        "duration": playable.info.duration_s,
        "result": as_page(result) if result is not None else None,
    }


def convert(context: Context, session: str, video_id: str, body: Nothing) -> Any:
    """Convert a video that the browser could not play."""
    video = context.project.video(video_id, session)
    return {"state": context.media.playable(video.path, convert=True).state}


def media(context: Context, request: Request) -> Response:
    """The file that the browser plays, or a part of it (header Range)."""
    from starlette.responses import FileResponse

    playable = context.media.playable(_video(context, request).path)
    if playable.file is None:
        raise ServerError(409, "The video is not ready", playable.error)
    kind = "video/webm" if playable.file.suffix.lower() == ".webm" else "video/mp4"
    return FileResponse(playable.file, media_type=kind)


def poses(context: Context, request: Request) -> Any:
    """The joints of some frames of a result."""
    drawn = context.project.poses(_result(context, _video(context, request)))
    start = whole_number(request, "start", 0, limits.FRAMES)
    count = whole_number(request, "count", 300, _CHUNK)
    return {"start": start, "edges": drawn.edges, "frames": drawn.frames[start : start + count]}


def predict(context: Context, session: str, video_id: str, body: ModelChoice) -> Any:
    """Start a prediction of one video."""
    video = context.project.video(video_id, session)
    return _submit(context, session, [video], body.model, f"Analyse {video.name}", "predict")


def predict_all(context: Context, session: str, item: str, body: ModelChoice) -> Any:
    """Start a prediction of all videos of the project."""
    videos = [v for v in context.project.videos(session) if not v.session]
    if not videos:
        raise InputError("The project has no videos", "Put videos into its folder.")
    title = f"Analyse {counted(len(videos), 'video')}"
    return _submit(context, session, videos, body.model, title, "predict")


def _submit(
    context: Context,
    session: str,
    videos: Sequence[ProjectVideo],
    model: str,
    title: str,
    task: str,
) -> Any:
    arguments = {
        "videos": [v.path for v in videos],
        "model": context.model_path(model),
        "cache": context.project.cache.address,
    }

    def store(job: AppJob, batch: PredictionBatch) -> None:
        context.project.store(batch.results, videos)
        names = {v.path: v.name for v in videos}
        job.summary = {
            "videos": len(batch.results),
            "failed": [
                {"name": names.get(f.path, f.path.name), "error": f.reason, "hint": f.hint}
                for f in batch.failed
            ],
        }
        if batch.failed and not batch.results:
            raise InputError(batch.failed[0].reason, batch.failed[0].hint)

    job = context.jobs.submit("predict", title, session, (task, arguments), store)
    return {"job": job.id}


def review_stored(context: Context, session: str, model: str) -> None:
    """Start a prediction of the videos whose poses are stored, with a new model."""
    videos = [v for v in context.project.videos(session) if not v.session]
    _submit(context, session, videos, model, "Recognise with the new model", "predict_stored")


# --- downloads and uploads ------------------------------------------------------------------------


def overlay(context: Context, session: str, video_id: str, body: Nothing) -> Any:
    """Start to draw the overlay of a result."""
    video = context.project.video(video_id, session)
    result = _result(context, video)
    out = context.project.temporary_folder() / f"{Path(video.path.name).stem}.mp4"
    task = ("export", {"result": result, "form": "overlay", "out": out})

    def store(job: AppJob, path: Path) -> None:
        context.project.add_overlay(video.id, result.model, path)
        job.summary = {"download": f"/api/videos/{video.id}/download/overlay"}

    job = context.jobs.submit("overlay", f"Draw {video.name}", session, task, store)
    return {"job": job.id}


def download(context: Context, request: Request) -> Response:
    """A result in one of the formats of `skelact predict`."""
    from starlette.responses import FileResponse, Response

    video, form = _video(context, request), request.path_params["form"]
    result = _result(context, video)
    stem = Path(video.path.name).stem
    if form == "overlay":
        file = context.project.overlays.get((video.id, result.model))
        if file is None:
            raise PathMissing("The overlay is not drawn yet")
        return FileResponse(file, media_type="video/mp4", filename=f"{escaped(stem)}-overlay.mp4")
    if form not in _TYPES:
        raise PathMissing(f"There is no format {form!r}")
    if form == "json":
        rows = {"predictions": [p.as_dict() for p in result.predictions]}
        content = for_json(json.dumps(rows, indent=1, ensure_ascii=False)).encode()
    else:
        with tempfile.TemporaryDirectory(prefix="skelact-") as folder:
            file = Path(folder) / f"result.{form}"
            writers.load_writers()[form].write([result], file)
            content = limits.read_bytes(file)
    return Response(content, media_type=_TYPES[form], headers=attachment(f"{stem}.{form}"))


def attachment(name: str) -> dict[str, str]:
    """The header that makes the browser save an answer under a name."""
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(escaped(name))}"}


def _upload(context: Context) -> Any:
    """The route that stores the body of a request as a video of the session."""
    from starlette.concurrency import run_in_threadpool

    async def endpoint(request: Request) -> Response:
        async def work() -> Any:
            session = session_of(request)
            stated = request.headers.get("content-length", "0")
            if not stated.isdecimal() or int(stated) > context.max_upload:
                raise _too_large(context)
            path = context.project.new_upload(request.query_params.get("name", ""), session)
            try:
                await _receive(context, request, path)
                await run_in_threadpool(context.media.playable, path)  # raises for no video
            except BaseException:
                shutil.rmtree(path.parent, ignore_errors=True)
                raise
            video = context.project.add_upload(path, session)
            return {"id": video.id, "name": video.name}

        return await answer(context, work)

    return endpoint


async def _receive(context: Context, request: Request, path: Path) -> None:
    """Write the body to a file. Raises ServerError if it is too large, OutputError if there is no
    space."""
    from starlette.concurrency import run_in_threadpool

    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > context.max_upload:
                    raise _too_large(context)
                if shutil.disk_usage(path.parent).free < _FREE:
                    raise OutputError("The disk is nearly full", "Free some space.")
                await run_in_threadpool(file.write, chunk)
    except OSError as error:
        raise OutputError(f"The upload cannot be stored: {error.strerror or error}") from error


def _too_large(context: Context) -> ServerError:
    return ServerError(
        413,
        f"The file is larger than {limits.size_text(context.max_upload)}",
        "Copy it to the project's folder, or start the application with a larger --max-upload.",
    )


def keep(context: Context, session: str, video_id: str, body: Nothing) -> Any:
    """Copy an upload to the project."""
    video = context.project.keep_upload(video_id, session)
    context.explanations.forget(video_id)
    return {"id": video.id, "name": video.name}


def remove(context: Context, session: str, video_id: str, body: Nothing) -> Any:
    """Remove an upload."""
    context.project.remove_upload(video_id, session)
    context.explanations.forget(video_id)
    return {}
