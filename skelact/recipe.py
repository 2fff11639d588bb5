"""The recipe of a run: all options from the dataset to the training schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skelact import config, limits
from skelact.datasets.base import DatasetOptions
from skelact.datasets.registry import dataset_specs
from skelact.errors import CheckpointError, ConfigError, nearest, reading
from skelact.options import AugmentOptions, TrainOptions
from skelact.pose.base import PoseOptions
from skelact.schemas import Checkpoint, Sections, to_plain
from skelact.sequence.clean import SequenceOptions
from skelact.sequence.normalise import NormaliseOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.video.cut import ClipOptions

DEFAULT_DATASET = "mads"
# networks use their small variant by default
SMALL_DATASETS = ("mads", "folder", "labels")
AUTO_DATASETS = ("folder", "labels")  # own data, for which --model auto chooses the network


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
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Raises ConfigError for an unknown option or a value of the wrong type."""
        recipe = config.build(cls, content)
        if not isinstance(recipe.model.get("name"), str):
            raise ConfigError("The model section needs a name", "model = dict(name='stgcn')")
        recipe._check_batch()
        return recipe

    def _check_batch(self) -> None:
        """Raise ConfigError if a batch would not fit into any memory."""
        sampling = self.sampling
        persons = self.sequence.persons or 1
        frames = self.train.batch_size * sampling.test_clips * persons * sampling.length
        if frames > limits.BATCH_FRAMES:
            raise ConfigError(
                f"A batch of {self.train.batch_size} clips with {sampling.test_clips} draws of "
                f"{persons} persons in {sampling.length} frames is too large",
                "Reduce train.batch_size, sampling.test_clips, sequence.persons or sampling.length "
                f"to a product of at most {limits.BATCH_FRAMES:,}.",
            )

    def as_dict(self) -> Sections:
        """Plain values with lists for tuples; `from_dict` restores the recipe."""
        return dict(to_plain(self))

    @property
    def network(self) -> str:
        """The name of the network."""
        return str(self.model["name"])

    @property
    def network_arguments(self) -> dict[str, Any]:
        """Arguments for the network besides those that follow from the data."""
        return {k: v for k, v in self.model.items() if k != "name"}


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """The recipe that a network was trained with. Raises CheckpointError if it is damaged."""
    with reading("The recipe of the checkpoint", CheckpointError, checkpoint.hint):
        return Recipe.from_dict(checkpoint.recipe)


def compose(
    dataset: str | None,
    model: str | None,
    file: str | Path | None,
    changes: Mapping[str, Any],
    data: Path | None = None,
) -> Recipe:
    """The recipe of a run: a config file (by path or shipped name), or the recipe of a dataset,
    the options that follow from its files at `data`, then the network if one is named, then
    `changes`. With a file and a dataset, the file's settings for its own dataset are replaced by
    those of the other (see `config.load`). Without either, the dataset is mads.

    Without a file, a network is trained with training/modern, or with its variant for small
    datasets if the dataset is small. Raises ConfigError if a name or an option is unknown."""
    parts: list[Mapping[str, Any]] = []
    known = config.datasets()
    if dataset is None and file is None:
        dataset = DEFAULT_DATASET
    if dataset is not None and dataset not in known:
        raise ConfigError(
            f"No dataset is called {dataset!r}{nearest(dataset, known)}",
            f"Use one of {', '.join(known)}.",
        )
    if file is not None:
        parts.append(config.load(file, dataset))
    else:
        parts.append(config.load(f"datasets/{dataset}"))
        defaults = dataset_specs()[dataset].defaults if dataset in dataset_specs() else None
        if data is not None and defaults is not None:
            parts[0] = config.merge(parts[0], defaults(data))
    if model is not None:
        from skelact.models import spec  # imports torch

        network = spec(model)
        small = network.small if file is None and dataset in SMALL_DATASETS else None
        if file is None:
            parts.append(config.load(f"training/{small.training if small else 'modern'}"))
        parts[0] = {k: v for k, v in parts[0].items() if k != "model"}
        parts += [network.recipe, small.sections if small else {}]
    elif file is None:
        parts += [config.load("training/modern"), {"model": {"name": "stgcn"}}]
    return Recipe.from_dict(config.merge(*parts, changes))
