"""From poses to network input: what prediction does equals what testing does."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skelact.sequence.clean import clean
from skelact.sequence.input import (
    ClipArrays,
    clip_values,
    flip_input,
    interpolate_frames,
    minmax_scale,
    pad_persons,
    window_values,
)
from skelact.sequence.normalise import flatten_person_frames
from skelact.sequence.sampling import METHODS, SamplingOptions
from skelact.sequence.stack import take_frames
from skelact.skeletons import SKELETONS
from tests.helpers import ALL_STREAMS, MODES, input_spec, poses

NTU, COCO = SKELETONS["ntu-25"], SKELETONS["coco-17"]


# --- windows of a track ---


@pytest.mark.parametrize(("mode", "dims"), MODES)
@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("persons", [1, 2])
def test_windows_of_a_cleaned_track_equal_cleaned_windows(
    mode: str, dims: int, flatten: bool, persons: int
) -> None:
    """Gaps inside the windows, and gaps that reach beyond a window."""
    sequence = poses()
    gaps = ((6, 3), (11, 4), (12, 4), (23, 9), (4, 5), (5, 5), (19, 6), (20, 6), (39, 7))
    for frame, joint in gaps:
        sequence.xy[:, frame, joint], sequence.xyz[:, frame, joint] = np.nan, np.nan  # type: ignore[index]
        sequence.score[:, frame, joint] = 0
    np.maximum(sequence.score, 0.3, out=sequence.score, where=sequence.score > 0)
    spec = input_spec(persons, mode=mode, dims=dims, flatten_persons=flatten)
    spans = [(0, 20), (5, 25), (10, 30), (20, 40)]
    for (start, end), values in zip(spans, window_values(sequence, spans, spec), strict=True):
        window = clean(take_frames(sequence, start, end), spec.sequence)
        np.testing.assert_array_equal(values, clip_values(window, NTU, spec.normalise))


def test_a_gap_that_reaches_beyond_a_window_stays_open() -> None:
    """As in training, where clips are cleaned one by one."""
    sequence = poses(1)
    sequence.xy[0, 9:11, 5], sequence.score[0, 9:11, 5] = np.nan, 0
    spec = input_spec(mode="image")
    first, second, whole = window_values(sequence, [(0, 10), (10, 20), (0, 20)], spec)
    assert np.isnan(first[0, 9, 5, :2]).all() and np.isnan(second[0, 0, 5, :2]).all()
    assert not np.isnan(whole[0, 9:11, 5]).any()


def test_persons_are_chosen_window_by_window() -> None:
    sequence = poses(3)
    sequence.xy[2, 20:], sequence.xyz[2, 20:], sequence.score[2, 20:] = np.nan, np.nan, 0  # type: ignore[index]
    sequence.score[sequence.score > 0] = 0.9
    spec = input_spec(2, mode="image")
    first, second = window_values(sequence, [(0, 14), (24, 40)], spec)
    expected = clip_values(sequence, NTU, spec.normalise)
    np.testing.assert_allclose(first[0, 0], expected[2, 0])  # the largest
    np.testing.assert_allclose(second[0, 0], expected[1, 24])
    np.testing.assert_allclose(second[1, 0], expected[0, 24])
    everyone = window_values(sequence, [(24, 40)], input_spec(3, mode="image"))[0]
    assert len(everyone) == 2  # the third is not visible in that window


# --- batches ---


@pytest.mark.parametrize("minmax", [False, True])
def test_arrays_and_tensors_give_the_same_input(minmax: bool) -> None:
    spec = input_spec(2, minmax=minmax)
    clips = [clip_values(poses(2, n, 0.1, n), NTU, spec.normalise) for n in (9, 20, 40)]
    numpy = ClipArrays.of(clips, spec)
    tensors = ClipArrays(
        values=torch.from_numpy(numpy.values),
        offsets=numpy.offsets,
        lengths=numpy.lengths,
        skeleton=NTU,
        dims=2,
        minmax=minmax,
    )
    rows = np.array([2, 0, 1])
    for method, streams in product(METHODS, ALL_STREAMS):
        options = SamplingOptions(
            length=16, method=method, streams=streams, test_clips=2, test_flip=True
        )
        x, draws = numpy.test_input(rows, options)
        y, _ = tensors.test_input(rows, options)
        assert isinstance(x, np.ndarray) and x.dtype == np.float32 and np.isfinite(x).all()
        assert x.shape == (3 * draws, 2, 16, 25, 3 * len(streams.split("+")))
        np.testing.assert_allclose(x, y.numpy(), atol=1e-5)


def test_persons_are_padded_and_cut() -> None:
    values = np.ones((2, 4, 25, 3), np.float32)
    assert np.isnan(pad_persons(values, 3)[2]).all() and (pad_persons(values, 3)[:2] == 1).all()
    assert pad_persons(values, 1).shape == (1, 4, 25, 3)


def test_flattened_clips_keep_their_own_lengths() -> None:
    spec = input_spec(2, flatten_persons=True)
    clips = [clip_values(poses(2, n), NTU, spec.normalise) for n in (20, 30)]
    arrays = ClipArrays.of(clips, spec)
    assert arrays.values.shape[1] == 1
    assert arrays.lengths.tolist() == [20 + 11, 30 + 21]  # one is absent in nine frames
    empty = np.full((2, 5, 25, 3), np.nan, np.float32)
    assert flatten_person_frames(empty).shape == (1, 1, 25, 3)


floats = st.floats(-100, 100, width=32)


@given(
    x=arrays.arrays(np.float32, (2, 1, 3, 17, 6), elements=floats),
)
def test_flipping_twice_changes_nothing(x: np.ndarray) -> None:
    index = COCO.flip_index
    once = flip_input(x, index, 2)
    np.testing.assert_array_equal(flip_input(once, index, 2), x)
    np.testing.assert_array_equal(once[..., 1:3], x[..., index, 1:3])
    tensor = flip_input(torch.from_numpy(x), torch.from_numpy(index), 2)
    np.testing.assert_array_equal(tensor.numpy(), once)


@given(frames=st.integers(1, 30), seed=st.integers(0, 99))
def test_interpolated_values_lie_between_the_frames(frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, 1, frames, 2, 2)).astype(np.float32)
    positions = np.sort(rng.uniform(0, frames - 1, (1, 8)))
    x = interpolate_frames(lambda i: values[:, :, i[0]], positions, np.array([[frames - 1]]))
    low, high = np.floor(positions[0]).astype(int), np.ceil(positions[0]).astype(int)
    before, after = values[:, :, low], values[:, :, high]
    assert (x >= np.minimum(before, after) - 1e-5).all()
    assert (x <= np.maximum(before, after) + 1e-5).all()


@given(arrays.arrays(np.float32, (2, 1, 4, 3, 3), elements=floats))
def test_scaled_coordinates_lie_in_the_unit_range(x: np.ndarray) -> None:
    empty = np.zeros((2, 1, 4, 1, 1), bool)
    scaled, _ = minmax_scale(x, None, empty, 2)
    assert np.abs(scaled[..., :2]).max() <= 1 + 1e-5
    np.testing.assert_array_equal(scaled[..., 2], x[..., 2])
