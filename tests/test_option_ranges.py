"""Every option that is a number has bounds, and absurd values are refused before any work."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest

from skelact import config
from skelact.analysis_options import ExplainOptions
from skelact.config import OptionInfo
from skelact.errors import ConfigError
from skelact.live.options import LiveOptions
from skelact.models import build
from skelact.options import AugmentOptions, ForeignOptions, PredictOptions, TrainOptions
from skelact.pose.base import PoseOptions
from skelact.pose.track import TrackOptions
from skelact.recipe import Recipe
from skelact.sequence.clean import SequenceOptions
from skelact.sequence.normalise import NormaliseOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.skeletons import SKELETONS
from skelact.video.cut import ClipOptions, CodingOptions

OPTIONS = (
    *(AugmentOptions, ForeignOptions, PredictOptions, TrainOptions, PoseOptions, TrackOptions),
    *(SequenceOptions, NormaliseOptions, SamplingOptions, ClipOptions, CodingOptions, LiveOptions),
    ExplainOptions,
)
HUGE = (10**7, 10**400, -(10**7))


def numbers(cls: type) -> list[tuple[str, OptionInfo, type]]:
    """The options whose values are numbers, or tuples of numbers."""
    hints = typing.get_type_hints(cls)
    out = []
    for field in dataclasses.fields(cls):
        kinds = {hints[field.name], *typing.get_args(hints[field.name])}
        kind = next((k for k in (int, float) if k in kinds), None)
        if kind is not None:
            out.append((field.name, field.metadata["option"], kind))
    return out


@pytest.mark.parametrize("cls", OPTIONS)
def test_every_number_has_bounds(cls: type) -> None:
    for name, info, kind in numbers(cls):
        upper = info.max if info.max is not None else info.below
        lower = info.min if info.min is not None else info.above
        assert info.choices or (upper is not None and lower is not None), name
        for value in (*HUGE, *((float("nan"), float("inf")) if kind is float else ())):
            if name in ("max_grad_norm", "ridge_alpha", "warmup", "seed") and value == 10**7:
                continue
            assert not info.accepts(value), (name, value)


@pytest.mark.parametrize(
    "section, key, value",
    [
        *(("sequence", "persons", 10**6), ("sampling", "test_clips", 10**7)),
        *(("train", "batch_size", 10**9), ("train", "lr", float("nan")), ("train", "seed", -1)),
        *(("clips", "length_s", 1e300), ("sampling", "length", 2**40)),
    ],
)
def test_absurd_values_are_refused(section: str, key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{key} must be"):
        Recipe.from_dict({section: {key: value}})


def test_a_batch_of_everything_is_refused() -> None:
    changes = {"sequence": {"persons": 1000}, "sampling": {"length": 10_000, "test_clips": 1000}}
    with pytest.raises(ConfigError, match="batch") as error:
        Recipe.from_dict(changes)
    assert "sampling.length" in error.value.hint


@pytest.mark.parametrize(
    "arguments",
    [
        *({"base_channels": 10**9}, {"base_channels": float("nan")}, {"base_channels": -1}),
        *({"inflate_stages": [1] * 10_000}, {"num_stages": 10**9}),
    ],
)
def test_networks_refuse_absurd_sizes(arguments: dict[str, typing.Any]) -> None:
    with pytest.raises(ConfigError, match="stgcn"):
        build("stgcn", 2, SKELETONS["coco-17"], **arguments)


def test_shipped_recipes_are_within_the_bounds() -> None:
    for file in sorted(Path(config.shipped("configs")).rglob("*.py")):
        content = config.load(file)
        if {"dataset", "train"} <= content.keys():
            Recipe.from_dict(content)
