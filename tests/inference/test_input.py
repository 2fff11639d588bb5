"""Prediction gives a network the same input as testing does, for the same clip."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skelact.datasets.packed import Sample
from skelact.inference.ensemble import MemberModel
from skelact.inference.window_outputs import window_outputs
from skelact.inference.windows import PersonTrack
from skelact.sequence.clean import clean
from skelact.sequence.input import InputSpec, clip_values
from skelact.sequence.sampling import METHODS, SamplingOptions
from skelact.training.batches import DeviceClips
from tests.helpers import ALL_STREAMS, MODES, input_spec, pack_samples, poses


class Recorder(nn.Module):
    """Keeps the input that it gets."""

    x: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return x.new_zeros(len(x), 2)


def tested(spec: InputSpec, root: Path) -> DeviceClips:
    """The clip as a packed dataset, by way of a clean sequence, as `skelact train` makes it."""
    values = clip_values(clean(poses(missing=0.1), spec.sequence), spec.skeleton, spec.normalise)
    sample = Sample(id="clip", label="a", item=0, values=values, fps=10.0)
    data = pack_samples(
        root / str(spec.normalise.minmax),
        [sample],
        ("a", "b"),
        spec.skeleton,
        spec.persons,
        spec.normalise.dims,
        spec.normalise.minmax,
    )
    return DeviceClips(data, torch.device("cpu"))


def predicted(spec: InputSpec) -> Tensor:
    """What a network gets of the clip as the only window of a track."""
    net = Recorder()
    member = MemberModel(net=net, spec=spec, clip_s=0.0, weight=1.0)
    sequence = poses(missing=0.1)
    track = PersonTrack(person_id=0, start=0, sequence=sequence)
    window = [(0, sequence.frames)]
    (found,) = window_outputs([member], [track], [window], 8, torch.device("cpu"))
    np.testing.assert_allclose(found.probabilities, [[0.5, 0.5]])
    return net.x


@pytest.mark.parametrize(("mode", "dims"), MODES)
@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("persons", [1, 2])
def test_prediction_and_testing_agree(
    mode: str, dims: int, flatten: bool, persons: int, tmp_path: Path
) -> None:
    spec = input_spec(persons, mode=mode, dims=dims, flatten_persons=flatten)
    scaled = replace(spec, normalise=replace(spec.normalise, minmax=True))
    clips = {s: tested(s, tmp_path) for s in (spec, scaled)}
    for n, (method, streams) in enumerate(product(METHODS, ALL_STREAMS)):
        sampling = SamplingOptions(
            length=8,
            method=method,
            streams=streams,
            test_clips=1 + 2 * (n % 2),
            test_flip=n // 2 % 2 == 1,
        )
        case = scaled if n // 4 % 2 else spec
        expected, _ = clips[case].arrays.test_input(np.array([0]), sampling)
        x = predicted(replace(case, sampling=sampling))
        assert expected.any() and torch.equal(x, expected), (method, streams)


def test_specs_with_equal_preprocessing_are_equal() -> None:
    assert input_spec(2) == input_spec(2) and hash(input_spec(2)) == hash(input_spec(2))
    assert input_spec(2) != input_spec(1)
    bone = replace(input_spec(1), sampling=SamplingOptions(streams="bone"))
    assert bone != input_spec(1) and bone.before_sampling == input_spec(1).before_sampling
