"""The networks of a predictor: one, or the members of an ensemble."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skelact import config
from skelact.errors import CheckpointError, ConfigError, InputError, reading
from skelact.metrics import Probabilities
from skelact.pose.base import PoseOptions
from skelact.recipe import recipe_of
from skelact.schemas import Checkpoint, ClassStatistics, Ensemble, Member
from skelact.sequence.input import InputSpec
from skelact.skeletons import Skeleton, missing_joints
from skelact.types import Floats, PoseSequence


@dataclass(frozen=True, kw_only=True)
class MemberModel:
    """One network in evaluation mode (a module of torch, or a part of a graph file), the input it
    expects, its window length [s] (0: complete videos), its weight, and statistics of its training
    clips; the weights of all members sum to 1."""

    net: Any
    spec: InputSpec
    clip_s: float
    weight: float
    statistics: ClassStatistics | None = None


def by_window_length(members: Sequence[MemberModel]) -> dict[float, list[MemberModel]]:
    """Window length in seconds -> members, the longest one last (0, the length of the video)."""
    lengths = sorted({m.clip_s for m in members}, key=lambda s: s or math.inf)
    return {s: [m for m in members if m.clip_s == s] for s in lengths}


def members_of(model: Checkpoint | Ensemble) -> tuple[Member, ...]:
    """The members of an ensemble, or a checkpoint as the only member."""
    if isinstance(model, Ensemble):
        return model.members
    return (Member(weight=1.0, checkpoint=model),)


@dataclass(frozen=True, kw_only=True)
class WindowOutputs:
    """The probabilities (W, K) and scores (W, S) of W windows."""

    probabilities: Probabilities
    scores: Floats

    @classmethod
    def joined(cls, parts: Sequence[WindowOutputs]) -> WindowOutputs:
        """The windows of several parts, one after the other."""
        return cls(
            probabilities=np.concatenate([p.probabilities for p in parts]),
            scores=np.concatenate([p.scores for p in parts]),
        )


def input_spec(checkpoint: Checkpoint) -> InputSpec:
    """The input that the network of a checkpoint expects."""
    recipe = recipe_of(checkpoint)
    return InputSpec(
        skeleton=checkpoint.skeleton,
        persons=checkpoint.persons,
        sequence=recipe.sequence,
        normalise=recipe.normalise.resolved(),
        sampling=recipe.sampling,
    )


def check_members(checkpoints: Sequence[Checkpoint], names: Sequence[str]) -> None:
    """Raises InputError if networks cannot be combined: they need the same classes, poses of the
    same estimator, and all of them predict either for one person or for several persons together.
    They may differ in skeleton, streams, window length and number of persons above 1."""
    first, *others = checkpoints
    per_person = is_per_person(input_spec(first))
    for name, other in zip(names[1:], others, strict=True):
        if other.classes != first.classes:
            raise InputError(f"{name} and {names[0]} have different classes")
        if is_per_person(input_spec(other)) != per_person:
            one, several = (names[0], name) if per_person else (name, names[0])
            raise InputError(
                f"{one} predicts for one person at a time, {several} for several persons together",
                "Combine runs with sequence.persons=1, or runs with more than one person.",
            )
        if _estimator(other) != _estimator(first):
            raise InputError(
                f"{name} and {names[0]} were trained on poses of different estimators or settings",
                "Combine runs that were trained on the same poses.",
            )


def is_per_person(spec: InputSpec) -> bool:
    """Whether the network sees one person at a time, not several together."""
    return spec.sequence.persons == 1


def _estimator(checkpoint: Checkpoint) -> tuple[str, str, dict[str, object]]:
    """Everything about the estimator that changes the poses of a person."""
    info = checkpoint.estimator
    with reading("The pose options of the checkpoint", CheckpointError, checkpoint.hint):
        pose = config.build(PoseOptions, info.pose, "pose")
    pose = replace(pose, max_persons=PoseOptions.max_persons)
    return info.name, info.weights, pose.key_part()


def check_joints(spec: InputSpec, source: Skeleton) -> None:
    """Raises ConfigError if poses in the layout `source` have no joint that the network uses, or if
    the network needs the rotation of Kinect skeletons and the layout is another."""
    kinect = spec.normalise.mode.startswith("kinect") and source != spec.skeleton
    if kinect or len(missing_joints(spec.skeleton, source)) == len(spec.skeleton.joints):
        raise ConfigError(
            f"The network expects the joints of {spec.skeleton.name}, but the poses have those of "
            f"{source.name}",
            "Import poses of that layout with --poses-from.",
        )


def check_file(spec: InputSpec, sequence: PoseSequence, path: Path) -> None:
    """Raises InputError if a network cannot use the joints or the coordinates of a skeleton
    file."""
    try:
        check_joints(spec, sequence.skeleton)
    except ConfigError as error:
        raise InputError(
            f"{path}: {error.message}",
            "Train on files of this layout, or correct layout in skeletons.toml.",
        ) from error
    if spec.normalise.dims == 3 and sequence.xyz is None:
        raise InputError(
            f"{path} has 2-D joints, but the model was trained on 3-D joints",
            "Use a model that was trained with normalise.dims=2.",
        )
    if spec.normalise.dims == 2 and np.isnan(sequence.xy).all():
        raise InputError(
            f"{path} has 3-D joints, but the model was trained on 2-D joints",
            "Use a model that was trained with normalise.dims=3.",
        )
