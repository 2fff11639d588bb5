"""The files of explanations: of one video, and of every class of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact import outputs
from skelact.analysis_options import ExplainOptions
from skelact.cache import Cache, check_unchanged
from skelact.device import resolve_device
from skelact.errors import DatasetError, InputError, SkelactError, counted, escaped
from skelact.inference.attribution import attribute, resolve_method
from skelact.inference.ensemble import input_spec
from skelact.inference.explain import ExplainedVideo, Explanation, explain
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import build_network
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.pose.store import read_poses
from skelact.report import importance
from skelact.report.body import body
from skelact.report.canvas import on_canvas
from skelact.report.importance_video import PersonHeat, write_importance
from skelact.runs.test import load_run
from skelact.schemas import (
    EXPLANATION,
    ExplainedLabel,
    ExplanationDocument,
    JointImportance,
    load_json,
    save_json,
)
from skelact.skeletons import Skeleton
from skelact.stages.skeleton_input import SkeletonInput
from skelact.types import Event, ProgressCallback, no_progress
from skelact.video.probe import probe

OVERLAY, PAGE, TABLE = "overlay.mp4", "classes.html", "classes.csv"
Floats64 = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class ExplainResult:
    """What was written, and the numbers."""

    document: ExplanationDocument
    folder: Path


def is_explanation(folder: Path) -> bool:
    """Whether a folder holds an explanation and nothing else."""
    try:
        document = load_json(folder / EXPLANATION, ExplanationDocument)
    except SkelactError:
        return False
    known = {EXPLANATION, *document.files}
    return all(p.is_file() and not p.is_symlink() and p.name in known for p in folder.iterdir())


def check_out(out: Path, sources: Sequence[Path], overwrite: bool) -> None:
    """Check that the folder `out` may be written, before anything is computed. Raises OutputError,
    also if it is a part of an input."""
    outputs.check_replaceable(out, is_explanation, overwrite=overwrite)
    for source in sources:
        if source.is_dir():
            outputs.check_apart(out, source)


@contextmanager
def new_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """The folder to write to. Raises OutputError, InputError if it cannot be written."""
    try:
        with outputs.replacing_folder(out, is_explanation, overwrite=overwrite) as folder:
            yield folder
    except OSError as error:
        raise InputError(f"Cannot write {out}: {error.strerror or error}") from error


def finish(
    folder: Path, out: Path, model: Path | str, source: Path | str, **content: Any
) -> ExplainResult:
    """Write explanation.json with the model, what was explained, further content, and the names of
    all files in the folder."""
    files = tuple(sorted(p.name for p in folder.iterdir()))
    document = ExplanationDocument(
        files=files, model=escaped(model), source=escaped(source), **content
    )
    save_json(folder / EXPLANATION, document)
    return ExplainResult(document=document, folder=out)


# --- one video ---


def explain_video(
    model: Path | str,
    video: Path | str,
    out: Path,
    *,
    label: str | None = None,
    person: int | None = None,
    span_s: tuple[float, float] | None = None,
    options: ExplainOptions | None = None,
    predictor: Predictor | None = None,
    cache: Cache | None = None,
    poses_from: Path | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> ExplainResult:
    """Explain the predictions of a model (a run folder, a file or a name) for one video or skeleton
    file, and write into the new folder `out`: overlay.mp4, for each person <name>_body.png,
    <name>_joints.png and <name>_joints.csv, and explanation.json. See `inference.explain.explain`
    for the other arguments and errors. Raises OutputError if `out` is not to be replaced."""
    check_out(out, [Path(model), Path(video)], overwrite)
    predictor = predictor or Predictor.load(model)
    found = explain(
        predictor,
        video,
        label,
        options,
        person=person,
        span_s=span_s,
        cache=cache,
        poses_from=poses_from,
        on_progress=on_progress,
    )
    with new_folder(out, overwrite) as folder:
        for e in found.explanations:
            _write_person(e, folder)
        on_progress(Event("overlay", "start", 0, 1))
        _write_overlay(found, folder / OVERLAY)
        on_progress(Event("overlay", "end"))
        return finish(
            folder,
            out,
            model=model,
            source=video,
            explained=tuple(map(_record, found.explanations)),
        )


def _record(e: Explanation) -> ExplainedLabel:
    return ExplainedLabel(
        label=e.label,
        method=e.method,
        joints=tuple(e.rows()),
        persons=e.ids,
        probability=min(max(e.probability, 0.0), 1.0),
        gap=e.gap,
    )


def _name(e: Explanation) -> str:
    return f"person{e.ids[0]}" if len(e.ids) == 1 else "scene"


def _title(e: Explanation) -> str:
    who = f"person {e.ids[0]}" if len(e.ids) == 1 else "all persons"
    return f"{who}: {e.label} {e.probability:.0%}"


def _write_person(e: Explanation, folder: Path) -> None:
    title, name = f"{_title(e)} ({e.method})", _name(e)
    importance.draw_body(e.skeleton, e.totals, folder / f"{name}_body.png", title)
    importance.draw_matrix(
        e.values.sum(axis=0),
        e.skeleton,
        e.start / e.fps,
        e.fps,
        folder / f"{name}_joints.png",
        title,
    )
    importance.write_matrix(
        e.values, e.skeleton, e.ids, e.start, e.fps, folder / f"{name}_joints.csv"
    )


def _write_overlay(found: ExplainedVideo, path: Path) -> None:
    people = [
        PersonHeat(
            person_id=person,
            title=_title(e),
            values=e.values[m],
            start=e.start,
            skeleton=e.skeleton,
        )
        for e in found.explanations
        for m, person in enumerate(e.ids)
    ]
    extracted = found.extracted
    if isinstance(extracted, SkeletonInput):
        sequence = extracted.load()
        info, frames, images = on_canvas(sequence, extracted.path)
        write_importance(info, frames, sequence.skeleton, people, path, images)
        return
    poses = extracted.poses
    skeleton = poses.manifest.skeleton
    write_importance(probe(extracted.path), read_poses(poses), skeleton, people, path)
    check_unchanged(extracted.path, poses.manifest.content)


# --- classes of a dataset ---


def explain_classes(
    run: Path,
    out: Path,
    cache: Cache,
    *,
    options: ExplainOptions | None = None,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    subset: str = "test",
    most: int | None = None,
    overwrite: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> ExplainResult:
    """Explain every clip of a subset of a run's dataset for its true class, and write the means
    over each class into the new folder `out`: a page with a neutral body for each class, a table
    with a row for each class, and explanation.json. Every clip has the same weight: its values are
    divided by the sum of their absolute values. `most` limits the clips of each class; `data` and
    `changes` are those of `runs.test.test`.

    Raises DatasetError if the subset is empty, CheckpointError for an ensemble, and the errors of
    `runs.test.test` and `attribute`."""
    options = options or ExplainOptions()
    check_out(out, [run], overwrite)
    loaded = load_run(run, cache, data=data, changes=changes, on_progress=on_progress)
    packed = loaded.dataset.packed
    spec = input_spec(loaded.checkpoint)
    net = fuse_conv_bn(build_network(loaded.checkpoint)).to(resolve_device())
    method = resolve_method(net, options)
    rows = clip_rows(loaded.dataset.subsets, packed.labels, subset, most)
    on_progress(Event("explain", "start", 0, len(rows)))
    joints = len(packed.skeleton.joints)
    totals = np.zeros((len(packed.classes), joints))
    for row in rows:
        clip = np.asarray(packed.frames(row)).swapaxes(0, 1)
        k = int(packed.labels[row])
        own = attribute(net, clip, spec, k, options).values.sum(axis=(0, 1))
        totals[k] += own / max(float(np.abs(own).sum()), 1e-12)
        on_progress(Event("explain", "advance", 1))
    on_progress(Event("explain", "end"))
    counts = np.bincount(packed.labels[rows], minlength=len(packed.classes))
    found = [k for k in np.argsort(packed.classes, kind="stable") if counts[k]]
    skeleton = packed.skeleton
    title = f"{run.resolve().name}: joints that speak for each class"
    intro = (
        f"Mean over the clips of the {subset} subset of {packed.dataset}, each explained for its "
        f"true class with {method}. Red joints speak for the class, blue ones against it; the size "
        "is the amount relative to the largest one of the class. Seen from the front: the left "
        "side of the person is on the right."
    )
    cards = [
        (
            packed.classes[k],
            body(skeleton, totals[k]),
            [
                counted(int(counts[k]), "clip"),
                *importance.top_joints(skeleton, totals[k])[:3],
            ],
        )
        for k in found
    ]
    with new_folder(out, overwrite) as folder:
        importance.write_page(folder / PAGE, title, intro, cards)
        table = [(packed.classes[k], counts[k], *map(importance.rounded, totals[k])) for k in found]
        importance.write_csv([("class", "clips", *skeleton.joints), *table], folder / TABLE)
        explained = tuple(
            ExplainedLabel(
                label=packed.classes[k],
                method=method,
                joints=_shares(skeleton, totals[k]),
                clips=int(counts[k]),
            )
            for k in found
        )
        return finish(folder, out, model=run, source=packed.dataset, explained=explained)


def _shares(skeleton: Skeleton, totals: Floats64) -> tuple[JointImportance, ...]:
    whole = max(float(np.abs(totals).sum()), 1e-12)
    order = np.argsort(-totals, kind="stable")
    return tuple(
        JointImportance(
            joint=skeleton.joints[v], total=float(totals[v]), share=float(totals[v]) / whole
        )
        for v in order
    )


def clip_rows(
    subsets: Sequence[str], labels: np.ndarray[Any, Any], subset: str, most: int | None
) -> list[int]:
    """The clips of a subset, `most` of each class. Raises DatasetError if there are none."""
    rows = np.flatnonzero(np.array(subsets) == subset)
    if not len(rows):
        raise DatasetError(f"There are no clips in the {subset} subset", "Choose another --subset.")
    return [int(r) for k in np.unique(labels) for r in rows[labels[rows] == k][:most]]
