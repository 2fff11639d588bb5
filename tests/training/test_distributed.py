"""Training in two processes on one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from skelact.schemas import load_log
from tests.conftest import ROOT
from tests.training.launch import TORCHRUN, training, write_clips

LAUNCHER = (*TORCHRUN, "--standalone", "--nproc-per-node", "2")
WORKER = """
import sys
from pathlib import Path
import torch
from tests.helpers import trainer
root = Path(sys.argv[1])
run = trainer(root, "run", epochs=2, repeat=2, batch_size=5, amp=False)
for m in run.net.modules():  # the processes draw different masks than one process does
    if isinstance(m, torch.nn.Dropout):
        m.p = 0.0
run.fit()
run.finish()
if run.rank == 0:
    torch.save(run.net.state_dict(), root / "state.pt")
"""


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    states, losses = [], []
    for name, launcher in (("one", (sys.executable,)), ("two", LAUNCHER)):
        root = tmp_path / name
        root.mkdir()
        command = [*launcher, str(tmp_path / "worker.py"), str(root)]
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        states.append(torch.load(root / "state.pt", weights_only=True))
        assert (root / "run" / "result.json").is_file()
        losses.append(load_log(root / "run" / "log.jsonl")[0].train_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for k, v in states[0].items():
        torch.testing.assert_close(v, states[1][k], rtol=1e-3, atol=1e-4, msg=k)


def test_only_one_process_reports(tmp_path: Path) -> None:
    write_clips(tmp_path / "data")
    done = subprocess.run(
        [*LAUNCHER, "-m", "skelact", *training(tmp_path, "--epochs", "1", "--json")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["split"] == "xview"  # one document
    assert done.stderr.count("Reading nw-ucla") == 1 and done.stderr.count("Training ") == 1
