"""A limit for the size of a network whose arguments come from a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as hooks

from skelact.errors import CheckpointError

_SLACK = 1_000_000  # elements that a network may have besides those of its weights
_MAX_ARGUMENT = 1024  # of an argument, if no dimension of the weights is larger


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Building a network raises CheckpointError before it uses much more memory than `weights`,
    which it therefore cannot have. Damaged arguments could ask for terabytes."""
    limit = 2 * sum(w.numel() for w in weights.values()) + _SLACK
    total = 0

    def count(owner: nn.Module, name: str, value: Tensor | None) -> None:
        nonlocal total
        total += 0 if value is None else value.numel()
        if total > limit:
            raise CheckpointError("The network is larger than its weights", "The file is damaged.")

    handles = [
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_arguments(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError for an argument that is larger than any dimension of the weights can
    explain, because loops run that often."""
    most = max((n for w in weights.values() for n in w.shape), default=0)
    for name, value in arguments.items():
        for number in value if isinstance(value, list | tuple) else (value,):
            is_number = isinstance(number, int | float) and name != "seed"
            if is_number and abs(number) > max(most, _MAX_ARGUMENT):
                raise CheckpointError(f"{name}={number} does not fit the weights")
