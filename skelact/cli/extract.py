"""Extract the poses of all persons in videos."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, OnlyVideos, Overwrite, with_options
from skelact.errors import CacheError, DamagedEntry, InputError, counted
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.pose.store import JsonForm
from skelact.sequence.clean import SequenceOptions
from skelact.video.cut import ClipOptions, CodingOptions

if TYPE_CHECKING:
    from skelact.stages.sequences import ExtractedSequences
    from skelact.types import BatchResult


EXAMPLES = (
    "skelact extract videos/",
    "skelact extract one.mp4 --out json/ --max-persons 2",
)


@with_options
def command(
    videos: OnlyVideos,
    *,
    pose: PoseOptions,
    clips: ClipOptions,
    coding: CodingOptions,
    sequence: SequenceOptions,
    cluster: ClusterOptions,
    json_form: Annotated[
        JsonForm,
        typer.Option(help="One JSON file per frame, or one file per video with a line per frame."),
    ] = "frames",
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the JSON files to the new folder <out>/<video>/."),
    ] = None,
    overwrite: Overwrite = False,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Extract the poses of all persons in videos: clips, keypoints (one JSON file per frame) and
    sequences. Results are cached, so that a second run does nothing."""
    from skelact import outputs
    from skelact.cache import Cache
    from skelact.files import output_names, unused_folders
    from skelact.stages.poses import MADE_AGAIN, export_poses
    from skelact.stages.sequences import extract
    from skelact.types import Failure
    from skelact.video.probe import find_videos

    started = time.monotonic()
    paths = find_videos(videos)
    if out is not None:
        outputs.check_folder(out)
        if pose.poses_from is not None:
            outputs.check_apart(out, Path(pose.poses_from))
    cache = Cache(cache_dir)
    for folder in unused_folders(videos, paths):
        console.say(f"{folder} contains no video")

    def run(videos: Sequence[Path]) -> BatchResult[ExtractedSequences]:
        with console.Bars() as on_progress:
            return extract(
                videos,
                cache,
                pose=pose,
                clips=clips,
                sequence=sequence,
                coding=coding,
                form=json_form,
                cluster=cluster,
                on_progress=on_progress,
            )

    batch = run(paths)
    if out is not None:
        names = output_names(paths)
        for extracted in batch.results:
            folder = out / names[extracted.path]
            try:
                try:
                    export_poses(extracted.poses, folder, json_form, overwrite=overwrite)
                except DamagedEntry as error:
                    console.say(f"{error.message}. {MADE_AGAIN}")
                    again = run([extracted.path])
                    batch.failed += again.failed
                    for other in again.results:
                        export_poses(other.poses, folder, json_form, overwrite=overwrite)
            except (InputError, CacheError) as error:
                batch.failed.append(Failure.from_error(extracted.path, error))
    content = None
    if json:
        content = {"videos": [_as_dict(e) for e in batch.results]}
    else:
        _summary(batch, time.monotonic() - started)
        if out is not None:
            console.say(f"JSON files are in {out}/")
    console.finish(len(batch.results), batch.failed, content)


def _as_dict(extracted: ExtractedSequences) -> dict[str, Any]:
    poses = extracted.poses.manifest
    return {
        "path": extracted.path,
        "poses": extracted.poses.path,
        "sequences": extracted.sequences.path,
        "estimator": poses.estimator,
        "clips": len(extracted.sequences.manifest.clips),
        "frames": poses.frames,
        "frames_with_people": poses.frames_with_people,
        "people_found": poses.people_found,
        "persons": poses.persons,
    }


def _summary(batch: BatchResult[ExtractedSequences], seconds: float) -> None:
    manifests = [(e.poses.manifest, e.sequences.manifest.clips) for e in batch.results]
    clips = sum(len(spans) for _, spans in manifests)
    frames = sum(poses.frames for poses, _ in manifests)
    with_persons = sum(poses.frames_with_people for poses, _ in manifests)
    if not batch.done and batch.cached and not batch.failed:
        console.say(
            f"nothing to do: {counted(len(batch.cached), 'video')}, {counted(clips, 'clip')} and "
            f"{counted(frames, 'frame')} were "
            "extracted before"
        )
        return
    rows = []
    for e, (poses, spans) in zip(batch.results, manifests, strict=True):
        empty = sum(not span.persons for span in spans)
        share = f"{poses.frames_with_people / max(poses.frames, 1):.0%}"
        note = f"{empty} without persons" if empty else ""
        rows.append((console.short(e.path), len(spans), poses.frames, share, poses.persons, note))
    if rows:
        share = f"{with_persons / max(frames, 1):.0%}"
        footer = (counted(len(rows), "video"), clips, frames, share, "", "")
        heads = ("video", ">clips", ">frames", ">with persons", ">persons", "")
        console.table("", heads, rows, footer)
    if batch.done:
        new = sum(e.poses.manifest.frames for e in batch.done)
        console.say(
            f"{new} frames in {seconds:.0f} s with {batch.done[0].poses.manifest.estimator} "
            f"({new / max(seconds, 1e-9):.0f} frames/s), "
            f"{counted(len(batch.cached), 'video')} from the cache"
        )
