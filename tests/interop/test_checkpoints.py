from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.cli import main
from skelact.errors import CheckpointError, InputError
from skelact.files import load_weights
from skelact.inference.zoo import find
from skelact.interop.architectures import identify_architecture
from skelact.interop.checkpoints import class_names
from skelact.models import build
from skelact.skeletons import SKELETONS
from tests.conftest import SHARED, need, run, sample, short_clip

NAMES = ("stgcn", "stgcnpp", "aagcn", "2s-agcn", "ctrgcn", "msg3d", "sgn")


def published(
    name: str, prefix: str = "", head: str = "cls_head.fc_cls.", **kwargs: object
) -> dict[str, torch.Tensor]:
    """A state dict as PYSKL or mmaction2 would save it."""
    net = build(name, 7, SKELETONS["coco-17"], persons=2, **kwargs)  # type: ignore[arg-type]
    return {prefix + k.replace("cls_head.fc.", head): v for k, v in net.state_dict().items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("prefix", "head"), [("", "cls_head.fc."), ("module.", "cls_head.fc_cls.")]
)
def test_every_published_network(name: str, prefix: str, head: str) -> None:
    state = published(name, prefix, head)
    found = identify_architecture(state)
    assert (found.name, found.classes, found.channels) == (name, 7, 3)
    assert found.skeleton.name == "coco-17"
    ours = build(name, 7, SKELETONS["coco-17"], persons=2)
    ours.load_state_dict(
        {k.removeprefix(prefix).replace(head, "cls_head.fc."): v for k, v in state.items()}
    )
    x = torch.randn(2, 2, 20, 17, 3)
    with torch.no_grad():
        torch.testing.assert_close(found.net(x), ours.eval()(x))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"adaptive": "offset"},
        {"adaptive": "init", "with_res": True},
        {"conv_pos": "post"},
        {"data_bn_type": "MVC"},
        {"data_bn_type": "none"},
        {"num_stages": 6, "inflate_stages": (6,), "down_stages": (6,), "base_channels": 32},
        {"max_hop": 2},
    ],
)
def test_the_forms_of_stgcn(kwargs: dict[str, object]) -> None:
    found = identify_architecture(published("stgcn", **kwargs))
    assert found.kwargs | kwargs == found.kwargs and found.name == "stgcn"


def test_what_fits_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no name is the same"):
        identify_architecture({"conv1.weight": torch.zeros(3, 3)})
    state = published("stgcnpp")
    state.pop("backbone.gcn.3.tcn.bn.weight")
    state["backbone.extra"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match="look like stgcnpp") as error:
        identify_architecture(state)
    assert "missing: gcn.3.tcn.bn.weight" in str(error.value) and "extra" in str(error.value)
    renamed = {k.replace("gcn.", "layer.", 1): v for k, v in published("stgcn").items()}
    with pytest.raises(CheckpointError, match="most similar is"):
        identify_architecture(renamed)
    with pytest.raises(CheckpointError, match=r"17 joints, .* but ntu-25 has 25 joints"):
        identify_architecture(published("stgcn"), SKELETONS["ntu-25"])
    headless = {k: v for k, v in published("stgcn").items() if "cls_head" not in k}
    with pytest.raises(CheckpointError, match="no classification layer"):
        identify_architecture(headless)


def test_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("one\ntwo\n\n")
    assert class_names(tmp_path / "labels.txt", 2) == ("one", "two")
    assert class_names(None, 2) == ("class 0", "class 1")
    with pytest.raises(InputError, match="2 classes, the checkpoint has 3"):
        class_names(tmp_path / "labels.txt", 3)
    with pytest.raises(InputError, match="cannot be read"):
        class_names(tmp_path / "none.txt", 3)


def hands(folder: Path, frames: int) -> Path:
    """An open hand, in OpenPose's form, one file a frame."""
    folder.mkdir()
    spread = np.linspace(-0.6, 0.6, 5)
    joints = [(320.0, 400.0)]
    for angle in spread:
        joints += [(320 + r * np.sin(angle), 400 - r * np.cos(angle)) for r in (60, 100, 130, 150)]
    flat = [float(v) for x, y in joints for v in (x, y, 0.9)]
    for n in range(frames):
        people = {"people": [{"pose_keypoints_2d": flat}]}
        (folder / f"clip_{n:012d}_keypoints.json").write_text(json.dumps(people))
    return folder


def test_the_real_checkpoint_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = need(SHARED / "data" / "checkpoints" / "stgcnpp_hagrid_pyskl.pth")
    found = identify_architecture(load_weights(file))
    assert (found.name, found.classes, found.skeleton.name) == ("stgcnpp", 40, "hand-21")
    clip = short_clip(sample("Kata_A1_C0.avi"), tmp_path / "clip.avi", 30)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"gesture {n}\n" for n in range(40)))
    poses = hands(tmp_path / "hands", 30)
    arguments = ["predict", str(clip), "--model", str(file), "--labels", str(labels), "--json"]
    arguments += ["--cache-dir", str(tmp_path / "cache")]
    assert main([*arguments, "--poses-from", str(poses)]) == 0
    answer = json.loads(capsys.readouterr().out)["predictions"][0]
    assert answer["label"].startswith("gesture ") and 0 < answer["probability"] <= 1
    labels.write_text("one\n")
    assert main([*arguments, "--poses-from", str(poses)]) == 2
    assert "names 1 classes, the checkpoint has 40" in capsys.readouterr().err


def test_a_file_with_code_in_it_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch pwned",)

    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Evil()}, tmp_path / "evil.pth")
    assert zipfile.is_zipfile(tmp_path / "evil.pth")
    assert (
        main(["predict", str(sample("Kata_A1_C0.avi")), "--model", str(tmp_path / "evil.pth")]) == 2
    )
    assert "was not opened" in capsys.readouterr().err and not Path("pwned").exists()


def test_joints_that_the_poses_lack_are_named(clip: Path, tmp_path: Path) -> None:
    """A network of MADS's joints on BlazePose's: spine and head are empty, and said to be."""
    net = build("stgcn", 7, SKELETONS["mads-15"], persons=2)
    state = {k.replace("cls_head.fc.", "cls_head.fc_cls."): v for k, v in net.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "ntu.pth")
    options = ("--model", tmp_path / "ntu.pth", "--cache-dir", tmp_path / "cache")
    done = run("predict", clip, *options, "--skeleton", "mads-15")
    assert done.returncode == 0, done.stderr
    assert "blazepose-33 poses do not have neck, pelvis, head" in done.stderr


def test_the_content_of_a_file_tells_what_it_is(clip: Path, tmp_path: Path) -> None:
    """A file of skelact may be called .pth, and one of mmengine .pt; neither suffix is trusted."""
    ours = tmp_path / "ours.pth"
    ours.write_bytes(find("everyday").read_bytes())
    done = json.loads(run("predict", clip, "--model", ours, "--json").stdout)
    assert "walk" in done["predictions"][0]["segments"][0]["probabilities"]
    theirs = tmp_path / "theirs.pt"
    content = {
        "meta": {"epoch": 16, "mmaction2_version": "1.2.0"},
        "state_dict": published("stgcn"),
    }
    torch.save(content, theirs)
    done = run("predict", clip, "--model", theirs, "--json")
    assert "stgcn" in done.stderr
    assert len(json.loads(done.stdout)["predictions"][0]["segments"][0]["probabilities"]) == 7
