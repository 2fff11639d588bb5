"""The commands on a GPU, from training to explanations; skipped without one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.cli import main
from skelact.schemas import LOG, load_log
from skelact.schemas.runs import EpochLog
from skelact.training.trainer import Trainer
from tests.readers import motion

DEVICE = "cuda"
CACHE = ("--cache-dir", "cache")
_STAGES = ("base_channels=8", "num_stages=2", "inflate_stages=[2]", "down_stages=[2]")
NETWORKS: dict[str, tuple[str, ...]] = {
    "rocket": ("model.kernels=200",),
    "ctrgcn": ("train.repeat=1", *(f"model.{s}" for s in _STAGES)),
    "asgcn": (
        *("train.repeat=1", "train.pretrain_epochs=1", "train.ema_decay=0.9"),
        *("model.base_channels=8", "model.max_hop=2"),
    ),
}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def words(name: str) -> list[str]:
    """The arguments of the training of a network, in the run folder runs/<name>."""
    settings = ("sampling.length=24", "train.batch_size=8", *NETWORKS[name])
    options = [w for s in settings for w in ("--set", s)]
    epochs = [] if name == "rocket" else ["--epochs", "6"]
    start = ["train", "--dataset", "data", "--model", name, "--name", name, "--device", DEVICE]
    return [*start, *epochs, *options, *CACHE]


def train_with_an_interrupt(name: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train three epochs, and the others with --resume from the stored state."""
    log_epoch = Trainer._log_epoch

    def interrupted(trainer: Trainer, total: int) -> EpochLog:
        if len(trainer.history) == 3:
            raise KeyboardInterrupt
        return log_epoch(trainer, total)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_log_epoch", interrupted)
        assert main(words(name)) == 130
    before = load_log(run / LOG)
    assert len(before) == 3
    assert main([*words(name), "--resume"]) == 0
    after = load_log(run / LOG)
    assert len(after) == 6 and after[:3] == before


@pytest.mark.parametrize("name", NETWORKS)
def test_commands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    motion.arrays(tmp_path / "data", 9)
    shutil.rmtree(tmp_path / "data" / "wave")
    (tmp_path / "negatives").mkdir()
    for n in range(4):
        np.save(tmp_path / "negatives" / f"{n}.npy", motion.sequence("wave", n, 900))
    np.save("long.npy", motion.sequence("kick", 77, 90))
    np.save("wave.npy", motion.sequence("wave", 78, 40))
    run = f"runs/{name}"
    if name == "rocket":
        assert main(words(name)) == 0
    else:
        train_with_an_interrupt(name, Path(run), monkeypatch)
    assert "cannot be" not in capsys.readouterr().err  # recorded as a CUDA graph
    assert main(["test", run, *CACHE]) == 0
    predict = ["predict", "long.npy", "--model", run, "--device", DEVICE, *CACHE, "--overwrite"]
    assert main(predict) == 0
    apply = ["--apply"] if name == "rocket" else []  # the others are trained too little
    assert main(["calibrate", run, "negatives", *apply, *CACHE]) == 0
    assert main(predict) == 0
    assert main(["test", run, "--forecast", *CACHE]) == 0
    assert main(["explain", run, "long.npy", "--out", "explained", *CACHE]) == 0
    assert main(["enroll", run, "--label", "wave", "wave.npy", *CACHE]) == 0
    assert main(predict) == 0
    assert main(["export", run, "--out", "model.pt"]) == 0
