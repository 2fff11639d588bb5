"""Find the people in videos: clips, keypoints (one JSON a frame), sequences. Cached."""

from __future__ import annotations

import enum
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from skelact.cli import show
from skelact.cli.options import CacheDir, Json, PosesFrom, Videos
from skelact.pose.base import PoseOptions
from skelact.sequence.clean import SequenceOptions
from skelact.video.split import CodingOptions, SplitOptions


class JsonForm(enum.StrEnum):
    """How poses are written."""

    FRAMES = "frames"
    LINES = "lines"


def command(
    videos: Videos,
    pose: Annotated[str, show.option(PoseOptions, "estimator")] = PoseOptions.estimator,
    pose_config: Annotated[str | None, show.option(PoseOptions, "config")] = PoseOptions.config,
    pose_checkpoint: Annotated[
        str | None, show.option(PoseOptions, "checkpoint")
    ] = PoseOptions.checkpoint,
    max_persons: Annotated[int, show.option(PoseOptions, "max_persons")] = PoseOptions.max_persons,
    min_confidence: Annotated[
        float, show.option(PoseOptions, "min_confidence")
    ] = PoseOptions.min_confidence,
    follow_confidence: Annotated[
        float | None, show.option(PoseOptions, "follow_confidence")
    ] = PoseOptions.follow_confidence,
    look_back: Annotated[float, show.option(PoseOptions, "look_back_s")] = PoseOptions.look_back_s,
    rescue_confidence: Annotated[
        float | None, show.option(PoseOptions, "rescue_confidence")
    ] = PoseOptions.rescue_confidence,
    mirrored: Annotated[bool, show.option(PoseOptions, "mirrored")] = PoseOptions.mirrored,
    length: Annotated[float, show.option(SplitOptions, "length_s")] = SplitOptions.length_s,
    overlap: Annotated[float, show.option(SplitOptions, "overlap_s")] = SplitOptions.overlap_s,
    height: Annotated[int | None, show.option(CodingOptions, "height")] = CodingOptions.height,
    fps: Annotated[float | None, show.option(CodingOptions, "fps")] = CodingOptions.fps,
    persons: Annotated[str, show.option(SequenceOptions, "persons")] = SequenceOptions.persons,
    min_score: Annotated[
        float, show.option(SequenceOptions, "min_score")
    ] = SequenceOptions.min_score,
    max_gap: Annotated[
        float, show.option(SequenceOptions, "max_gap_s")
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
    from skelact.pipeline.clips import output_names
    from skelact.pipeline.poses import export_poses
    from skelact.pipeline.sequences import extract
    from skelact.video.probe import find_videos

    started = time.monotonic()
    cache = Cache(cache_dir)
    pose_options = PoseOptions(
        estimator=pose,
        max_persons=max_persons,
        min_confidence=min_confidence,
        follow_confidence=follow_confidence,
        look_back_s=look_back,
        rescue_confidence=rescue_confidence,
        mirrored=mirrored,
        config=pose_config,
        checkpoint=pose_checkpoint,
        poses_from=str(poses_from) if poses_from else None,
    )
    with show.Bars() as listener:
        outcome = extract(
            find_videos(videos),
            cache,
            pose_options,
            SplitOptions(length_s=length, overlap_s=overlap),
            SequenceOptions(persons=persons, min_score=min_score, max_gap_s=max_gap),
            CodingOptions(height=height, fps=fps),
            json_form.value,
            listener,
        )
    names = output_names([e.path for e in outcome.results])
    if out is not None:
        for extracted in outcome.results:
            export_poses(extracted.poses, out / names[extracted.path], json_form.value)
    if json:
        show.as_json(
            {
                "videos": [_plain(e) for e in outcome.results],
                "failed": show.failed_json(outcome.failed),
            }
        )
    else:
        _summary(outcome, time.monotonic() - started)
        if out is not None:
            show.say(f"JSON is in {out}/")
        show.failures(outcome.failed)
    show.exit_code(len(outcome.results), len(outcome.failed))


def _plain(extracted: Any) -> dict[str, Any]:
    return {
        "path": str(extracted.path),
        "poses": str(extracted.poses.path),
        "sequences": str(extracted.sequences.path),
        "estimator": extracted.poses.manifest["estimator"],
        "clips": len(extracted.sequences.manifest["clips"]),
        **extracted.counts,
    }


def _summary(outcome: Any, seconds: float) -> None:
    rows, totals = [], [0, 0, 0]
    for e in outcome.results:
        clips = e.sequences.manifest["clips"]
        empty = sum(not c["persons"] for c in clips)
        c = e.counts
        note = f"{empty} without people" if empty else ""
        rows.append(
            (
                show.short(e.path),
                len(clips),
                c["frames"],
                f"{c['frames_with_people'] / max(c['frames'], 1):.0%}",
                c["persons"],
                note,
            )
        )
        for i, value in enumerate((len(clips), c["frames"], c["frames_with_people"])):
            totals[i] += value
    if not outcome.done and outcome.cached and not outcome.failed:
        show.say(
            f"nothing to do: {len(outcome.cached)} videos, {totals[0]} clips and "
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
        show.table("", ("video", ">clips", ">frames", ">with people", ">persons", ""), rows, footer)
    new = sum(e.counts["frames"] for e in outcome.done)
    if outcome.done:
        estimator = outcome.done[0].poses.manifest["estimator"]
        show.say(
            f"{new} frames in {seconds:.0f} s with {estimator} "
            f"({new / max(seconds, 1e-9):.0f} frames/s), {len(outcome.cached)} videos from "
            "the cache"
        )
