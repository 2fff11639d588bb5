"""The mmpose estimators with real configs and frames, and checkpoints of the real architectures
with random weights that the tests save themselves."""

from __future__ import annotations

import collections
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.cli import main
from skelact.errors import BackendMissing, CheckpointError, EstimatorError, WeightsMissing
from skelact.files import load_weights
from skelact.pose import weights
from skelact.pose.base import FrameRef, PoseOptions, get_spec
from skelact.pose.registry import fingerprint_of, resolve
from skelact.skeletons import SKELETONS
from skelact.video.decode import Frame, read_frames
from skelact.video.probe import probe
from tests.conftest import run, sample, short_clip

if not weights.is_installed():
    pytest.skip("the mmpose back end is not installed", allow_module_level=True)

NETWORKS = ("rtmo-s", "rtmpose-t", "rtmdet-nano")


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `models pull` creates it: random weights, with the metadata of official files."""
    from skelact.pose import mmpose

    mmpose._prepare()
    from mmdet.registry import MODELS as DETECTORS
    from mmengine.logging.history_buffer import HistoryBuffer
    from mmengine.registry import DefaultScope
    from mmpose.registry import MODELS as POSE

    folder = tmp_path_factory.mktemp("weights")
    for name in NETWORKS:
        config = mmpose._read_config(mmpose.shipped_config(name))
        scope = "mmdet" if "det" in name else "mmpose"
        with DefaultScope.overwrite_default_scope(scope), torch.random.fork_rng():
            torch.manual_seed(1)
            config.model.backbone.pop("init_cfg", None)
            model = (DETECTORS if scope == "mmdet" else POSE).build(config.model)
        meta = {
            "dataset_meta": {"sigmas": np.ones(17, np.float32), "name": np.str_("coco")},
            "epoch": np.int64(3),
            "history": HistoryBuffer([1.0], [1]),
        }
        torch.save(
            {"state_dict": collections.OrderedDict(model.state_dict()), "meta": meta},
            folder / f"{name}.pth",
        )
    return folder


@pytest.fixture
def pulled(random_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKELACT_MODELS", str(random_weights))
    weights.sha256.cache_clear()
    return random_weights


def frames_of(name: str, count: int) -> list[Frame]:
    return list(islice(read_frames(probe(sample(name))), count))


def frame_refs(frames: list[Frame], video: int = 0) -> list[FrameRef]:
    return [FrameRef(video=video, frame=n, fps=15.0, image=f) for n, f in enumerate(frames)]


def test_one_stage_batches_equal_mmpose_frame_by_frame(pulled: Path) -> None:
    """inference_bottomup does: pipeline(frame), pseudo_collate of one, test_step."""
    from mmengine.dataset import pseudo_collate

    from skelact.pose.mmpose import MMPose

    estimator = MMPose(PoseOptions(estimator="rtmo-s", min_confidence=0.001, max_persons=3), "cpu")
    estimator.prepared = ThreadPoolExecutor(3).map  # as beside a GPU
    assert estimator.skeleton == SKELETONS["coco-17"]
    frames = frames_of("crossing.avi", 5) + frames_of("Kata_A1_C0.avi", 2)
    ours = list(estimator.run(frame_refs(frames)))
    assert [p.frame for p, _ in ours] == list(range(7))
    checked = 0
    for (_, people), frame in zip(ours, frames, strict=True):
        data = pseudo_collate([estimator.pipeline({"img": frame, **estimator.meta})])
        with torch.inference_mode():
            theirs = estimator.model.test_step(data)[0].pred_instances
        for person in people:
            # random weights put some joints far away, where float32 cannot represent thousandths
            known = (np.abs(person.xy) < 1e4).all(axis=1)
            if not known.any():
                continue
            gaps = np.abs(theirs.keypoints[:, known] - person.xy[known])
            assert np.nan_to_num(gaps, nan=np.inf).max(axis=(1, 2)).min() < 1e-3
            checked += int(known.sum())
    assert checked > 30


def test_top_down_batches_equal_mmpose_frame_by_frame(
    pulled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """inference_topdown does: one pipeline call a box, pseudo_collate of a frame's boxes,
    test_step."""
    from mmengine.dataset import pseudo_collate

    from skelact.pose.mmpose import MMPose

    estimator = MMPose(PoseOptions(estimator="rtmpose-t"), "cpu")
    estimator.prepared = ThreadPoolExecutor(3).map
    frames = frames_of("crossing.avi", 6)
    boxes = [
        np.array([[60, 80, 200, 330], [260, 90, 420, 340]], np.float32)[: 1 + n % 2]
        for n in range(6)
    ]
    monkeypatch.setattr(
        estimator, "boxes", lambda images: [boxes[_index(frames, i)] for i in images]
    )
    ours = [people for _, people in estimator.run(frame_refs(frames))]
    for frame, found, people in zip(frames, boxes, ours, strict=True):
        items = [
            estimator.pipeline(
                {
                    "img": frame,
                    "bbox": b[None],
                    "bbox_score": np.ones(1, np.float32),
                    **estimator.meta,
                }
            )
            for b in found
        ]
        with torch.inference_mode():
            theirs = [s.pred_instances for s in estimator.model.test_step(pseudo_collate(items))]
        assert 1 <= len(people) <= len(found)
        for person in people:
            best = min(np.abs(t.keypoints[0] - person.xy).max() for t in theirs)
            assert best < 1e-3


def _index(frames: list[Frame], image: Frame) -> int:
    return next(n for n, f in enumerate(frames) if f is image)


def test_the_detector_runs_in_batches(pulled: Path) -> None:
    from skelact.pose.mmpose import MMPose

    estimator = MMPose(
        PoseOptions(estimator="rtmpose-t", min_confidence=1e-4, max_persons=2), "cpu"
    )
    frames = frames_of("crossing.avi", 3)
    together, alone = estimator.boxes(frames), [estimator.boxes([f])[0] for f in frames]
    for a, b in zip(together, alone, strict=True):
        assert a.shape[1] == 4 and len(a) <= 2
        np.testing.assert_allclose(a, b, atol=1e-2)


def test_nms_keeps_the_best_of_overlapping_boxes() -> None:
    from skelact.pose.mmpose import _nms

    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 10.5]])
    kept = _nms(boxes, torch.tensor([0.5, 0.9, 0.1, 0.6]), 0.5, 0)
    assert kept.tolist() == [1, 2]
    assert _nms(torch.zeros(0, 4), torch.zeros(0), 0.5, 0).tolist() == []


def test_extract_through_the_command_line(pulled: Path, tmp_path: Path) -> None:
    """The same cache, JSON and ids as with blazepose; two videos and a damaged one."""
    folder = tmp_path / "videos"
    for n in range(2):
        short_clip(sample("crossing.avi"), folder / f"{n}.mp4", 3, start=20 * n)
    (folder / "bad.mp4").write_text("no video")
    done = run(
        "extract",
        folder,
        "--pose",
        "rtmo-s",
        "--min-confidence",
        "0.001",
        "--json",
        SKELACT_MODELS=str(pulled),
    )
    assert done.returncode == 1, done.stderr
    import json

    content = json.loads(done.stdout)
    assert [v["estimator"] for v in content["videos"]] == ["rtmo-s"] * 2
    assert [v["frames"] for v in content["videos"]] == [3, 3]
    again = run(
        "extract",
        folder / "0.mp4",
        "--pose",
        "rtmo-s",
        "--min-confidence",
        "0.001",
        SKELACT_MODELS=str(pulled),
    )
    assert "nothing to do" in again.stderr


def test_custom_config_and_checkpoint(pulled: Path) -> None:
    from skelact.pose import mmpose

    options = PoseOptions(
        estimator="custom",
        config=str(mmpose.shipped_config("rtmo-s")),
        checkpoint=str(pulled / "rtmo-s.pth"),
    )
    assert resolve(options) == options
    assert mmpose.MMPose(options, "cpu").skeleton.name == "coco-17"
    assert fingerprint_of(options) != fingerprint_of(PoseOptions(estimator="rtmo-s"))


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        fingerprint_of(PoseOptions(estimator="rtmo-l"))
    assert caught.value.hint == "skelact models pull rtmo-l"
    assert resolve(PoseOptions()).estimator == "blazepose"


def test_without_mmpose_one_line_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(BackendMissing) as caught:
        fingerprint_of(PoseOptions(estimator="rtmo-s"))
    assert "--no-deps mmpose" in caught.value.hint and "\n" not in caught.value.hint
    status = get_spec("rtmo-s").status()
    assert not status.ready and status.text == "mmpose is not installed"


# --- pulling ---


def test_names_carry_the_checksum() -> None:
    assert weights.TABLE["rtmo-s"].sha256 == "dac2bf74"
    assert all(len(w.sha256) == 8 and int(w.sha256, 16) for w in weights.TABLE.values())


def test_pull_checks_and_keeps(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file:// address in place of the net: a right checksum is kept, a wrong one is not."""
    source = tmp_path / "web"
    (source / "rtmo").mkdir(parents=True)
    content = (random_weights / "rtmdet-nano.pth").read_bytes()
    good = hashlib.sha256(content).hexdigest()[:8]
    for name, mark in (("rtmo-s", good), ("rtmo-m", "00000000")):
        (source / "rtmo" / f"{name}-{mark}_20231211.pth").write_bytes(content)
        entry = weights.Weights("", f"rtmo/{name}-{mark}_20231211.pth")
        monkeypatch.setitem(weights.TABLE, name, entry)
    monkeypatch.setattr(weights, "_SOURCE", source.as_uri())
    assert "SHA-256 checked" in next(iter(weights.pull("rtmo-s", None)))
    assert weights.local_path("rtmo-s").read_bytes() == content
    assert "already downloaded" in next(iter(weights.pull("rtmo-s", None)))
    with pytest.raises(EstimatorError, match="does not begin with 00000000"):
        list(weights.pull("rtmo-m", None))
    with pytest.raises(EstimatorError) as caught:
        list(weights.pull("rtmo-l", None))
    assert "--from FILE" in caught.value.hint
    assert {p.name for p in weights.local_path("rtmo-s").parent.glob("*.pth")} == {"rtmo-s.pth"}


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_only_tensors_and_harmless_metadata_are_read(
    random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(load_weights(random_weights / "rtmo-s.pth")) > 100
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"of type \w+\.system"):
        load_weights(tmp_path / "evil.pth")
    assert not Path("pwned").exists()
    assert main(["models", "pull", "rtmo-s", "--from", str(tmp_path / "evil.pth")]) == 2
    assert "system" in capsys.readouterr().err
    assert main(["models", "pull", "rtmo-s", "--from", str(random_weights / "rtmo-s.pth")]) == 0
    assert "not the official file" in capsys.readouterr().err
    torch.save({"state_dict": {}}, tmp_path / "hollow.pth")
    with pytest.raises(CheckpointError, match="no state dict"):
        load_weights(tmp_path / "hollow.pth")


def test_a_broken_cache_of_yapf_does_no_harm(tmp_path: Path) -> None:
    """The file another process is just writing; read, it ends the import with EOFError."""
    cache = tmp_path / "cache"
    env = os.environ | {"XDG_CACHE_HOME": str(cache)}

    def python(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=120)

    python("import yapf")
    pickles = list(cache.rglob("*.pickle"))
    assert pickles or sys.platform != "linux"
    for path in pickles:
        path.write_bytes(b"")
    python("from skelact.files import import_yapf; import_yapf(); import mmengine")
    python("from skelact.pose.mmpose import _prepare; _prepare()")
    assert all(path.read_bytes() == b"" for path in pickles)
