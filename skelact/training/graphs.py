"""A training step as a CUDA graph: its kernels are launched together, not one by one from Python,
which for small batches takes longer than the kernels themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]
_WARM_UP = 3  # steps that run before the recording, in which libraries choose their kernels


class GraphedStep:
    """Calls `step`, which computes gradients of a batch (x, labels), and after some calls replays
    a recording of it. All batches must have the same shape. The result and the gradients of a
    replay are written to the same memory every time. If the step cannot be recorded, `report` is
    called once, with the reason, and all batches are computed without a graph."""

    def __init__(self, step: Step, report: Callable[[str], None]) -> None:
        self.step, self.report = step, report
        self.calls = 0
        self.is_possible = True
        self.graph: torch.cuda.CUDAGraph | None = None
        self.x = self.labels = self.result = torch.empty(0)

    def __call__(self, x: Tensor, labels: Tensor) -> Tensor:
        self.calls += 1
        if self.graph is None and self.is_possible:
            if self.calls <= _WARM_UP:
                return self._warm_up(x, labels)
            self._record(x, labels)
        if self.graph is None:
            return self.step(x, labels)
        self.x.copy_(x)
        self.labels.copy_(labels)
        self.graph.replay()
        return self.result

    def _warm_up(self, x: Tensor, labels: Tensor) -> Tensor:
        """A step on a stream of its own, as PyTorch requires before a recording."""
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = self.step(x, labels)
        current.wait_stream(stream)
        return result

    def _record(self, x: Tensor, labels: Tensor) -> None:
        """Record one step, without computing anything."""
        self.x, self.labels = x.clone(), labels.clone()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.result = self.step(self.x, self.labels)
        except RuntimeError as error:
            self.is_possible = False
            reason = str(error).splitlines()[0]
            self.report(f"The training step cannot be replayed as a CUDA graph: {reason}")
        else:
            self.graph = graph
