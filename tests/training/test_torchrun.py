"""Training on several machines, which are groups of processes on this one; killed processes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from skelact.schemas import BEST, LAST, Checkpoint, TrainingState, load_log, load_tensors
from tests.training.launch import (
    FRAGILE,
    free_port,
    machines,
    start,
    training,
    write_clips,
)

LIMIT_S = 600  # of a test: the machines can be slow


def run_machines(commands: list[list[str]], root: Path) -> tuple[list[int], list[str]]:
    """Run the commands together. Returns their exit codes and what they printed."""
    logs = [root / f"{n}.log" for n in range(len(commands))]
    running = [start(c, log) for c, log in zip(commands, logs, strict=True)]
    try:
        codes = [process.wait(LIMIT_S) for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return codes, [log.read_text() for log in logs]


def same_weights(one: Path, other: Path, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Fail unless two runs have the same history and weights."""
    first, second = (load_tensors(run / LAST, TrainingState) for run in (one, other))
    assert len(first.history) == len(second.history)
    losses = [[row.train_loss for row in state.history] for state in (first, second)]
    assert losses[0] == pytest.approx(losses[1], rel=max(rtol, 1e-9))
    for k, v in first.checkpoint.weights.items():
        torch.testing.assert_close(v, second.checkpoint.weights[k], rtol=rtol, atol=atol, msg=k)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_clips(tmp_path / "data")
    return tmp_path


def fragile(root: Path) -> Path:
    """The program that loses a process."""
    (root / "fragile.py").write_text(FRAGILE)
    return root / "fragile.py"


def test_a_killed_process_ends_the_others_with_a_message(root: Path) -> None:
    program, port = fragile(root), free_port()
    env = {"DOOMED": "process", "WORLD_SIZE": "2"}
    env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, str(program), *training(root, "--epochs", "30")]
    logs = [root / f"{n}.log" for n in range(2)]
    running = [
        start(command, logs[n], {**env, "RANK": str(n), "LOCAL_RANK": str(n)}) for n in range(2)
    ]
    codes = [process.wait(LIMIT_S) for process in running]
    assert codes == [2, -signal.SIGKILL]
    text = logs[0].read_text()
    assert "error in process 1 of 2" in text and "another process of this training is lost" in text
    assert "--resume" in text and "bug in skelact" not in text
    assert len(load_log(root / "runs" / "r" / "log.jsonl")) == 2  # epochs of two steps


@pytest.mark.slow
def test_two_machines_give_the_weights_of_one_process(root: Path) -> None:
    """A batch of five clips in four processes; only the first process has the run folder."""
    alone = [sys.executable, "-m", "skelact", *training(root, "--epochs", "4", runs="alone")]
    assert run_machines([alone], root)[0] == [0]
    commands = [
        [*command, "-m", "skelact", *training(root, "--epochs", "4", runs=f"runs{n}")]
        for n, command in enumerate(machines())
    ]
    codes, texts = run_machines(commands, root)
    assert codes == [0, 0], texts
    folders = [root / f"runs{n}" / "r" for n in range(2) if (root / f"runs{n}").exists()]
    assert len(folders) == 1 and (folders[0] / "result.json").is_file()
    same_weights(root / "alone" / "r", folders[0], rtol=1e-3, atol=1e-4)
    assert load_tensors(folders[0] / BEST, Checkpoint).metrics is not None


@pytest.mark.slow
def test_torchrun_continues_after_a_killed_process(root: Path) -> None:
    """The same weights, bit by bit, as without the loss; with two machines of two processes."""
    program = fragile(root)
    for runs, doomed in (("whole", ""), ("broken", "process")):
        arguments = [str(program), *training(root, "--epochs", "5", runs=runs)]
        commands = [[*c, *arguments] for c in machines("--max-restarts", "3", doomed=doomed)]
        codes, texts = run_machines(commands, root)
        assert codes == [0, 0], texts
        assert ("has started the processes again" in "".join(texts)) == (runs == "broken")
    assert {p.name for p in (root / "broken").iterdir()} == {"r", "killed"}
    same_weights(root / "whole" / "r", root / "broken" / "r")


@pytest.mark.slow
def test_the_other_machine_continues_alone(root: Path) -> None:
    """A machine disappears, its torchrun included; two processes finish the training of four."""
    alone = [sys.executable, "-m", "skelact", *training(root, "--epochs", "5", runs="alone")]
    assert run_machines([alone], root)[0] == [0]
    arguments = [str(fragile(root)), *training(root, "--epochs", "5")]
    begin = machines("--max-restarts", "3", nodes="1:2", doomed="machine")
    codes, texts = run_machines([[*command, *arguments] for command in begin], root)
    assert codes == [0, -signal.SIGKILL], texts
    assert (root / "runs" / "killed").exists()
    same_weights(root / "alone" / "r", root / "runs" / "r", rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_other_clips_on_one_machine_are_refused(root: Path) -> None:
    other = root / "other"
    other.mkdir()
    write_clips(other / "data", takes=2)
    parts = zip(machines(), (root, other), strict=True)
    commands = [[*command, "-m", "skelact", *training(folder)] for command, folder in parts]
    codes, texts = run_machines(commands, root)
    assert codes == [1, 1]
    assert "have other clips or settings than the first one" in "".join(texts)
