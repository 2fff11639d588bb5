"""The video with skeletons, labels and a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skelact.cache import check_unchanged
from skelact.pose.store import read_poses
from skelact.report.options import OverlayOptions
from skelact.report.writers.base import Result, Writer
from skelact.stages.skeleton_input import SkeletonInput
from skelact.video.probe import probe


def write(results: Sequence[Result], path: Path, options: OverlayOptions | None = None) -> None:
    """An H.264 video with the frame rate and the sound of the original; skeleton files are drawn
    on a blank canvas."""
    from skelact.report.canvas import on_canvas
    from skelact.report.overlay import write_overlay

    (result,) = results
    if isinstance(result.extracted, SkeletonInput):
        info, frames, images = on_canvas(result.extracted.load(), result.path)
        skeleton = result.extracted.load().skeleton
        write_overlay(info, frames, skeleton, result.predictions, path, images, options)
        return
    poses = result.extracted.poses
    info, frames = probe(result.path), read_poses(poses)
    skeleton = poses.manifest.skeleton
    write_overlay(info, frames, skeleton, result.predictions, path, options=options)
    check_unchanged(result.path, poses.manifest.content)


WRITERS = (
    Writer(
        name="overlay",
        suffix="mp4",
        help="Write the video with skeletons, labels and a timeline: a file for one video, a "
        "folder for several.",
        write=write,
        options=OverlayOptions,
    ),
)
