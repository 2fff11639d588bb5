"""How a form of a computation is timed, and how its result is printed."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from skelact.device import peak_memory_mb

_ROUNDS = 3
_WARM_UP = 5  # steps that do not count: a CUDA graph is recorded in the fourth


def rate(
    step: Callable[[], object],
    samples: int,
    device: torch.device,
    seconds: float,
    warm_up: int = _WARM_UP,
) -> float:
    """Samples per second of `step`, which computes `samples` of them: the median of three rounds of
    `seconds` / 3 each (on a CPU one), after `warm_up` steps (on a CPU one)."""

    def elapsed(steps: int) -> float:
        _wait(device)
        started = time.monotonic()
        for _ in range(steps):
            step()
        _wait(device)
        return time.monotonic() - started

    if device.type != "cuda":
        elapsed(1)
        return samples / elapsed(1)
    elapsed(warm_up)
    steps = max(1, round(seconds / _ROUNDS / (elapsed(2) / 2)))
    return samples * steps / statistics.median(elapsed(steps) for _ in range(_ROUNDS))


def cell(
    about: dict[str, Any],
    make_step: Callable[[], Callable[[], object]],
    samples: int,
    device: torch.device,
    seconds: float,
    warm_up: int = _WARM_UP,
) -> None:
    """Time one form and print its result, or its error, as a line of JSON."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        value = rate(make_step(), samples, device, seconds, warm_up)
        result = {"samples_per_s": float(f"{value:.4g}"), "memory_mb": peak_memory_mb(device)}
    except Exception as error:  # the other forms are still of interest
        result = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"}
    print(json.dumps(about | {"batch": samples} | result), flush=True)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
