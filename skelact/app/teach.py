"""Routes about labels, training, the review of uncertain predictions, and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from skelact import limits
from skelact.app.context import (
    Context,
    action,
    answer,
    read_body,
    route,
    session_of,
    whole_number,
)
from skelact.app.jobs import AppJob
from skelact.app.labels import LabelRow
from skelact.app.look import Nothing, attachment, review_stored
from skelact.app.results import Uncertain, ranked
from skelact.app.safety import REPORT_POLICY
from skelact.app.tasks import MIN_TEST_VIDEOS, TrainResult
from skelact.errors import InputError, PathMissing, escaped
from skelact.interop.annotation_files import distinct_names, export_spans, import_spans
from skelact.interop.annotations import LabelledSpan
from skelact.report import palette
from skelact.types import UNKNOWN

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_LONGEST_REVIEW = 300
_COVERED = 0.5  # share of a segment with a label, from which it counts as labelled
_REPORT = "report.html"
_REPORT_BYTES = 64 * limits.MB


class LabelContent(msgspec.Struct, forbid_unknown_fields=True):
    """A label that the page sends. `video` is an id, `person` is None for everybody."""

    video: str
    label: str
    start: float
    end: float | None
    person: int | None = None


class TrainChoice(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request to train."""

    test: bool = False


def routes(context: Context) -> list[Route]:
    """The routes."""
    from starlette.routing import Route

    post = ["POST"]
    return [
        Route("/api/labels", route(context, list_labels), methods=["GET"]),
        Route("/api/labels", action(context, LabelContent, add), methods=post),
        Route("/api/labels/undo", action(context, Nothing, undo), methods=post),
        Route("/api/labels/redo", action(context, Nothing, redo), methods=post),
        Route("/api/labels/import", _import(context), methods=post),
        Route("/api/labels/export", route(context, export)),
        Route("/api/labels/{id}", action(context, LabelContent, change), methods=["PUT"]),
        Route("/api/labels/{id}", action(context, Nothing, remove), methods=["DELETE"]),
        Route("/api/train", action(context, TrainChoice, train), methods=post),
        Route("/api/review", route(context, review)),
        Route("/api/runs", route(context, list_runs)),
        Route("/runs/{name}/report", route(context, report)),
    ]


def _labels(context: Context) -> dict[str, Any]:
    table = context.project.labels
    rows = table.rows()
    ids = {path: video.id for path, video in context.project.by_path().items()}
    classes = sorted({row.label for row in rows})
    videos: dict[str, set[Path]] = {}
    for row in rows:
        videos.setdefault(row.label, set()).add(row.path)
    undo_steps, redo_steps = table.steps
    return {
        "revision": table.revision,
        "undo": undo_steps,
        "redo": redo_steps,
        "classes": [
            {
                "name": name,
                "colour": palette.class_colour(name, [c for c in classes if c != UNKNOWN]),
                "labels": sum(row.label == name for row in rows),
                "videos": len(videos[name]),
            }
            for name in classes
        ],
        "can_test": len(classes) > 1 and all(len(v) >= MIN_TEST_VIDEOS for v in videos.values()),
        "rows": [
            {
                "id": row.id,
                "video": ids.get(row.path.resolve(), ""),
                "name": escaped(row.path.name),
                "label": row.label,
                "start": row.start_s,
                "end": row.end_s,
                "person": row.person_id,
            }
            for row in rows
        ],
    }


def list_labels(context: Context, request: Request) -> Any:
    """All labels, their classes, and what can be undone."""
    return _labels(context)


def _span(context: Context, session: str, content: LabelContent) -> LabelledSpan:
    video = context.project.video(content.video, session)
    if video.session:
        raise InputError(
            f"{video.name} is an upload of this session only",
            "Add it to the project first; then it can have labels.",
        )
    if not 0 <= (content.person or 0) < 10**9:
        raise InputError(f"There is no person {content.person}")
    return LabelledSpan(
        video=str(video.path),
        label=content.label,
        start_s=content.start,
        end_s=content.end,
        person_id=content.person,
    )


def add(context: Context, session: str, item: str, body: LabelContent) -> Any:
    """Store a label."""
    new = context.project.labels.add([_span(context, session, body)])
    return _labels(context) | {"id": new[0]}


def change(context: Context, session: str, item: str, body: LabelContent) -> Any:
    """Change a label."""
    context.project.labels.update(_row_id(item), _span(context, session, body))
    return _labels(context) | {"id": int(item)}


def remove(context: Context, session: str, item: str, body: Nothing) -> Any:
    """Remove a label."""
    context.project.labels.remove(_row_id(item))
    return _labels(context)


def undo(context: Context, session: str, item: str, body: Nothing) -> Any:
    """Take back the last change of the labels."""
    context.project.labels.undo()
    return _labels(context)


def redo(context: Context, session: str, item: str, body: Nothing) -> Any:
    """Make it again."""
    context.project.labels.redo()
    return _labels(context)


def _row_id(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise PathMissing("There is no such label", "Load the page again.")
    return int(text)


def _import(context: Context) -> Any:
    """The route that adds the labels of an uploaded file of an annotation program."""
    from starlette.concurrency import run_in_threadpool

    async def endpoint(request: Request) -> Response:
        async def work() -> Any:
            content = await read_body(request, limits.TABLE_BYTES)
            name = request.query_params.get("name", "file")[:200]
            return await run_in_threadpool(_add_file, context, content, name)

        return await answer(context, work)

    return endpoint


def _add_file(context: Context, content: bytes, name: str) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not encoded in UTF-8", "Save it as UTF-8.") from error
    videos = [v.path for v in context.project.by_path().values()]
    spans = import_spans(text, name, videos)
    context.project.labels.add(spans)
    return _labels(context) | {"added": len(spans)}


def export(context: Context, request: Request) -> Response:
    """The labels of all videos, or of one, as a file of an annotation program."""
    from starlette.responses import Response

    form = request.query_params.get("format", "csv")
    rows: Sequence[LabelRow] = context.project.labels.rows()
    stem = "labels"
    if "video" in request.query_params:
        video = context.project.video(request.query_params["video"], session_of(request))
        rows = [row for row in rows if row.path.resolve() == video.path.resolve()]
        stem = video.path.stem
    if not rows:
        raise InputError("There are no labels to export")
    names = distinct_names([row.path for row in rows])
    text, suffix = export_spans([row.span for row in rows], form, names)
    headers = attachment(f"{stem}{suffix}")
    return Response(text.encode(), media_type="application/octet-stream", headers=headers)


def train(context: Context, session: str, item: str, body: TrainChoice) -> Any:
    """Start to train on all labels; afterwards, the videos with poses are predicted again."""
    project = context.project
    if not project.labels.rows():
        raise InputError("There are no labels yet", "Label parts of some videos first.")
    arguments = {
        "labels": project.labels.file,
        "runs": project.runs,
        "cache": project.cache.address,
        "test": body.test,
    }

    def store(job: AppJob, result: TrainResult) -> None:
        job.summary = {
            "run": result.folder.name,
            "classes": list(result.classes),
            "clips": result.clips,
            "top1": result.top1,
            "failed": [asdict(f) | {"path": f.path.name} for f in result.failed],
        }
        if not body.test:
            review_stored(context, session, f"run:{result.folder.name}")

    title = "Train and test" if body.test else "Train"
    job = context.jobs.submit("train", title, session, ("train", arguments), store)
    return {"job": job.id}


def review(context: Context, request: Request) -> Any:
    """The predictions without a label, the most uncertain first."""
    project = context.project
    most = whole_number(request, "most", 100, _LONGEST_REVIEW)
    videos = {v.path: v for v in project.videos(session_of(request)) if not v.session}
    results = [r for r in project.all_results() if r.path in videos and r.is_own_tracking]
    labels: dict[Path, list[LabelRow]] = {}
    for row in project.labels.rows():
        labels.setdefault(row.path.resolve(), []).append(row)
    rows = [u for u in ranked(results) if not _is_labelled(u, labels.get(u.path.resolve(), []))]
    return {
        "left": len(rows),
        "rows": [
            {
                "video": videos[u.path].id,
                "name": videos[u.path].name,
                "person": u.person_id,
                "start": round(u.segment.start_s, 3),
                "end": round(u.segment.end_s, 3),
                "label": u.segment.label,
                "probability": round(u.segment.probability, 4),
                "guesses": u.guesses,
                "margin": round(u.margin, 4),
            }
            for u in rows[:most]
        ],
    }


def _is_labelled(uncertain: Uncertain, rows: Sequence[LabelRow]) -> bool:
    s = uncertain.segment
    covered = 0.0
    for row in rows:
        if row.person_id in (None, uncertain.person_id) or uncertain.person_id < 0:
            end = s.end_s if row.end_s is None else min(s.end_s, row.end_s)
            covered += max(0.0, end - max(s.start_s, row.start_s))
    return covered >= _COVERED * (s.end_s - s.start_s)


def list_runs(context: Context, request: Request) -> Any:
    """The runs of the project."""
    runs = context.project.run_rows()
    return [r | {"report": (context.project.runs / r["name"] / _REPORT).is_file()} for r in runs]


def report(context: Context, request: Request) -> Response:
    """The report of a run, in a sandbox."""
    from starlette.responses import Response

    file = context.project.run(request.path_params["name"]) / _REPORT
    if file.is_symlink() or not file.is_file():
        raise PathMissing("This run has no report", "Reports are written by skelact train.")
    content = limits.read_bytes(file, _REPORT_BYTES)
    headers = {"content-security-policy": REPORT_POLICY}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)
