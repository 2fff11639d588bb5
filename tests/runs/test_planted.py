"""Run folders, models and caches of somebody else: what they name is not executed, and what their
links point to is not written."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from skelact.cache import Cache
from skelact.datasets import pyskl
from skelact.errors import SkelactError
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import load_checkpoint
from skelact.recipe import Recipe
from skelact.report.page import comparison
from skelact.runs import calibrate
from skelact.runs.export_model import export_model
from skelact.runs.fuse import fuse
from skelact.runs.report import write_report
from skelact.runs.test import test as run_test
from skelact.runs.train import train
from skelact.schemas import (
    BEST,
    CONFIG,
    RUN_FILES,
    Calibration,
    ClipsManifest,
    DataLocation,
    EstimatorInfo,
    RunConfig,
    ThresholdPoint,
    load_json,
    save_json,
    save_tensors,
)
from skelact.stages.cut import CLIPS, cut_videos
from skelact.video.cut import ClipOptions, CodingOptions
from tests.conftest import ROOT, sequence_of
from tests.helpers import pattern

POINT = ThresholdPoint(threshold=0.5, coverage=1.0, accuracy=1.0, negatives=0.0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A small trained run on a pickle of sequences."""
    names = [f"clip{n}" for n in range(12)]
    rng = np.random.default_rng(0)
    samples = [
        (name, n % 2, sequence_of(rng.uniform(0, 100, (1, 20, 17, 2)) + 50 * (n % 2)))
        for n, name in enumerate(names)
    ]
    data = tmp_path / "clips.pkl"
    pyskl.export(data, samples, {"one_train": names[:8], "one_val": names[8:]})
    return train_again(tmp_path)


def train_again(root: Path, resume: bool = False, name: str = "run") -> Path:
    recipe = Recipe.from_dict(
        {
            "dataset": {"name": "pyskl", "protocol": "one"},
            "model": {"name": "rocket", "kernels": 16},
            "sampling": {"length": 16},
            "train": {"epochs": 1, "batch_size": 4, "device": "cpu"},
        }
    )
    data, cache = root / "clips.pkl", Cache(root / "cache")
    return train(recipe, cache, data=data, runs=root / "runs", name=name, resume=resume).folder


def test_no_path_in_a_run_is_executed(run: Path, tmp_path: Path) -> None:
    """Every option that could be a path names a Python file, in all documents that hold options."""
    evil, trace = tmp_path / "evil.py", tmp_path / "executed"
    evil.write_text(f"from pathlib import Path\nPath({str(trace)!r}).touch()\n")
    model = load_checkpoint(run / BEST)
    pose = {"estimator": "custom", "config": str(evil), "checkpoint": str(evil)}
    recipe: dict[str, Any] = {**model.recipe, "pose": {**model.recipe["pose"], **pose}}
    estimator = EstimatorInfo(name="custom", pose=pose)
    save_tensors(run / BEST, structs.replace(model, recipe=recipe, estimator=estimator))
    location = DataLocation(path=str(tmp_path / "clips.pkl"), relative="../../clips.pkl")
    save_json(run / CONFIG, RunConfig(recipe=recipe, location=location))
    cache = Cache(tmp_path / "cache")

    assert run_test(run, cache, name="again").scores.samples == 4
    comparison([run])
    export_model(run, tmp_path / "out.pt", "torch")
    for path in (run, tmp_path / "out.pt"):
        with pytest.raises(SkelactError, match="can run code"):
            Predictor.load(path).predict(pattern(tmp_path / "v.mp4"), cache)
    with pytest.raises(SkelactError, match="can run code"):
        calibrate.calibrate(run, [tmp_path / "v.mp4"], apply=True, cache=cache)
    other = train_again(tmp_path, name="other")
    with pytest.raises(SkelactError, match="different estimators"):
        fuse([run, other], tmp_path / "fused")
    with pytest.raises(SkelactError):  # other options than those of the recipe
        train_again(tmp_path, resume=True)
    assert not trace.exists()
    for file, value in (("name", str(evil)), ("protocol", str(evil)), ("skeleton", str(evil))):
        section = {**model.recipe["dataset"], file: value}
        changed = {**recipe, "dataset": section, "model": model.recipe["model"]}
        save_tensors(run / BEST, structs.replace(model, recipe=changed))
        with contextlib.suppress(SkelactError):  # a layout is taken from the checkpoint itself
            run_test(run, cache, name="third", data=tmp_path / "clips.pkl")
    assert not trace.exists()


def test_no_link_in_a_run_is_written_through(run: Path, tmp_path: Path) -> None:
    """Every file of the run is moved away, and a link to it takes its place: nothing outside of the
    run folder changes."""
    kept = tmp_path / "kept"
    kept.mkdir()
    cache = Cache(tmp_path / "cache")
    run_test(run, cache, name="again")
    curve = Calibration(temperature=2.0, curve=(POINT, POINT, POINT))
    save_json(run / "calibration_previous.json", curve)
    for name in ("calibration.json", "calibration.png", "log.jsonl", "last.pt", "curves.png"):
        (run / name).touch()
    names = {p.name for p in run.iterdir()}
    assert names >= {BEST, "report.html", "confusion.png", "again.json"} | set(RUN_FILES) - {
        "validation.json"
    }

    def plant() -> None:
        for path in list(run.iterdir()):
            if not path.is_symlink():
                path.replace(kept / path.name)
                path.symlink_to(kept / path.name)

    plant()
    before = {p.name: p.read_bytes() for p in kept.iterdir()}
    run_test(run, cache, name="again")
    calibrate._store(run, load_checkpoint(run / BEST), curve)
    write_report(run, None)
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == before
    (run / BEST).unlink()
    (run / BEST).symlink_to(kept / BEST)
    assert train_again(tmp_path, resume=True) == run
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == before
    assert not (run / BEST).is_symlink() and not (run / "confusion.png").is_symlink()


def test_no_path_in_a_cache_is_copied(tmp_path: Path) -> None:
    """The manifest of cut clips names files of its entry only."""
    video, cache = pattern(tmp_path / "a.mp4"), Cache(tmp_path / "cache")
    (tmp_path / "secret.mp4").write_text("secret")
    options, coding = ClipOptions(length_s=0.5), CodingOptions()
    cut_videos([video], options, coding, cache)
    (manifest,) = (tmp_path / "cache" / CLIPS.name).glob("*/manifest.json")
    good = manifest.read_text()
    for name in ("../../../secret.mp4", str(tmp_path / "secret.mp4"), "sub/000.mp4", "..", ""):
        manifest.write_text(good.replace('"file": "000.mp4"', f'"file": "{name}"'))
        assert cache.find(CLIPS, manifest.parent.name) is None
        batch = cut_videos([video], options, coding, cache, out=tmp_path / "out")
        assert len(batch.done) == 1  # cut again
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a_000.mp4", "a_001.mp4"]
    assert isinstance(cache.find(CLIPS, manifest.parent.name).manifest, ClipsManifest)  # type: ignore[union-attr]


EXECUTING = {  # what runs code, or could; the only modules that use it, and why this is safe
    r"runpy\.": {"config.py"},  # Python configs of the user and of skelact
    # modules of skelact; those of the child process in sandbox.py are named by its parent
    r"import_module\(": {
        *("discovery.py", "__init__.py", "cli/__init__.py", "files.py", "sandbox.py"),
        "stages/ray_actors.py",
        "interop/poses/base.py",  # packages that its formats name
    },
    r"\bexec\(|(?<![.\w])eval\(|__import__|os\.system|shell=True|spec_from_file": set(),
    # this interpreter, FFmpeg, pip, and the programs that --trigger names
    r"subprocess\.(run|Popen|call|check_call|check_output)\(|os\.(exec|spawn|popen)": {
        *("processes.py", "sandbox.py", "video/ffmpeg.py", "live/trigger.py"),
        "pose/blazepose/weights.py",
    },
    r"torch\.load\(": {"files.py"},  # weights_only
    # an actor of a Ray cluster reads what the driver sends, as Ray itself does
    r"pickle\.loads?\(|allow_pickle=True": {"stages/ray_actors.py"},
    r"pickle\.Unpickler\b": {"files.py"},  # the restricted one
    r"fromfile\(": {"pose/mmpose.py"},  # a config that the command line names
    r"yaml\.(load|full_load|unsafe_load)": {"config_data.py"},  # with a subclass of SafeLoader
}


@pytest.mark.parametrize("pattern", EXECUTING)
def test_code_runs_in_known_places_only(pattern: str) -> None:
    package = ROOT / "skelact"
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }
    assert found == EXECUTING[pattern]


def test_stored_documents_are_read_by_their_schema(run: Path) -> None:
    """An unknown field, which a later version or an attacker could add, is an error."""
    text = (run / CONFIG).read_text()
    (run / CONFIG).write_text(text.replace('"version"', '"hook": "evil.py", "version"', 1))
    with pytest.raises(SkelactError, match="hook"):
        load_json(run / CONFIG, RunConfig)
