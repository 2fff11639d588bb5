"""Every shipped recipe trains for one step at full size, on synthetic clips of its shape."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from skelact import config
from skelact.datasets.packed import Sample
from skelact.models import SPECS
from skelact.recipe import Recipe, compose
from skelact.schemas import EstimatorInfo
from skelact.sequence.input import clip_values
from skelact.skeletons import load_skeleton
from skelact.training.plan import Plan
from skelact.training.trainer import make_trainer
from skelact.types import PoseSequence, no_progress
from tests.helpers import pack_samples


def synthetic_sequence(recipe: Recipe, rng: np.random.Generator, frames: int) -> PoseSequence:
    """A sequence of one or two persons that walk randomly, with some joints missing."""
    skeleton = load_skeleton(recipe.dataset.skeleton)
    people = 2 if recipe.sequence.persons == 2 else 1
    shape = (people, frames, len(skeleton.joints))
    body = rng.normal(size=(people, 1, shape[2], 3))
    xyz = (body + 0.1 * rng.normal(size=(*shape, 3)).cumsum(axis=1)).astype(np.float32)
    xy = (240 + 60 * xyz[..., :2]).astype(np.float32)
    score = rng.uniform(0.2, 1, shape).astype(np.float32)
    gone = rng.random(shape) < 0.05
    gone[:, 0] = False
    xyz[gone], xy[gone], score[gone] = np.nan, np.nan, 0
    return PoseSequence(
        xy=xy,
        score=score,
        skeleton=skeleton,
        fps=30.0,
        width=640,
        height=480,
        ids=tuple(range(people)),
        xyz=xyz,
    )


SMALL = [name for name, spec in SPECS.items() if spec.small]
LARGE = ("asgcn_ntu60", "asgcn_ntu60_thesis")  # ten seconds each; asgcn_mads_thesis is smaller
RECIPES = [
    pytest.param(None, name, marks=pytest.mark.slow if name in LARGE else ())
    for name in config.recipes()
]


@pytest.mark.parametrize(
    ("model", "name"),
    [*RECIPES, *((model, None) for model in SMALL)],
)
def test_one_step(model: str | None, name: str | None, tmp_path: Path) -> None:
    recipe = compose(None if name else "mads", model, name, {})
    rng = np.random.default_rng(0)
    samples = []
    for n in range(4):
        sequence = synthetic_sequence(recipe, rng, 40)
        values = clip_values(sequence, sequence.skeleton, recipe.normalise)
        samples.append(Sample(id=f"clip{n}", label="ab"[n % 2], item=n, values=values, fps=30.0))
    skeleton, persons = load_skeleton(recipe.dataset.skeleton), len(samples[0].values)
    dims = recipe.normalise.dims
    data = pack_samples(tmp_path, samples, ("a", "b"), skeleton, persons, dims)
    few = dict(epochs=1, repeat=1, batch_size=2, pretrain_epochs=1, device="cpu", warmup=0)
    options = dataclasses.replace(recipe.train, **few)
    sampling = dataclasses.replace(recipe.sampling, test_clips=1)
    plan = Plan(
        packed=data,
        subsets=("train", "train", "test", "test"),
        recipe=dataclasses.replace(recipe, sampling=sampling, train=options),
        estimator=EstimatorInfo(name="synthetic"),
        clip_s=0.0,
        split="",
        dataset="",
    )
    (tmp_path / "run").mkdir()
    trainer = make_trainer(plan, tmp_path / "run", no_progress)
    before = {k: v.clone() for k, v in trainer.net.named_parameters()}
    trainer.fit()
    assert trainer.finish().samples == 2
    moved = [k for k, v in trainer.net.named_parameters() if not v.equal(before[k])]
    assert len(moved) > len(before) / 2
