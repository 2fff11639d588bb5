"""Testing a model on untrimmed videos whose segments are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.datasets.untrimmed import TrueSegment, true_segments
from skelact.errors import InputError, NoPersonFound, nearest
from skelact.inference.predictor import Predictor, VideoPrediction
from skelact.runs.files import result_files
from skelact.schemas import UntrimmedResult, save_json
from skelact.segment_metrics import (
    BACKGROUND,
    Frames,
    LabelledVideo,
    SegmentScores,
    Span,
    score_videos,
    spans_of,
)
from skelact.stages.poses import Extracted
from skelact.types import UNKNOWN, Failure, Prediction, ProgressCallback, no_progress
from skelact.video.probe import probe


@dataclass(frozen=True, kw_only=True)
class UntrimmedTest:
    """Scores of untrimmed videos. `other_labels` are true labels that the model does not know; they
    count as background. `file` was written into the run folder, None for a model without one."""

    scores: SegmentScores
    classes: tuple[str, ...]
    other_labels: tuple[str, ...]
    failed: tuple[Failure, ...]
    file: Path | None


def test_untrimmed(
    predictor: Predictor,
    source: Path,
    cache: Cache,
    *,
    run: Path | None = None,
    name: str = "untrimmed",
    poses_from: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> UntrimmedTest:
    """Predict the untrimmed videos of `source` (see `datasets.untrimmed.true_segments`) and compare
    the result with the true segments frame by frame. The label of a frame is the most probable
    action of any person in it, or background if there is none; a video without a person is
    background. With `run`, <name>.json is written into that folder.

    Raises InputError if no video can be used or the model knows none of the labels, and ConfigError
    or OutputError if `name` is that of another file in the run folder."""
    file = None
    if run is not None:
        (file,) = result_files(run, name, {"": UntrimmedResult})
    truth = true_segments(source)
    labels = {s.label for segments in truth.values() for s in segments}
    known = set(predictor.classes) - {UNKNOWN}  # a class "unknown" is never a label
    other = tuple(sorted(labels - known - {UNKNOWN, "background"}))
    if not labels & known:
        raise InputError(
            f"{source}: the model knows none of the labels {', '.join(sorted(labels)[:5])}"
            f"{nearest(min(labels), predictor.classes)}",
            f"Its classes are {', '.join(predictor.classes)}.",
        )
    batch = predictor.predict_many(list(truth), cache, on_progress, poses_from)
    lengths: dict[Path, tuple[list[Prediction], float, int]] = {
        r.path: (r.predictions, *_rate_and_length(r)) for r in batch.results
    }
    failed = []
    for failure in batch.failed:
        if failure.kind == NoPersonFound.__name__:
            info = probe(failure.path)
            lengths[failure.path] = ([], info.fps, info.frames)
        else:
            failed.append(failure)
    videos = []
    for path, (predictions, fps, frames) in lengths.items():
        try:
            true = _true_frames(path, truth[path], predictor.classes, fps, frames)
        except InputError as error:
            failed.append(Failure.from_error(path, error))
        else:
            videos.append(_labelled(true, predictions, predictor.classes, fps))
    if not videos:
        raise InputError(f"No video of {source} can be used: {failed[0].reason}", failed[0].hint)
    scores = score_videos(videos, len(predictor.classes))
    if file is not None:
        changed = {
            f.name: value
            for f in fields(predictor.options)
            if (value := getattr(predictor.options, f.name)) != f.default
        }
        save_json(
            file,
            UntrimmedResult(scores=scores, classes=predictor.classes, options={"predict": changed}),
        )
    return UntrimmedTest(
        scores=scores,
        classes=predictor.classes,
        other_labels=other,
        failed=tuple(failed),
        file=file,
    )


def _rate_and_length(result: VideoPrediction) -> tuple[float, int]:
    """Frame rate [Hz] and number of frames."""
    if isinstance(result.extracted, Extracted):
        manifest = result.extracted.poses.manifest
        return manifest.fps, manifest.frames
    sequence = result.extracted.load()
    return sequence.fps, sequence.frames


def _true_frames(
    path: Path, segments: Sequence[TrueSegment], classes: tuple[str, ...], fps: float, frames: int
) -> Frames:
    """(T,) class index of each frame, BACKGROUND between the segments and for other labels. Raises
    InputError if a segment starts after the end of the video."""
    out = np.full(frames, BACKGROUND, np.int64)
    for s in segments:
        if s.start_s >= frames / fps:
            raise InputError(
                f"{path}: {s.label} starts at {s.start_s:g} s, after the end of the video "
                f"({frames / fps:.1f} s)",
                "Correct the times; they are in seconds.",
            )
        start, end = round(s.start_s * fps), round(min(s.end_s, frames / fps) * fps)
        if s.label in classes and s.label != UNKNOWN:
            out[start:end] = classes.index(s.label)
    return out


def _labelled(
    truth: Frames, predictions: Sequence[Prediction], classes: tuple[str, ...], fps: float
) -> LabelledVideo:
    predicted = np.full(len(truth), BACKGROUND, np.int64)
    best = np.zeros(len(truth))
    for prediction in predictions:
        for s in prediction.segments:
            part = slice(round(s.start_s * fps), round(s.end_s * fps))
            if s.label != UNKNOWN:
                better = best[part] < s.probability
                predicted[part][better] = classes.index(s.label)
                best[part][better] = s.probability
    detections = tuple(
        Span(label=s.label, start=s.start, end=s.end, score=float(best[s.start : s.end].mean()))
        for s in spans_of(predicted)
    )
    return LabelledVideo(truth=truth, predicted=predicted, detections=detections, fps=fps)
