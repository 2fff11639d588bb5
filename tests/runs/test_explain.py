"""`skelact explain` from the command to its files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

import skelact
from skelact.analysis_options import ExplainOptions
from skelact.cache import Cache
from skelact.cli import main
from skelact.errors import CheckpointError, ConfigError, InputError, OutputError
from skelact.inference.explain import Explanation, explain
from skelact.inference.predictor import Predictor
from skelact.models.checkpoint import load_checkpoint
from skelact.runs.explain import explain_classes, explain_video
from skelact.runs.explain_graph import explain_graph
from skelact.schemas import BEST, Ensemble, ExplanationDocument, Member, load_json, save_tensors
from tests.readers import motion


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that were trained on short sequences of four actions, rocket and ctrgcn."""
    place = tmp_path_factory.mktemp("explain")
    motion.arrays(place / "data", 6)
    common = ["--dataset", str(place / "data"), "--device", "cpu", "--runs", str(place)]
    common += ["--cache-dir", str(place / "cache"), "--set", "sampling.length=24"]
    rocket = ["--model", "rocket", "--name", "rocket", "--set", "model.kernels=200"]
    assert main(["train", *common, *rocket]) == 0
    sizes = ("base_channels=8", "num_stages=2", "inflate_stages=[2]", "down_stages=[2]")
    small = [w for s in sizes for w in ("--set", f"model.{s}")]
    gcn = ["--model", "ctrgcn", "--name", "gcn", "--epochs", "1", "--set", "train.repeat=1"]
    assert main(["train", *common, *gcn, *small]) == 0
    np.save(place / "clip.npy", motion.sequence("wave", 900, 60))
    return place


def cache_of(world: Path) -> tuple[str, str]:
    return ("--cache-dir", str(world / "cache"))


def test_a_file(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["explain", str(world / "rocket"), str(world / "clip.npy"), "--out", str(out)]
    assert main([*words, *cache_of(world), "--method", "decomposition", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    names = {"explanation.json", "overlay.mp4"}
    names |= {f"person0_{n}" for n in ("body.png", "joints.png", "joints.csv")}
    assert {p.name for p in out.iterdir()} == names
    document = load_json(out / "explanation.json", ExplanationDocument)
    (only,) = document.explained
    assert only.label == "wave" and only.method == "decomposition"
    assert only.gap is not None and only.gap < 1e-3
    assert shown["explained"][0]["label"] == "wave" and shown["files"] == list(document.files)
    # the arm that waves: its joints are among the first
    assert any("wrist" in j.joint or "hand" in j.joint for j in only.joints[:3])
    assert main([*words, *cache_of(world), "--label", "squat"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, *cache_of(world), "--label", "squat", "--overwrite"]) == 0
    assert load_json(out / "explanation.json", ExplanationDocument).explained[0].label == "squat"
    (out / "thesis.txt").touch()
    assert main([*words, *cache_of(world), "--overwrite"]) == 2
    assert (out / "thesis.txt").exists()


def test_an_ensemble_is_the_weighted_sum_of_its_members(world: Path, tmp_path: Path) -> None:
    members = [load_checkpoint(world / name / BEST) for name in ("rocket", "gcn")]
    (tmp_path / "fused").mkdir()
    weighted = tuple(
        Member(weight=w, checkpoint=structs.replace(m, clip_s=members[0].clip_s))
        for w, m in zip((3.0, 1.0), members, strict=True)
    )
    save_tensors(tmp_path / "fused" / BEST, Ensemble(members=weighted))
    options = ExplainOptions(method="gradient-input", stage=0)
    video, cache = world / "clip.npy", Cache(world / "cache")

    def values(model: Path) -> np.ndarray:
        predictor = Predictor.load(model)
        found = explain(predictor, video, "kick", options, cache=cache)
        return found.explanations[0].values

    parts = [values(world / name) for name in ("rocket", "gcn")]
    expected = 0.75 * parts[0] + 0.25 * parts[1]
    np.testing.assert_allclose(values(tmp_path / "fused"), expected, atol=1e-5)
    with pytest.raises(CheckpointError, match="2 fused networks"):
        explain_classes(tmp_path / "fused", tmp_path / "out", cache)


def test_a_part_of_the_time(world: Path) -> None:
    predictor, cache = Predictor.load(world / "rocket"), Cache(world / "cache")
    options = ExplainOptions(method="gradient-input", stage=0)
    video = world / "clip.npy"

    def found(*span: float) -> Explanation:
        part = (span[0], span[1]) if span else None
        video_explained = explain(predictor, video, None, options, span_s=part, cache=cache)
        return video_explained.explanations[0]

    whole = found()
    frames = whole.values.shape[1]
    seconds = frames / whole.fps
    same = found(0, seconds)
    np.testing.assert_allclose(same.values, whole.values)
    assert same.label == whole.label and same.start == whole.start == 0
    last = found(seconds - 0.01, seconds)
    assert last.start + last.values.shape[1] == frames
    assert 0 < last.values.shape[1] < frames
    with pytest.raises(InputError, match=r"Person \S+ is not visible from 1000 to 1001 s"):
        found(1000, 1001)


def test_classes(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "classes"
    words = ["explain", str(world / "rocket"), "--per-class", "--out", str(out)]
    assert main([*words, *cache_of(world), "--most", "2"]) == 0
    page = (out / "classes.html").read_text(encoding="utf-8")
    assert all(f"<b>{name}</b>" in page for name in motion.CLASSES) and "://" not in page
    document = load_json(out / "explanation.json", ExplanationDocument)
    assert {e.label for e in document.explained} == set(motion.CLASSES)
    assert all(e.clips == 2 for e in document.explained)


def test_graphs(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph"
    words = ["explain", str(world / "gcn"), "--graph", "--out", str(out)]
    assert main([*words, *cache_of(world), "--most", "1"]) == 0
    names = {"explanation.json", "graph.csv", "graph.html", "graph.png"}
    assert {p.name for p in out.iterdir()} == names
    rows = (out / "graph.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "class,stage,from,to,weight" and len(rows) > 100
    with pytest.raises(ConfigError, match="no graph of stage 9"):
        explain_graph(world / "gcn", tmp_path / "x", Cache(world / "cache"), stage=9, most=1)
    with pytest.raises(ConfigError, match="rocket has no learned graph"):
        explain_graph(world / "rocket", tmp_path / "x", Cache(world / "cache"))
    assert not (tmp_path / "x").exists()


def test_bad_input(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, clip, out = world / "rocket", world / "clip.npy", tmp_path / "out"
    cache = Cache(world / "cache")
    with pytest.raises(ConfigError, match=r"No class is called 'wavee' \(did you mean 'wave'"):
        explain_video(run, clip, out, label="wavee", cache=cache)
    with pytest.raises(InputError, match="no person 7"):
        explain_video(run, clip, out, person=7, cache=cache)
    with pytest.raises(InputError, match="is a folder"):
        explain_video(run, world / "data", out, cache=cache)
    with pytest.raises(ConfigError, match="no stages with joints"):
        options = ExplainOptions(method="feature-norm", stage=3)
        explain_video(run, clip, out, options=options, cache=cache)
    with pytest.raises(OutputError, match="part of the input"):
        explain_video(run, clip, run / "out", cache=cache)
    with pytest.raises(ConfigError, match="steps must be"):
        ExplainOptions(steps=0)
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="broken"):
        explain_video(run, tmp_path / "broken.npy", out, cache=cache)
    assert not out.exists() and not (run / "out").exists()
    for words in (
        [str(run)],
        [str(run), str(clip), "--graph"],
        [str(run), str(clip), "--most", "2"],
        [str(run), "--per-class", "--label", "wave"],
        [str(run), "--per-class", "--person", "1"],
        [str(run), "--graph", "--method", "occlusion"],
        [str(run), "--per-class", "--split", "no-such"],
        ["everyday", "--per-class"],
    ):
        assert main(["explain", *words, "--out", str(out)]) == 2, words
    assert "hint:" in capsys.readouterr().err and not out.exists()


def test_python(world: Path) -> None:
    """What an application calls."""
    model = skelact.load(world / "rocket")
    found = explain(model, world / "clip.npy", cache=Cache(world / "cache"))
    (e,) = found.explanations
    assert e.values.shape == (1, 60, len(e.skeleton.joints)) and e.ids == (0,)
    assert e.rows()[0].joint in str(e) and e.label in str(e)
    np.testing.assert_allclose(sum(r.total for r in e.rows()), e.values.sum())


def test_a_name_that_is_not_utf8(world: Path, tmp_path: Path) -> None:
    clip = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.npy"))
    shutil.copy(world / "clip.npy", clip)
    options = ExplainOptions(method="decomposition")
    cache = Cache(world / "cache")
    result = explain_video(world / "rocket", clip, tmp_path / "out", options=options, cache=cache)
    assert result.document.source == f"{tmp_path}/caf\\xe9.npy"
    load_json(tmp_path / "out" / "explanation.json", ExplanationDocument)
