"""Everything a run is made of, in one value: from the cut to the schedule."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skelact import config
from skelact.datasets.base import DatasetOptions
from skelact.errors import ConfigError
from skelact.options import AugmentOptions, TrainOptions
from skelact.pose.base import PoseOptions
from skelact.sequence.clean import SequenceOptions
from skelact.sequence.normalise import NormaliseOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.types import nearest
from skelact.video.cut import ClipOptions


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The sections of a config file."""

    dataset: DatasetOptions = field(default_factory=DatasetOptions)
    clips: ClipOptions = field(default_factory=ClipOptions)
    pose: PoseOptions = field(default_factory=PoseOptions)
    sequence: SequenceOptions = field(default_factory=SequenceOptions)
    normalise: NormaliseOptions = field(default_factory=NormaliseOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    model: dict[str, Any] = field(default_factory=lambda: {"name": "stgcn"})

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Recipe:
        """ConfigError for anything unknown or of the wrong type."""
        recipe = config.build(cls, content)
        if "name" not in recipe.model:
            raise ConfigError("the model section needs a name", "model = dict(name='stgcn')")
        return recipe

    def as_dict(self) -> dict[str, Any]:
        """Plain values (tuples as lists), from which from_dict makes the same recipe."""
        return {k: _plain(v) for k, v in dataclasses.asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def compose(
    dataset: str, model: str | None, file: str | Path | None, changes: dict[str, Any]
) -> Recipe:
    """The recipe of a config file or shipped name, else the dataset's own with the default network
    and schedule; a named network replaces that of the recipe, with the defaults that the network
    declares; `changes` come last. ConfigError if a name is unknown."""
    if file is not None:
        base = config.load(file)
    else:
        known = sorted(p.stem for p in (config.shipped("configs") / "datasets").glob("*.py"))
        if dataset not in known:
            raise ConfigError(
                f"no dataset is called {dataset!r}{nearest(dataset, known)}",
                f"one of {', '.join(known)}",
            )
        sections = (config.load(part) for part in (f"datasets/{dataset}", "training/modern"))
        base = config.merge(*sections, {"model": {"name": "stgcn"}})
    if model is not None:
        from skelact.models import spec  # loads torch

        base = config.merge({**base, "model": {}}, spec(model).recipe)
    return Recipe.from_dict(config.merge(base, changes))
