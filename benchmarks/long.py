"""Long and large inputs: elapsed and CPU time, peak memory, and whether the results are right.

python -m benchmarks long video VIDEO [whole]    extract, predict and overlay of a long video;
                                     whole: also extract with one process, and compare the poses
python -m benchmarks long clips COUNT VIDEO...   predict on many short clips of these videos
python -m benchmarks long files COUNT            check and train on many skeleton files
python -m benchmarks long windows COUNT          train on many windows of long skeleton files
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.watch import SKELACT, Usage, watch

CLIP_FRAMES, CLIP_HEIGHT = 3, 240
FILE_FRAMES, CLASSES, FPS = 24, 10, 30
WINDOWS_PER_FILE = 500
SMALL = (
    *("--model", "stgcn", "--set", "model.base_channels=8", "--set", "model.num_stages=3"),
    *("--set", "model.inflate_stages=[3]", "--set", "model.down_stages=[3]"),
    *("--set", "sampling.length=8", "--epochs", "1", "--set", "train.batch_size=256"),
    *("--set", "train.device=cpu", "--json"),
)


def tell(what: str, usage: Usage) -> Usage:
    print(f"{what}: {usage}", flush=True)
    return usage


def command(folder: Path, *arguments: object) -> Usage:
    """Run a command in a folder, with its cache there."""
    return watch((*SKELACT, *arguments, "--cache-dir", "cache"), folder)


# --- one long video -------------------------------------------------------------------------------


def poses_hash(cache: Path) -> str:
    """A hash of all stored poses."""
    poses = hashlib.sha256()
    for file in sorted(cache.glob("poses/*/*.json")):
        if file.name != "manifest.json":  # contains the date
            poses.update(file.name.encode() + file.read_bytes())
    return poses.hexdigest()


def long_video(video: Path, whole: bool) -> None:
    video = video.resolve()
    everything = os.sched_getaffinity(0)
    hashes = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for cores in (everything, {min(everything)}) if whole else (everything,):
            os.sched_setaffinity(0, cores)  # inherited
            cache = f"cache{len(cores)}"
            usage = watch((*SKELACT, "extract", video, "--cache-dir", cache, "--json"), folder)
            os.sched_setaffinity(0, everything)
            tell(f"extract with {len(cores)} processes", usage)
            hashes.add(poses_hash(folder / cache))
        (told,) = json.loads(usage.out)["videos"]
        print(f"{told['frames']} frames, {told['frames_with_people']} with persons")
        if whole:
            print("the poses are equal" if len(hashes) == 1 else "THE POSES DIFFER")
        (folder / cache).rename(folder / "cache")
        usage = tell("predict", command(folder, "predict", video, "--json"))
        persons = json.loads(usage.out)["predictions"]
        print(f"{len(persons)} persons, {sum(len(p['segments']) for p in persons)} segments")
        tell("predict --overlay", command(folder, "predict", video, "--overlay", "overlay.mp4"))
        frames = _frames(folder / "overlay.mp4")
        same = "as" if frames == told["frames"] else "NOT AS"
        print(f"the overlay has {frames} frames, {same} the video")


def _frames(video: Path) -> int:
    from skelact.video.probe import probe

    return probe(video).frames


# --- many clips -----------------------------------------------------------------------------------


def _images(videos: Sequence[Path]) -> Iterator[npt.NDArray[np.uint8]]:
    """The frames of all videos, over and over; small, and each time a little darker, so that no two
    clips have the same content."""
    import cv2

    from skelact.video.decode import read_frames
    from skelact.video.probe import probe

    for n in range(1000):
        for image in chain.from_iterable(read_frames(probe(v)) for v in videos):
            height, width = image.shape[:2]
            size = (round(width * CLIP_HEIGHT / height / 2) * 2, CLIP_HEIGHT)
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            yield (small * (1 - n / 1000)).astype(np.uint8)


def make_clips(folder: Path, count: int, videos: Sequence[Path]) -> None:
    """Clips of CLIP_FRAMES frames as Motion JPEG."""
    import cv2

    folder.mkdir()
    images = _images(videos)
    image = next(images)
    for n in range(count):
        first, size = image, (image.shape[1], image.shape[0])
        writer = cv2.VideoWriter(
            str(folder / f"{n:05d}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 15, size
        )
        for _ in range(CLIP_FRAMES):
            writer.write(image if image.shape == first.shape else first)
            image = next(images)
        writer.release()


def many_clips(count: int, videos: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clips(folder / "clips", count, videos)
        with (folder / "clips" / "damaged.avi").open("wb") as file:
            file.write(b"no video")
        texts = []
        for what in ("first", "second"):
            usage = watch(
                (*SKELACT, "predict", "clips", "--csv", f"{what}.csv", "--cache-dir", "cache"),
                folder,
                check=False,
            )
            tell(f"{what} predict of {count} clips and a damaged one, code {usage.code}", usage)
            texts.append((folder / f"{what}.csv").read_text())
        rows = list(csv.DictReader(texts[0].splitlines()))
        named = len({row["path"] for row in rows})
        print(f"{len(rows)} rows for {named} clips; the other clips: {usage.err.count('.avi: ')}")
        print("the two results are equal" if texts[0] == texts[1] else "THE RESULTS DIFFER")


# --- many skeleton files --------------------------------------------------------------------------

_STANDING = np.array(
    [
        *((0, -80), (3, -83), (-3, -83), (6, -80), (-6, -80), (18, -55), (-18, -55), (26, -25)),
        *((-26, -25), (28, 0), (-28, 0), (11, 0), (-11, 0), (12, 42), (-12, 42), (12, 82)),
        (-12, 82),
    ],
    np.float64,
)


def motion(label: int, frames: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(frames, 17, 2) pixels: one of CLASSES motions of an arm, by someone who stands."""
    t = np.arange(frames)
    body = _STANDING * rng.uniform(0.8, 1.2) + rng.normal(0, 2, _STANDING.shape)
    xy = body + rng.normal(0, 0.7, (frames, *_STANDING.shape))
    speed = (0.25, 0.5, 0.9, 1.3, 1.8)[label // 2] * rng.uniform(0.9, 1.1)
    lift = 40 + rng.uniform(15, 25) * np.sin(speed * t + rng.uniform(0, 2 * np.pi))
    wrist = 9 + label % 2
    xy[:, wrist, 1] -= lift
    xy[:, wrist - 2, 1] -= lift / 2
    return (xy + rng.uniform(150, 450, 2)).astype(np.float32)


def make_files(folder: Path, count: int, frames: int) -> None:
    """Skeleton files in one folder, and labels.csv."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label"))
        for n, label in zip(range(count), cycle(range(CLASSES)), strict=False):
            np.save(folder / f"{n:06d}.npy", motion(label, frames, rng))
            table.writerow((f"{n:06d}.npy", f"class {label}"))


def _train(folder: Path, what: str, *more: str) -> None:
    usage = tell(what, command(folder, "train", "--dataset", "files/labels.csv", *SMALL, *more))
    told = json.loads(usage.out)
    sizes = sum(f.stat().st_size for f in (folder / "cache").glob("packed/*/keypoints.npy"))
    print(f"clips {told['clips']}, top-1 {told['top1']:.1%}, packed arrays {sizes / 1e6:.0f} MB")


def many_files(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder / "files", count, FILE_FRAMES)
        check = (*SKELACT, "datasets", "check", "files/labels.csv", "--json")
        usage = tell("datasets check", watch(check, folder, check=False))
        found = json.loads(usage.out)
        print(f"exit code {usage.code}, {found['items']} items, {len(found['warnings'])} warnings")
        _train(folder, "train")
        _train(folder, "train again")


def many_windows(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = max(3 * CLASSES, count // WINDOWS_PER_FILE)
        length = round(0.5 * FPS)
        make_files(folder / "files", files, length * (count // files))
        _train(folder, f"train on {count} windows of {files} files", "--set", "clips.length_s=0.5")


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[2:] if arguments is None else arguments)
    what, *rest = given or [""]
    if what == "video" and rest:
        long_video(Path(rest[0]), "whole" in rest[1:])
    elif what == "clips" and len(rest) > 1:
        many_clips(int(rest[0]), [Path(v) for v in rest[1:]])
    elif what == "files" and rest:
        many_files(int(rest[0]))
    elif what == "windows" and rest:
        many_windows(int(rest[0]))
    else:
        print(__doc__)
