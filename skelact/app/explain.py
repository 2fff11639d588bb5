"""Routes about explanations: which joints made a model give a label, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from skelact.app.context import Context, action, route, session_of
from skelact.app.explanations import KINDS, Key, StoredExplanation
from skelact.app.jobs import AppJob
from skelact.app.results import VideoResult
from skelact.errors import PathMissing, escaped
from skelact.schemas import ExplanationDocument
from skelact.types import UNKNOWN

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


class ExplainChoice(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request: a person of the result, -1 for all together, and the number of its
    segment which is explained; else the label of the person."""

    person: int
    segment: int | None = None


def routes(context: Context) -> list[Route]:
    """The routes."""
    from starlette.routing import Route

    return [
        Route(
            "/api/videos/{id}/explain", action(context, ExplainChoice, explain), methods=["POST"]
        ),
        Route("/api/videos/{id}/explanations/{item}/{kind}", route(context, file)),
    ]


def explain(context: Context, session: str, video_id: str, body: ExplainChoice) -> Any:
    """Start to explain a prediction; or the explanation, if it is there."""
    video = context.project.video(video_id, session)
    result = context.project.results.get(video.id)
    if result is None:
        raise PathMissing(f"{video.name} has no prediction", "Analyse it first.")
    key = Key(video.id, result.model, body.person, *_chosen(result, body))
    found = context.explanations.find(key, result)
    if found is not None:
        return {"explanation": found.as_page()}
    out = context.project.temporary_folder() / "explanation"
    arguments = {
        "video": video.path,
        "model": result.model,
        "person": body.person,
        "label": key.label,
        "span_s": key.span_s,
        "cache": context.project.cache.address,
        "out": out,
    }

    def store(job: AppJob, document: ExplanationDocument) -> None:
        explanation = StoredExplanation.of(key, out, document)
        context.explanations.add(result, explanation)
        job.summary = {"explanation": explanation.as_page()}

    title = f"Explain {video.name}"
    job = context.jobs.submit("explain", title, session, ("explain", arguments), store)
    return {"job": job.id}


def _chosen(
    result: VideoResult, body: ExplainChoice
) -> tuple[str | None, tuple[float, float] | None]:
    """The label and the part [s] to explain: those of the segment, with its most probable class if
    it is "unknown"; None for the label of the person. Raises PathMissing if the result has no such
    person or segment."""
    prediction = next((p for p in result.predictions if p.person_id == body.person), None)
    if prediction is None:
        raise PathMissing(f"There is no person {body.person}", "Load the page again.")
    if body.segment is None:
        return None, None
    if not 0 <= body.segment < len(prediction.segments):
        raise PathMissing(f"There is no segment {body.segment}", "Load the page again.")
    segment = prediction.segments[body.segment]
    label: str | None = segment.label
    if label == UNKNOWN:
        label = next((name for name, _ in prediction.guesses(segment, 1)), None)
    return label, (segment.start_s, segment.end_s)


def file(context: Context, request: Request) -> Response:
    """A file of an explanation, or a part of it (header Range). With ?save, the browser saves
    it."""
    from starlette.responses import FileResponse

    video = context.project.video(request.path_params["id"], session_of(request))
    found = context.explanations.by_id(video.id, request.path_params["item"])
    kind = request.path_params["kind"]
    if kind not in found.files:
        raise PathMissing(f"There is no file {kind!r}")
    suffix, media_type = KINDS[kind]
    name = f"{escaped(video.path.stem)}-explained-{suffix.lstrip('_')}"
    way = "attachment" if "save" in request.query_params else "inline"
    return FileResponse(
        found.files[kind], media_type=media_type, filename=name, content_disposition_type=way
    )
