"""Training steps as CUDA graphs: the fallback, and on a GPU the same numbers as without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from skelact.options import AugmentOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.training.batches import DeviceClips
from skelact.training.graphs import GraphedStep
from skelact.training.trainer import Trainer
from tests.helpers import plan, waves

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def test_a_step_that_cannot_be_recorded_runs_without_a_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stream:
        def wait_stream(self, other: Stream) -> None:
            pass

    @contextmanager
    def current(stream: Stream) -> Iterator[None]:
        yield

    @contextmanager
    def record(graph: object) -> Iterator[None]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")
        yield

    replaced = {
        "Stream": Stream,
        "current_stream": Stream,
        "stream": current,
        "CUDAGraph": object,
        "graph": record,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(torch.cuda, name, value)
    notices: list[str] = []
    step = GraphedStep(lambda x, labels: x.sum() + labels.sum(), notices.append)
    sums = [float(step(torch.full((2,), float(n)), torch.ones(3))) for n in range(8)]
    assert sums == [2 * n + 3 for n in range(8)]
    assert len(notices) == 1 and "operation not permitted" in notices[0]
    assert "more" not in notices[0]


@needs_gpu
def test_the_weights_are_those_of_training_without_graphs(tmp_path: Path) -> None:
    weights: list[dict[str, Tensor]] = []
    for graphs in (False, True):
        folder = tmp_path / str(graphs)
        folder.mkdir()
        options = {"device": "cuda", "cuda_graphs": graphs, "ema_decay": 0.9, "amp": False}
        trainer = Trainer(plan(tmp_path, **options), folder, lambda event: None)
        trainer.fit()
        if graphs:
            assert isinstance(trainer.gradients, GraphedStep) and trainer.gradients.graph
        weights.append(trainer.net.state_dict())
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=1e-3, atol=1e-4)


@needs_gpu
@pytest.mark.parametrize("streams", ["joint", "joint+bone-motion"])
@pytest.mark.parametrize("method", ["uniform", "linspace"])
def test_batches_are_those_of_the_cpu(streams: str, method: str, tmp_path: Path) -> None:
    data = waves(tmp_path)
    sampling = SamplingOptions(length=16, method=method, streams=streams)
    options = AugmentOptions(noise=0, drop_joint=0.1, random_move=True)
    cpu, cuda = (
        DeviceClips(data, torch.device(name)).training(
            np.arange(8), sampling, options, np.random.default_rng(0)
        )[0]
        for name in ("cpu", "cuda")
    )
    torch.testing.assert_close(cuda.cpu(), cpu, rtol=1e-5, atol=1e-5)


@needs_gpu
def test_no_step_waits_for_the_gpu(tmp_path: Path) -> None:
    trainer = Trainer(plan(tmp_path, device="cuda", repeat=8), tmp_path, lambda event: None)
    trainer.train_mode()
    batches = trainer.own_batches(np.random.default_rng(0))
    for step in range(5):
        trainer.step(step, *next(batches))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(5, 8):
            trainer.step(step, *next(batches))
    finally:
        torch.cuda.set_sync_debug_mode("default")
