"""`ModelSpec`: what a network's module declares about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from skelact.models.base import Backbone
from skelact.models.foreign import ForeignFormat

PYSKL_ZOO = "PYSKL model zoo: NTU60 xsub, 100 frames, 10 clips"
HALF_WIDTH = {
    "base_channels": 32,
    "num_stages": 6,
    "inflate_stages": [3, 5],
    "down_stages": [3, 5],
    "dropout": 0.2,
}
DataArgument = Literal["dims", "seed", "distances", "fps"]


@dataclass(frozen=True, kw_only=True)
class SmallVariant:
    """How a network is built and trained on a small dataset: a file of configs/training, and what
    overrides it, as sections of a recipe."""

    training: str = "small"
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network. Each module in `skelact.models` that defines one lists its specs in `SPECS`; no
    other file has to name them."""

    name: str
    backbone: type[Backbone]
    """Called with (skeleton, in_channels, persons, **kwargs)."""

    summary: str
    """One line on what is special about the network."""

    paper: str
    accuracy: str
    """Published accuracy in per cent."""
    source: str
    """Where the accuracy was published."""

    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the backbone, and `dropout` of the head, that differ from their defaults."""

    clip_shape: tuple[int, int, int] = (2, 100, 3)
    """(persons, frames, channels) of the clip for which multiply-adds are counted."""

    data_arguments: frozenset[DataArgument] = frozenset()
    """Arguments of the backbone that training fills in from its data: `dims`, the number of
    coordinates; `seed`; `distances`, see `graph.kth_partition`; `fps`, the frame rate [Hz]."""

    train: Mapping[str, Any] = field(default_factory=dict)
    """Defaults of the `train` section of a recipe."""

    small: SmallVariant | None = None
    """For small datasets such as mads; None if the network has no variant for them."""

    foreign: tuple[ForeignFormat, ...] = ()
    """How checkpoints of PYSKL, mmaction2 and the authors' own code are read."""

    reference: str = ""
    """The implementation whose numbers `tests/parity` holds; empty if none was available."""

    benchmark_batch: int = 8
    """Clips per batch in `benchmarks/networks.py`."""

    @property
    def recipe(self) -> dict[str, dict[str, Any]]:
        """The sections of a recipe that select this network."""
        sections = {"model": {"name": self.name}, "train": dict(self.train)}
        return {name: section for name, section in sections.items() if section}
