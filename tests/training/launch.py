"""Processes of torchrun that train a small network, also as several machines."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np

from tests.conftest import ROOT

TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
SMALL = (
    *("--config", "stgcn_nw-ucla", "--device", "cpu", "--set", "train.batch_size=5"),
    *("--set", "model.base_channels=4", "--set", "model.num_stages=2"),
    *("--set", "model.inflate_stages=[2]", "--set", "model.down_stages=[2]"),
    *("--set", "model.dropout=0", "--set", "train.repeat=1", "--set", "sampling.length=12"),
)
# `skelact`, of which a process kills itself before its fifth step, once. DOOMED says which:
# "process" is the second one of this machine, "machine" the first one together with torchrun
FRAGILE = """
import os, signal, sys
from pathlib import Path
from skelact.cli import main
from skelact.training.trainer import Trainer

step, doomed = Trainer.step, os.environ.get("DOOMED")
local = {"process": "1", "machine": "0"}.get(doomed)

def fragile(self, number, x, labels):
    marker = self.folder.parent / "killed"
    if number == 4 and os.environ["LOCAL_RANK"] == local and not marker.exists():
        marker.touch()
        if doomed == "machine":
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, x, labels)

Trainer.step = fragile
sys.exit(main())
"""


def write_clips(folder: Path, takes: int = 3) -> Path:
    """Clips of two actions in the format of NW-UCLA."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for action, camera, take in product((1, 2), (1, 2, 3), range(takes)):
        points = rng.normal(size=(12, 20, 3)).round(3)
        text = json.dumps({"skeletons": points.tolist(), "label": action})
        (folder / f"a{action:02d}_s01_e{take:02d}_v{camera:02d}.json").write_text(text)
    return folder


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def training(root: Path, *more: str, runs: str = "runs") -> list[str]:
    """The arguments of `skelact` for a training in `root`."""
    return [
        *("train", "--dataset", "nw-ucla", "--data", str(root / "data"), "--name", "r", *SMALL),
        *("--runs", str(root / runs), "--cache-dir", str(root / "cache"), *more),
    ]


def start(
    command: list[str], log: Path, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that writes to `log`, in a process group of its own."""
    full = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(env or {})}
    with log.open("wb") as out:
        return subprocess.Popen(
            command, env=full, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


def machines(*options: str, nodes: str = "2", doomed: str = "") -> list[list[str]]:
    """The beginning of the command lines on two machines with two processes each. The first one
    has the store of torchrun; on the second one, `doomed` is what dies (see FRAGILE)."""
    port = free_port()
    common = (*TORCHRUN, "--nnodes", nodes, "--nproc-per-node", "2", "--rdzv-backend", "c10d")
    common += ("--rdzv-endpoint", f"127.0.0.1:{port}", "--monitor-interval", "0.1", *options)
    conf = "last_call_timeout=3,keep_alive_interval=1,is_host="
    return [
        ["env", f"DOOMED={fate}", *common, "--rdzv-conf", f"{conf}{is_host}"]
        for is_host, fate in ((1, ""), (0, doomed))
    ]
