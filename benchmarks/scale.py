"""How listing, a cached `extract`, and packing grow with the number of clips, by simulation.

    python -m benchmarks scale [--pack] [COUNT]...
    python -m benchmarks scale --in FOLDER [STEP]...

For each COUNT (1,000, 10,000 and 100,000 without arguments): tiny videos in folders of 1,000, each
different, and a cache that holds the poses and sequences of all of them (files of equal content are
links to one another). Measured are the first `extract`, which has to hash every video, a second
one, listing and pruning the cache, and with --pack what `train` does before the first step, twice:
elapsed and CPU time and peak memory, each also for one clip. The second form repeats some of the
STEPs in a folder that an earlier run was given by TMPDIR, or that `--in FOLDER make=COUNT` made."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from benchmarks import cached
from benchmarks.watch import SKELACT, watch
from skelact.cache import MANIFEST, Cache, CacheEntry, Stage
from skelact.pose.base import PoseOptions
from skelact.pose.blazepose.weights import fingerprint
from skelact.schemas import CacheDocument, decode, to_json
from skelact.sequence.clean import SequenceOptions
from skelact.stages.extraction import POSES, Job
from skelact.stages.parts import PART_S, division
from skelact.stages.sequences import SEQUENCES
from skelact.video.cut import ClipOptions

COUNTS = (1_000, 10_000, 100_000)
FOLDER = 1_000  # videos in a folder
_CACHE = ("--cache-dir", "cache")
_PACK = """
from pathlib import Path
from skelact.cache import Cache
from skelact.recipe import compose
from skelact.stages.dataset import load_dataset
table = Path("labels.csv")
ready = load_dataset(compose("labels", "stgcn", None, {}, table), Cache("cache"), table)
print(len(ready.packed), ready.packed.keypoints.nbytes)
"""
COMMANDS = {  # by step
    "first extract": (*SKELACT, "extract", "videos", *_CACHE),
    "second extract": (*SKELACT, "extract", "videos", *_CACHE),
    "ls": (*SKELACT, "cache", "ls", *_CACHE),
    "prune": (*SKELACT, "cache", "prune", *_CACHE),
    "verify": (*SKELACT, "cache", "verify", *_CACHE),
    "pack": (sys.executable, "-c", _PACK),
    "pack again": (sys.executable, "-c", _PACK),
}
STEPS = ("first extract", "second extract", "ls", "prune")
MAX_LINKS = 50_000  # of a file; ext4 allows 65,000

M = TypeVar("M", bound=CacheDocument)


def main() -> None:
    given = sys.argv[2:]
    if given[:1] == ["--in"]:
        root = Path(given[1])
        for step in given[2:]:
            if step.startswith("make="):
                make(root, int(step.removeprefix("make=")))
            else:
                measure(root, step)
        return
    steps = [*STEPS, "pack", "pack again"] if "--pack" in given else [*STEPS]
    for count in [int(n) for n in given if n != "--pack"] or COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), count)
            for step in steps:
                measure(Path(folder), step)


def make(root: Path, count: int) -> None:
    """The videos, their cache and a table of labels."""
    root.mkdir(exist_ok=True)
    cached.fill(root, 1, "lines")
    multiply(root, count)
    label(root)


def label(root: Path) -> None:
    """labels.csv with ten classes, which skelact takes as written by itself: it states the
    dataset."""
    with (root / "labels.csv").open("w") as file:
        file.write("path,label,subset,dataset\n")
        for n, video in enumerate(sorted((root / "videos").rglob("*.avi"))):
            subset = "test" if n // 10 % 5 == 0 else "train"
            file.write(f"{video.relative_to(root)},class {n % 10},{subset},scale\n")


def measure(root: Path, step: str) -> None:
    """Run one step in a process of its own and print what it took."""
    count = (root / "labels.csv").read_bytes().count(b"\n") - 1
    usage = watch(COMMANDS[step], root)
    each = f"{1e3 * usage.cpu_s / count:.2f} ms of CPU and "
    each += f"{1e3 * usage.largest / count:.1f} kB for each clip"
    print(f"{count:,} clips, {step}: {usage}; {each}", flush=True)
    if step.endswith("extract"):
        assert "nothing to do" in usage.err, usage.err
        hashes = [p.stat().st_size for p in (root / "cache" / "hashes").glob("*")]
        print(f"  hashes: {len(hashes)} files, {sum(hashes) / 1e6:.1f} MB", flush=True)


def multiply(root: Path, count: int) -> None:
    """Copies of the only video, each with its own content, and of its entries in the cache."""
    first = root / "videos" / "0000.avi"
    content = first.read_bytes()
    cache = Cache(root / "cache")
    pose = PoseOptions(estimator="blazepose")
    job = Job(
        path=first,
        content=cache.content_hash(first),
        cache_root=cache.root,
        options=pose,
        fingerprint=fingerprint(),
        division=division(pose, PART_S),
    )
    poses = cache.find(POSES, job.key)
    assert poses is not None
    sequences_folder = next((root / "cache" / SEQUENCES.name).glob("[0-9a-f]*"))
    sequences = cache.find(SEQUENCES, sequences_folder.name)
    assert sequences is not None
    for n in range(1, count):
        folder = root / "videos" / f"{n // FOLDER:04d}"
        folder.mkdir(exist_ok=True)
        video = folder / f"{n:07d}.avi"
        video.write_bytes(content + n.to_bytes(4, "big"))
        other = replace(job, path=video, content=cache.content_hash(video))
        copy_entry(poses, other.key, POSES)
        key = SEQUENCES.key(
            poses=other.key,
            clip_options=asdict(ClipOptions()),
            sequence=asdict(SequenceOptions()),
        )
        copy_entry(sequences, key, SEQUENCES)


def copy_entry(entry: CacheEntry[M], key: str, stage: Stage[M]) -> None:
    """The same entry with another key. Its files are links, to a copy where a file has too many."""
    envelope = decode((entry.path / MANIFEST).read_bytes(), stage.decoder)
    envelope = structs.replace(envelope, key=key, checksum="")
    envelope = structs.replace(envelope, checksum=envelope.content_hash())
    folder = entry.path.with_name(key)
    folder.mkdir()
    (folder / MANIFEST).write_bytes(to_json(envelope))
    for name in entry.files:
        source = entry.path / name
        if source.stat().st_nlink >= MAX_LINKS:
            new = source.with_name(f"{name}.new")
            shutil.copyfile(source, new)
            new.replace(source)
        os.link(source, folder / name)
