"""Export the poses of videos and skeleton files to the formats of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from skelact import outputs
from skelact.cache import Cache
from skelact.errors import CacheError, ConfigError, DamagedEntry, InputError, lookup
from skelact.files import output_names, unused_folders
from skelact.interop.poses import Recording, export, load_formats
from skelact.interop.poses.base import Dims
from skelact.pose.base import PoseOptions
from skelact.pose.store import read_poses
from skelact.sequence.stack import stack_frames
from skelact.stages.poses import Again, Extracted, estimate_again, poses_of
from skelact.stages.skeleton_input import SkeletonInput, find_inputs
from skelact.types import BatchResult, Event, Failure, ProgressCallback, no_progress
from skelact.video.probe import find_videos

DEFAULT = PoseOptions()


def export_recordings(
    paths: Sequence[Path | str],
    form: str,
    out: Path,
    *,
    pose: PoseOptions = DEFAULT,
    dims: Dims = "auto",
    overwrite: bool = False,
    cache: Cache | None = None,
    on_progress: ProgressCallback = no_progress,
) -> BatchResult[Path]:
    """Write the poses of each video and skeleton sequence among files, folders and glob patterns to
    the folder `out` in the format `form`, and return the files. Poses of videos come from the cache
    or are estimated with `pose`. Those that cannot be used are listed as failed.

    Raises ConfigError for an unknown format, for `dims` of one that has no choice, or for options
    `pose` without a video, OutputError if `out` is not a folder, BackendMissing without the package
    of the format, and what `find_videos` and `poses_of` raise."""
    chosen = lookup("pose format", form, load_formats())
    if dims != "auto" and not chosen.has_dims:
        others = [f.name for f in load_formats().values() if f.has_dims]
        raise ConfigError(
            f"Files of the format {form} have the same content with all dimensions",
            f"Leave out --dims, which is for {', '.join(others)}.",
        )
    chosen.check_packages()
    outputs.check_folder(out)
    found = find_inputs(paths)
    for text in found.notices:
        on_progress(Event("extract", "notice", text=text))
    sources: list[Extracted | SkeletonInput] = list(found.skeletons)
    batch: BatchResult[Path] = BatchResult()
    videos: list[Path] = []
    if found.videos or not found.skeletons:
        videos = find_videos(found.videos or paths, beside_others=bool(found.skeletons))
    elif pose != DEFAULT:
        raise ConfigError(
            "The options of pose estimation have no effect on skeleton files",
            "Leave them out, or name a video.",
        )
    inputs = [*(s.path for s in found.skeletons), *videos]
    for folder in unused_folders(paths, inputs):
        text = f"{folder} contains no video and no skeleton file that can be used"
        on_progress(Event("extract", "notice", text=text))
    names = output_names(inputs)
    if not chosen.per_person:  # the names of the others depend on the poses
        for video in list(videos):
            try:
                path = (out / names[video]).with_name(f"{names[video].name}.{chosen.suffix}")
                outputs.check(path, inputs=inputs, overwrite=overwrite)
            except InputError as error:
                batch.failed.append(Failure.from_error(video, error))
                videos.remove(video)
    if videos:
        poses = poses_of(videos, cache or Cache(), pose, on_progress=on_progress)
        sources += poses.results
        batch.failed += poses.failed
    again = estimate_again(cache or Cache(), lambda: pose, on_progress)
    written: dict[Path, Path] = {}
    for source in sources:
        try:
            files = export(
                _recording(source, again),
                chosen,
                out,
                names[source.path],
                dims=dims,
                inputs=inputs,
                written=written,
                overwrite=overwrite,
            )
            written.update(dict.fromkeys(files, source.path))
        except (InputError, CacheError) as error:
            batch.failed.append(Failure.from_error(source.path, error))
    batch.done += written
    return batch


def _recording(source: Extracted | SkeletonInput, again: Again) -> Recording:
    """The persons of a video or of a skeleton file. Damaged poses of a video are made again."""
    if isinstance(source, SkeletonInput):
        return Recording(path=source.path, sequence=source.load(), y_up=True)
    try:
        frames = read_poses(source.poses)
    except DamagedEntry as error:
        source = again(source.path, error)
        frames = read_poses(source.poses)
    stored = source.poses.manifest
    sequence = stack_frames(frames, stored.skeleton, stored.fps, stored.width, stored.height)
    return Recording(path=source.path, sequence=sequence)
