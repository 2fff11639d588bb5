"""Find the people in videos: clips, keypoints (one JSON a frame), sequences. Cached."""

from __future__ import annotations

import enum
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import console
from skelact.cli.options import CacheDir, Json, PosesFrom, Videos, person_count
from skelact.pose.base import PoseOptions
from skelact.sequence.clean import SequenceOptions
from skelact.video.cut import ClipOptions, CodingOptions


class JsonForm(enum.StrEnum):
    """How poses are written."""

    FRAMES = "frames"
    LINES = "lines"


def command(
    videos: Videos,
    pose: Annotated[str, console.option(PoseOptions, "estimator")] = PoseOptions.estimator,
    pose_config: Annotated[str | None, console.option(PoseOptions, "config")] = PoseOptions.config,
    pose_checkpoint: Annotated[
        str | None, console.option(PoseOptions, "checkpoint")
    ] = PoseOptions.checkpoint,
    max_persons: Annotated[
        int, console.option(PoseOptions, "max_persons")
    ] = PoseOptions.max_persons,
    min_confidence: Annotated[
        float, console.option(PoseOptions, "min_confidence")
    ] = PoseOptions.min_confidence,
    tracking_confidence: Annotated[
        float | None, console.option(PoseOptions, "tracking_confidence")
    ] = PoseOptions.tracking_confidence,
    backfill: Annotated[float, console.option(PoseOptions, "backfill_s")] = PoseOptions.backfill_s,
    fallback_confidence: Annotated[
        float | None, console.option(PoseOptions, "fallback_confidence")
    ] = PoseOptions.fallback_confidence,
    mirrored: Annotated[bool, console.option(PoseOptions, "mirrored")] = PoseOptions.mirrored,
    length: Annotated[float, console.option(ClipOptions, "length_s")] = ClipOptions.length_s,
    overlap: Annotated[float, console.option(ClipOptions, "overlap_s")] = ClipOptions.overlap_s,
    height: Annotated[int | None, console.option(CodingOptions, "height")] = CodingOptions.height,
    fps: Annotated[float | None, console.option(CodingOptions, "fps")] = CodingOptions.fps,
    persons: Annotated[str, typer.Option(help="persons kept per clip: 1, 2, … or all")] = "1",
    min_score: Annotated[
        float, console.option(SequenceOptions, "min_score")
    ] = SequenceOptions.min_score,
    max_gap: Annotated[
        float, console.option(SequenceOptions, "max_gap_s")
    ] = SequenceOptions.max_gap_s,
    json_form: Annotated[
        JsonForm,
        typer.Option(help="one JSON file a frame, or one line a frame in one file a video"),
    ] = JsonForm.FRAMES,
    poses_from: PosesFrom = None,
    out: Annotated[Path | None, typer.Option(help="also copy the JSON to <out>/<video>/")] = None,
    cache_dir: CacheDir = None,
    json: Json = False,
) -> None:
    """Find the people in videos: clips, keypoints (one JSON a frame), sequences. Cached; a second
    run does nothing."""
    from skelact.cache import Cache
    from skelact.files import output_names
    from skelact.stages.poses import export_poses
    from skelact.stages.sequences import extract
    from skelact.video.probe import find_videos

    started = time.monotonic()
    cache = Cache(cache_dir)
    pose_options = PoseOptions(
        estimator=pose,
        max_persons=max_persons,
        min_confidence=min_confidence,
        tracking_confidence=tracking_confidence,
        backfill_s=backfill,
        fallback_confidence=fallback_confidence,
        mirrored=mirrored,
        config=pose_config,
        checkpoint=pose_checkpoint,
        poses_from=str(poses_from) if poses_from else None,
    )
    with console.Bars() as on_progress:
        batch = extract(
            find_videos(videos),
            cache,
            pose_options,
            ClipOptions(length_s=length, overlap_s=overlap),
            SequenceOptions(persons=person_count(persons), min_score=min_score, max_gap_s=max_gap),
            CodingOptions(height=height, fps=fps),
            json_form.value,
            on_progress,
        )
    names = output_names([e.path for e in batch.results])
    if out is not None:
        for extracted in batch.results:
            export_poses(extracted.poses, out / names[extracted.path], json_form.value)
    if json:
        console.as_json(
            {
                "videos": [_plain(e) for e in batch.results],
                "failed": console.failed_json(batch.failed),
            }
        )
    else:
        _summary(batch, time.monotonic() - started)
        if out is not None:
            console.say(f"JSON is in {out}/")
        console.failures(batch.failed)
    console.exit_code(len(batch.results), len(batch.failed))


def _plain(extracted: Any) -> dict[str, Any]:
    return {
        "path": str(extracted.path),
        "poses": str(extracted.poses.path),
        "sequences": str(extracted.sequences.path),
        "estimator": extracted.poses.manifest.estimator,
        "clips": len(extracted.sequences.manifest.clips),
        "frames": extracted.poses.manifest.frames,
        "frames_with_people": extracted.poses.manifest.frames_with_people,
        "people_found": extracted.poses.manifest.people_found,
        "persons": extracted.poses.manifest.persons,
    }


def _summary(batch: Any, seconds: float) -> None:
    rows, totals = [], [0, 0, 0]
    for e in batch.results:
        clips = e.sequences.manifest.clips
        empty = sum(not clip.persons for clip in clips)
        poses = e.poses.manifest
        note = f"{empty} without people" if empty else ""
        rows.append(
            (
                console.short(e.path),
                len(clips),
                poses.frames,
                f"{poses.frames_with_people / max(poses.frames, 1):.0%}",
                poses.persons,
                note,
            )
        )
        for i, value in enumerate((len(clips), poses.frames, poses.frames_with_people)):
            totals[i] += value
    if not batch.done and batch.cached and not batch.failed:
        console.say(
            f"nothing to do: {len(batch.cached)} videos, {totals[0]} clips and "
            f"{totals[1]} frames were extracted before"
        )
        return
    if rows:
        footer = (
            f"{len(rows)} videos",
            totals[0],
            totals[1],
            f"{totals[2] / max(totals[1], 1):.0%}",
            "",
            "",
        )
        console.table(
            "", ("video", ">clips", ">frames", ">with people", ">persons", ""), rows, footer
        )
    new = sum(e.poses.manifest.frames for e in batch.done)
    if batch.done:
        estimator = batch.done[0].poses.manifest.estimator
        console.say(
            f"{new} frames in {seconds:.0f} s with {estimator} "
            f"({new / max(seconds, 1e-9):.0f} frames/s), {len(batch.cached)} videos from "
            "the cache"
        )
