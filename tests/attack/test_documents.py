"""Damage to the JSON documents, the run folders and the entries of the cache."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from skelact.cache import Cache, Stage
from skelact.datasets import packed
from skelact.datasets.packed import PACKED, open_packed
from skelact.errors import CacheError, DamagedEntry
from skelact.metrics import Scores, score
from skelact.pose.store import read_poses, write_poses
from skelact.runs.location import stored_data
from skelact.runs.report import write_report
from skelact.schemas import (
    CONFIG,
    LOG,
    PREDICTIONS,
    RESULT,
    SPLIT,
    VALIDATION,
    Document,
    EpochLog,
    PosesManifest,
    PredictedSample,
    Predictions,
    RunConfig,
    RunResult,
    SplitDocument,
    SubsetVideos,
    load_json,
    load_log,
    save_json,
    save_log,
)
from skelact.sequence.clean import SequenceOptions
from skelact.skeletons import SKELETONS
from skelact.stages.sequences import load_sequences, sequences_of
from skelact.training.results import load_predictions
from skelact.video.cut import ClipOptions
from tests.attack.documents import Tally, attempts, damaged_text, flipped, short, structural
from tests.conftest import walking
from tests.document_examples import DOCUMENTS, IDS
from tests.helpers import waves


def holds(document: Any, content: Any) -> bool:
    """Whether a document, as plain values, says what the file says and holds no NaN. Skeletons and
    scores ignore the additional field that `structural` adds."""
    if isinstance(content, dict):
        known = {k: v for k, v in content.items() if k != "surprise" or k in document}
        return isinstance(document, dict) and all(
            k in document and holds(document[k], v) for k, v in known.items()
        )
    if isinstance(content, list):
        return len(document) == len(content) and all(map(holds, document, content))
    if isinstance(document, float):
        return math.isfinite(document) and document == content
    return bool(document == content)


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_documents(document: Document, tmp_path: Path) -> None:
    kind, path = type(document), tmp_path / "x.json"
    save_json(path, document)
    text = path.read_bytes()
    rng = random.Random(IDS.index(kind.__name__))
    tally = Tally(f"document {kind.__name__}")

    def attack(content: bytes, what: str) -> None:
        path.write_bytes(content)

        def right(result: Any) -> bool:
            return holds(msgspec.to_builtins(result), json.loads(content))

        tally.attempt(what, lambda: load_json(path, kind), kind.error, right)

    for content in structural(json.loads(text), rng, attempts(80)):
        attack(json.dumps(content).encode(), short(content))
    for _ in range(attempts(40)):
        content = damaged_text(text, rng)
        attack(content, short(content))
    tally.check()


def test_log(tmp_path: Path) -> None:
    path, rng, tally = tmp_path / LOG, random.Random(1), Tally("log.jsonl")
    rows = [EpochLog(epoch=n, lr=0.1, train_loss=2.0, train_top1=0.25) for n in (1, 2, 3)]
    save_log(path, rows)
    first, *others = path.read_bytes().splitlines(keepends=True)
    for _ in range(attempts(60)):
        content = b"".join((damaged_text(first, rng), b"\n", *others))
        path.write_bytes(content)
        tally.attempt(short(content), lambda: load_log(path))
    tally.check()


# --- run folders ---


def run_folder(folder: Path) -> Path:
    """The JSON files of a finished run."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = np.arange(8) % 2
    probabilities = rng.dirichlet([1, 1], 8).astype(np.float32)
    names = [f"{label}/{n}.mp4" for n, label in enumerate(labels)]
    classes = ("0", "1")
    scores: Scores = score(probabilities, labels, 0)
    recipe = {"model": {"name": "stgcn"}, "dataset": {"name": "folder"}, "sampling": {}}
    save_json(folder / CONFIG, RunConfig(recipe=recipe))
    save_json(folder / RESULT, RunResult(scores=scores, classes=classes, clips={"test": 8}))
    videos = SubsetVideos(train=("a.mp4",), val=(), test=tuple(names))
    document = SplitDocument(fingerprint="0", protocol="x", disjoint_groups=(), videos=videos)
    save_json(folder / SPLIT, document)
    rows = zip(names, labels, probabilities, strict=True)
    samples = {n: PredictedSample.rounded(classes[k], p) for n, k, p in rows}
    for file in (PREDICTIONS, VALIDATION):
        save_json(folder / file, Predictions(samples=samples))
    save_log(folder / LOG, [EpochLog(epoch=1, lr=0.1, train_loss=2.0, train_top1=0.25)])
    return folder


def use_run(run: Path) -> None:
    """What report, compare, calibrate, fuse and test read of a run folder."""
    from skelact.report.page import comparison, comparison_page

    comparison_page(comparison([run]))
    write_report(run, None)
    load_predictions(run / VALIDATION, ("0", "1"))
    load_log(run / LOG)
    stored_data(run)


@pytest.mark.parametrize("file", [CONFIG, RESULT, SPLIT, PREDICTIONS, VALIDATION])
def test_run_folders(file: str, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    use_run(run)
    path, rng, tally = run / file, random.Random(len(file)), Tally(f"run folder, {file}")
    text = path.read_bytes()
    for content in structural(json.loads(text), rng, attempts(50)):
        path.write_text(json.dumps(content))
        tally.attempt(short(content), lambda: use_run(run))
    for _ in range(attempts(15)):
        content = damaged_text(text, rng)
        path.write_bytes(content)
        tally.attempt(short(content), lambda: use_run(run))
    tally.check()


@pytest.mark.parametrize(
    "change", [("top1", 0.75), ("mean_class", 0.125), ("samples", 9), ("majority", 7)]
)
def test_scores_that_are_not_those_of_the_confusion_matrix(
    change: tuple[str, float], tmp_path: Path
) -> None:
    run = run_folder(tmp_path / "run")
    content = json.loads((run / RESULT).read_text())
    content["scores"][change[0]] = change[1]
    (run / RESULT).write_text(json.dumps(content))
    tally = Tally("accuracy changed in result.json")
    tally.attempt(change, lambda: load_json(run / RESULT, RunResult), right=lambda result: False)
    tally.check()


# --- the cache ---

COCO = SKELETONS["coco-17"]
KEY = "0123456789abcdef0123"  # of an entry


def poses_manifest(frames: int) -> PosesManifest:
    return PosesManifest(
        source="a.mp4",
        content="0a",
        estimator="blazepose",
        weights="ba",
        skeleton=COCO,
        width=640,
        height=480,
        fps=25.0,
        pose={"max_persons": 4},
        track={},
        frames=frames,
        frames_with_people=frames,
        people_found=frames,
        persons=1,
    )


POSES = Stage(name="poses", version=1, manifest=PosesManifest)


def make_poses(cache: Cache, form: str) -> None:
    people = walking(6)

    def fill(folder: Path) -> PosesManifest:
        write_poses(folder, ([p] for p in people), COCO, form)  # type: ignore[arg-type]
        return poses_manifest(len(people))

    cache.write(POSES, KEY, fill)


def pose_values(cache: Cache) -> Any:
    entry = cache.find(POSES, KEY)
    if entry is None:
        raise CacheError("absent")
    frames = np.array([[p.xy for p in people] for people in read_poses(entry)])
    return entry.manifest, frames.tobytes()


def sequence_values(cache: Cache) -> Any:
    entry = cache.find(POSES, KEY)
    assert entry is not None
    options = ClipOptions(length_s=0.0), SequenceOptions()
    found = load_sequences(sequences_of(entry, *options, cache))
    return [s.xy.tobytes() + s.score.tobytes() for _, s in found]


def packed_values(cache: Cache) -> Any:
    entry = cache.find(PACKED, KEY)
    if entry is None:
        raise CacheError("absent")
    data = open_packed(entry)
    data.check()
    columns = (data.labels, data.items, data.fps, data.offsets, data.is_mirrored)
    return entry.manifest, data.keypoints.tobytes(), data.ids, [c.tolist() for c in columns]


def make_packed(cache: Cache) -> None:
    data = waves(cache.root, 4)
    assert data.entry is not None
    data.entry.path.rename(data.entry.path.with_name(KEY))


STORES: dict[str, tuple[Callable[[Cache], Any], Callable[[Cache], Any]]] = {
    "poses, a file per frame": (lambda c: make_poses(c, "frames"), pose_values),
    "poses, a line per frame": (lambda c: make_poses(c, "lines"), pose_values),
    "packed": (make_packed, packed_values),
}


@pytest.mark.parametrize(("name", "large"), [*((name, False) for name in STORES), ("packed", True)])
def test_flipped_bits_in_the_cache(
    name: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of an entry, the manifest included. `large` arrays are checked when clips are
    read, not when they are opened."""
    monkeypatch.setattr(packed, "_SMALL", 0 if large else 1 << 28)
    make, values = STORES[name]
    cache = Cache(tmp_path / "c")
    make(cache)
    intact = values(cache)
    (folder,) = cache.root.glob(f"*/{KEY}")
    shutil.copytree(folder, tmp_path / "intact")
    rng, tally = random.Random(7), Tally(f"cache: {name}" + ", read by clip" * large)
    files = sorted(folder.iterdir())
    for n in range(attempts(60)):
        file = files[n % len(files)]
        content = file.read_bytes()
        file.write_bytes(flipped(content, rng))
        what = f"{file.name} {n}"
        tally.attempt(what, lambda: values(cache), CacheError, lambda v: v == intact)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "intact", folder)
    tally.check()


def test_flipped_bits_in_sequences(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    make_poses(cache, "frames")
    intact = sequence_values(cache)
    (folder,) = cache.root.glob("sequences/*/")
    rng, tally = random.Random(8), Tally("cache: sequences")
    for n in range(attempts(40)):
        file = sorted(folder.iterdir())[n % 2]
        content = file.read_bytes()
        file.write_bytes(flipped(content, rng))
        what = f"{file.name} {n}"
        tally.attempt(what, lambda: sequence_values(cache), DamagedEntry, lambda v: v == intact)
        assert sequence_values(cache) == intact  # made again
    tally.check()


def test_verify_lists_a_damaged_array(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    make_packed(cache)
    (folder,) = cache.root.glob(f"*/{KEY}")
    array = folder / packed.ARRAY
    content = bytearray(array.read_bytes())
    content[-100] ^= 4
    array.write_bytes(content)
    assert cache.verify() == [folder]


def test_a_damaged_clip_is_named_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_SMALL", 0)
    data = waves(tmp_path, 4)
    assert data.entry is not None
    array = data.entry.path / packed.ARRAY
    content = bytearray(array.read_bytes())
    content[-4] ^= 1  # in the last clip
    array.write_bytes(content)
    again = open_packed(data.entry)
    assert again.frames(0).shape[1:] == (1, 17, 3)
    with pytest.raises(DamagedEntry, match=r"keypoints.npy is damaged: the frames of clip3"):
        again.frames(3)
    assert Cache(tmp_path).find(PACKED, "samples") is None
