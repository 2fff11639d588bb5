"""The two networks of `everyday`: packed clips, training, offsets of the logits, and the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs

from benchmarks.everyday.clips import SKELETON, EverydayClip
from benchmarks.everyday.labels import CLASSES
from skelact import config
from skelact.datasets.packed import Packed
from skelact.models.checkpoint import load_checkpoint
from skelact.recipe import Recipe
from skelact.runs.export_model import export_model
from skelact.schemas import (
    BEST,
    PREDICTIONS,
    Calibration,
    Checkpoint,
    Ensemble,
    EstimatorInfo,
    Member,
    Predictions,
    load_json,
    save_tensors,
)
from skelact.sequence.input import clip_values
from skelact.training.plan import Plan
from skelact.training.trainer import make_trainer

# added to the logits, and the threshold; both chosen on the dev part of benchmarks/footage.py
OFFSETS = {
    "clap": -2.5,
    "pour": -1.2,
    "push": -0.8,
    "shoot_gun": -0.8,
    "brush_hair": -0.8,
    "wave": -0.5,
    "shoot_bow": -0.5,
    "kick_ball": -0.3,
    "walk": 0.6,
    "run": 0.6,
}
THRESHOLD = 0.5
_CAMERA = {"pan": 1.5, "zoom": 0.2, "shake": 0.05, "follow": 0.5}
# normalisation, simulated cameras
NETWORKS: tuple[tuple[str, dict[str, float]], ...] = (("body", _CAMERA), ("body-frame", {}))
_CLIP_S = 1.606  # the 0.9 quantile of the lengths of the clips of JHMDB
_JHMDB_COPIES = 2


@dataclass(frozen=True, kw_only=True)
class Division:
    """Clips to train and to test on."""

    train: tuple[EverydayClip, ...]
    test: tuple[EverydayClip, ...]


def recipe_of(mode: str, augment: dict[str, float], kernels: int, seed: int) -> Recipe:
    """The recipe of one network; the poses are those of JHMDB."""
    return Recipe.from_dict(
        config.merge(
            config.load("datasets/jhmdb"),
            {
                "dataset": {"name": "labels", "protocol": "", "mirrored_poses": True},
                "normalise": {"mode": mode, "score": False},
                "model": {
                    "name": "rocket",
                    "features": ["distances", "slow", "position"],
                    "kernels": kernels,
                    "separable": True,
                },
                "sampling": {"length": 32, "method": "linspace", "test_flip": True},
                "augment": {
                    "flip": 0.5,
                    "rotate_rad": 0.1,
                    "scale": 0.1,
                    "noise": 0.005,
                    "time_warp": 1.4,
                    "hide_legs": 0.3,
                    "lose_person": 0.05,
                    **augment,
                },
                "train": {
                    "epochs": 1,
                    "repeat": 1,
                    "batch_size": 32,
                    "patience": 0,
                    "val_fraction": 0.0,
                    "seed": seed,
                },
            },
        )
    )


def packed_of(clips: Sequence[EverydayClip], recipe: Recipe) -> Packed:
    """Clips in memory."""
    values = [clip_values(c.sequence, SKELETON, recipe.normalise.resolved()) for c in clips]
    return Packed(
        keypoints=np.concatenate([v[:1].swapaxes(0, 1) for v in values]),
        offsets=np.cumsum([0, *(v.shape[1] for v in values)]),
        labels=np.array([CLASSES.index(c.label) for c in clips]),
        items=np.arange(len(clips)),
        fps=np.array([c.sequence.fps for c in clips]),
        is_mirrored=np.array([c.is_mirrored for c in clips]),
        ids=tuple(map(str, range(len(clips)))),
        dataset="joined",
        classes=CLASSES,
        skeleton=SKELETON,
        dims=2,
    )


def train(
    division: Division, estimator: EstimatorInfo, kernels: int, folder: Path
) -> tuple[list[Checkpoint], np.ndarray]:
    """The two networks, and the probabilities (N, K) of the test clips, averaged over both."""
    copies = [
        c for c in division.train for _ in range(_JHMDB_COPIES if c.dataset == "jhmdb" else 1)
    ]
    clips = [*copies, *division.test]
    checkpoints, probabilities = [], []
    for seed, (mode, augment) in enumerate(NETWORKS):
        recipe = recipe_of(mode, augment, kernels, seed)
        plan = Plan(
            packed=packed_of(clips, recipe),
            subsets=("train",) * len(copies) + ("test",) * len(division.test),
            recipe=recipe,
            estimator=estimator,
            clip_s=_CLIP_S,
            split="",
            dataset="joined",
            no_test=not division.test,
        )
        run = folder / mode
        run.mkdir()
        trainer = make_trainer(plan, run, lambda event: None)
        trainer.fit()
        # skelact has no option for offsets of the logits, so that the bias of the layer is changed
        trained = load_checkpoint(run / BEST)
        offsets = trained.weights["cls_head.fc.bias"].new_tensor(
            [OFFSETS.get(c, 0) for c in CLASSES]
        )
        weights = dict(trained.weights)
        weights["cls_head.fc.bias"] = weights["cls_head.fc.bias"] + offsets
        changed = structs.replace(trained, weights=weights)
        save_tensors(run / BEST, changed)
        checkpoints.append(changed)
        if division.test:
            trainer.finish()
            samples = load_json(run / PREDICTIONS, Predictions).samples
            rows = [samples[str(n)].probabilities for n in range(len(copies), len(clips))]
            probabilities.append(np.array(rows))
    return checkpoints, np.mean(probabilities, axis=0) if probabilities else np.zeros((0, 0))


def write(checkpoints: Sequence[Checkpoint], folder: Path, out: Path) -> None:
    """Write the file that can be shipped: half precision, poses as in ordinary footage."""
    members = []
    for checkpoint in checkpoints:
        info = checkpoint.estimator
        info = structs.replace(info, pose={**info.pose, "backfill_s": 0.0})
        members.append(Member(weight=1.0, checkpoint=structs.replace(checkpoint, estimator=info)))
    calibration = Calibration(unknown_threshold=THRESHOLD, known="dev")
    run = folder / "both"
    run.mkdir()
    save_tensors(run / BEST, Ensemble(members=tuple(members), calibration=calibration))
    export_model(run, out, "torch", min_confidence=0.5, overwrite=True)
