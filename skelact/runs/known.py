"""Clips of a run that its networks were not trained on, as known samples for calibration, with
everything that scores need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from msgspec import structs

from skelact.cache import Cache
from skelact.datasets.base import Item
from skelact.datasets.packed import Packed
from skelact.errors import InputError, SkelactError, counted
from skelact.inference.calibration import apply_temperature
from skelact.inference.class_statistics import basis_of, class_statistics
from skelact.inference.ensemble import MemberModel, WindowOutputs, members_of
from skelact.inference.networks import load_members, network_outputs
from skelact.inference.predictor import Predictor
from skelact.inference.score_names import PROBABILITY
from skelact.inference.scores import NetworkOutputs
from skelact.metrics import Labels, Probabilities
from skelact.models.base import ActionClassifier
from skelact.runs.fuse import common_predictions, weighted_mean
from skelact.runs.test import clips_of_run, run_predictions
from skelact.schemas import (
    PREDICTIONS,
    RESULT,
    VALIDATION,
    Checkpoint,
    ClassStatistics,
    Ensemble,
    RunResult,
    load_json,
)
from skelact.training.batches import DeviceClips
from skelact.training.results import SubsetPredictions
from skelact.types import UNKNOWN, Event, ProgressCallback, no_progress

MAX_PER_CLASS = 200  # training clips of a class for its statistics
_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class KnownSamples:
    """Clips with their labels (N,) and uncalibrated probabilities (N, K), from `file`: the
    validation clips, or the test clips of a run without these. `outputs` and `statistics` are those
    of each network with a weight, empty if the data of the run could not be used, for the reason
    `obstacle`; `packed` are the clips of the data then, and
    `items` the files that they come from."""

    file: str
    labels: Labels
    probabilities: Probabilities
    outputs: tuple[NetworkOutputs, ...] = ()
    statistics: tuple[ClassStatistics, ...] = ()
    weights: tuple[float, ...] = ()
    packed: Packed | None = None
    items: Sequence[Item] = ()
    obstacle: str = ""

    @property
    def notice(self) -> str:
        """What could not be used, or what the samples were used for before."""
        parts = []
        if self.file == PREDICTIONS:
            parts.append(
                "The run has no validation subset, so its test clips are the known samples: their "
                "accuracy is no longer that of clips that no choice was made on."
            )
        if self.obstacle:
            parts.append(f"Only the score {PROBABILITY} is available: {self.obstacle}.")
        return " ".join(parts)

    def scored(self, predictor: Predictor) -> WindowOutputs:
        """The calibrated probabilities and the scores of a predictor with this model."""
        probabilities = apply_temperature(self.probabilities, predictor.temperature)
        if predictor.scorer is None or not self.outputs:
            scores = np.zeros((len(probabilities), 1), np.float32)
        else:
            scores = predictor.scorer(self.outputs, self.statistics, self.weights)
        return WindowOutputs(probabilities=probabilities, scores=scores)


def known_samples(
    run: Path,
    model: Checkpoint | Ensemble,
    cache: Cache,
    data: Path | None,
    device: torch.device,
    on_progress: ProgressCallback = no_progress,
) -> KnownSamples:
    """The known samples of a run, by name. The clips themselves are read from where they were in
    training, or from `data`. Raises InputError if the run has no predictions, or an error of the
    dataset if `data` is given and cannot be used."""
    folders = _run_folders(run, model)
    file, samples = _predictions(run, folders, model, cache, on_progress)
    order = sorted(range(len(samples.names)), key=samples.names.__getitem__)
    named = [n for n in order if model.classes[samples.labels[n]] != UNKNOWN]
    if not named:
        raise InputError(f"{run / file} has no sample of an action", "Train on labelled clips.")
    samples = samples.take(named)
    known = KnownSamples(file=file, labels=samples.labels, probabilities=samples.probabilities)
    try:
        weights = [m.weight for m in members_of(model)]
        members = load_members(model, device)
        used = [folder for folder, weight in zip(folders, weights, strict=True) if weight > 0]
        checkpoints = [m.checkpoint for m in members_of(model) if m.weight > 0]
        parts = []
        for member, checkpoint, folder in zip(members, checkpoints, used, strict=True):
            parts.append(
                _member_samples(
                    member, checkpoint, folder, samples.names, cache, data, device, on_progress
                )
            )
    except SkelactError as error:
        if data is not None:
            raise
        return replace(known, obstacle=f"the clips of the run cannot be used: {error.message}")
    return replace(
        known,
        outputs=tuple(p.outputs for p in parts),
        statistics=tuple(p.statistics for p in parts),
        weights=tuple(m.weight for m in members),
        packed=parts[0].packed,
        items=parts[0].items,
    )


def with_statistics(
    model: Checkpoint | Ensemble, statistics: Sequence[ClassStatistics]
) -> Checkpoint | Ensemble:
    """The model with statistics for each network that has a weight; as it is without any."""
    if not statistics:
        return model
    if not isinstance(model, Ensemble):
        return structs.replace(model, statistics=statistics[0])
    rest = iter(statistics)
    members = [
        structs.replace(m, checkpoint=structs.replace(m.checkpoint, statistics=next(rest)))
        if m.weight > 0
        else m
        for m in model.members
    ]
    return structs.replace(model, members=tuple(members))


def _run_folders(run: Path, model: Checkpoint | Ensemble) -> list[Path]:
    """The run folder of each network: for a fusion those that it names."""
    if not isinstance(model, Ensemble):
        return [run]
    names = load_json(run / RESULT, RunResult).runs
    if len(names) != len(model.members):
        raise InputError(
            f"{run} does not name the runs of its {len(model.members)} networks",
            "Calibrate a folder that `skelact train` or `skelact fuse` wrote.",
        )
    return [Path(name) for name in names]


def _predictions(
    run: Path,
    folders: Sequence[Path],
    model: Checkpoint | Ensemble,
    cache: Cache,
    on_progress: ProgressCallback,
) -> tuple[str, SubsetPredictions]:
    """The name of a file with predictions, and these: for validation, where there are some."""
    if not isinstance(model, Ensemble):
        file = VALIDATION if (run / VALIDATION).is_file() else PREDICTIONS
        return file, run_predictions(run, file, model, cache, on_progress)
    if all((folder / VALIDATION).is_file() for folder in folders):
        checkpoints = [m.checkpoint for m in model.members]
        members = common_predictions(folders, VALIDATION, checkpoints, cache, on_progress)
        weights = [m.weight for m in model.members]
        mean = weighted_mean([m.probabilities for m in members], weights)
        return VALIDATION, replace(members[0], probabilities=mean)
    return PREDICTIONS, run_predictions(run, PREDICTIONS, model, cache, on_progress)


@dataclass(frozen=True, kw_only=True)
class _MemberSamples:
    outputs: NetworkOutputs
    statistics: ClassStatistics
    packed: Packed
    items: Sequence[Item]


def _member_samples(
    member: MemberModel,
    checkpoint: Checkpoint,
    run: Path,
    names: Sequence[str],
    cache: Cache,
    data: Path | None,
    device: torch.device,
    on_progress: ProgressCallback,
) -> _MemberSamples:
    """The outputs of a network for the clips `names`, and the statistics of its training clips.
    Raises InputError if clips are missing, or an error of the dataset."""
    dataset = clips_of_run(run, checkpoint, cache, data, on_progress)
    packed = dataset.packed
    rows = {name: n for n, name in enumerate(packed.ids)}
    missing = [name for name in names if name not in rows]
    if missing:
        raise InputError(
            f"{counted(len(missing), 'clip')} of {run} not in its dataset any more, such as "
            f"{missing[0]}",
            "Train again on the data as they are now.",
        )
    net = member.net
    assert isinstance(net, ActionClassifier)
    basis = basis_of(net)
    clips, held = DeviceClips(packed, device), set(names)
    train = [
        n
        for n, (subset, name) in enumerate(zip(dataset.subsets, packed.ids, strict=True))
        if subset == "train" and name not in held and packed.classes[packed.labels[n]] != UNKNOWN
    ]
    train = _most_of_each_class(train, packed.labels)
    if len(train) < 2:
        raise InputError(f"{run} has no training clips", "Train again on the data as they are now.")
    wanted = [rows[name] for name in names]
    on_progress(Event("score", "start", 0, len(train) + len(wanted)))

    def outputs(part: Sequence[int]) -> NetworkOutputs:
        found = []
        for start in range(0, len(part), _BATCH):
            batch = np.array(part[start : start + _BATCH])
            x, draws = clips.testing(batch, member.spec.sampling)
            own = network_outputs(net, x, draws)
            found.append(own if basis == "features" else own.without_features())
            on_progress(Event("score", "advance", len(batch)))
        return NetworkOutputs.joined(found)

    values = outputs(train).values(basis)
    statistics = class_statistics(values, packed.labels[train], basis=basis)
    own = outputs(wanted)
    on_progress(Event("score", "end"))
    return _MemberSamples(
        outputs=own, statistics=statistics, packed=packed, items=dataset.collection.items
    )


def _most_of_each_class(rows: Sequence[int], labels: Labels) -> list[int]:
    """Of each class at most MAX_PER_CLASS rows, evenly spaced."""
    kept: list[int] = []
    for label in np.unique(labels[list(rows)]):
        own = [n for n in rows if labels[n] == label]
        chosen = np.linspace(0, len(own) - 1, min(len(own), MAX_PER_CLASS)).round().astype(int)
        kept += [own[k] for k in chosen]
    return kept
