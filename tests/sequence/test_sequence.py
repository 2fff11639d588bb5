from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.sequence.clean import (
    SequenceOptions,
    choose_persons,
    clean,
    drop_low_scores,
    fill_gaps,
)
from skelact.sequence.normalise import NormaliseOptions, by_body, by_image, normalise
from skelact.sequence.sampling import (
    SamplingOptions,
    testing_indices,
    training_indices,
    uniform_test,
)
from skelact.sequence.stack import stack_frames, to_skeleton
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose
from tests.conftest import sequence_of, walking
from tests.parity.numbers import reference

COCO = SKELETONS["coco-17"]
NAN = np.nan


def with_id(pose: PersonPose, person_id: int) -> PersonPose:
    return replace(pose, person_id=person_id)


def test_merge_puts_people_in_rows_and_nan_where_they_are_not() -> None:
    a, b = walking(4), walking(4, offset=200, seed=1)
    frames = [[with_id(a[0], 3)], [], [with_id(b[2], 5), with_id(a[2], 3)], [with_id(b[3], 5)]]
    s = stack_frames(frames, COCO, 10.0, 640, 480)
    assert s.ids == (3, 5) and s.xy.shape == (2, 4, 17, 2)
    assert (s.xy[0, 2] == a[2].xy).all() and (s.xy[1, 2] == b[2].xy).all()
    assert np.isnan(s.xy[0, 1]).all() and (s.score[0, 1] == 0).all()
    assert stack_frames([[], []], COCO, 10.0, 640, 480).xy.shape == (0, 2, 17, 2)
    untracked = stack_frames([[a[0], b[0]], [a[1], b[1]]], COCO, 10.0, 640, 480)
    assert untracked.ids == (0, 1)


def test_persons_are_ranked_by_score_size_and_time() -> None:
    base = np.random.default_rng(0).uniform(0, 100, (1, 10, 17, 2))
    small, brief = base * 0.3, np.where(np.arange(10)[None, :, None, None] < 3, base, NAN)
    s = sequence_of(np.concatenate([small, brief, base]))
    assert choose_persons(s, 1).ids == (2,)
    assert choose_persons(s, 2).ids == (2, 0) or choose_persons(s, 2).ids == (2, 1)
    assert len(choose_persons(s, None).ids) == 3
    unsure = sequence_of(
        np.concatenate([base, base]),
        np.concatenate([np.full((1, 10, 17), 0.2), np.full((1, 10, 17), 0.9)]),
    )
    assert choose_persons(unsure, 1).ids == (1,)


def test_gaps_are_bridged_up_to_the_limit_and_no_further() -> None:
    x = np.tile(np.arange(20.0)[None, :, None, None], (1, 1, 17, 2))
    x[0, 4:7] = NAN  # 3 frames = 0.3 s at 10/s
    x[0, 10:16] = NAN  # 6 frames
    x[0, :2] = NAN  # before the first sighting
    filled = fill_gaps(sequence_of(x), 0.3)
    np.testing.assert_allclose(filled.xy[0, 4:7, 0, 0], [4, 5, 6])
    assert np.isnan(filled.xy[0, 10:16]).all() and np.isnan(filled.xy[0, :2]).all()
    assert (filled.score[0, 4:7] > 0).all() and (filled.score[0, 10:16] == 0).all()
    assert np.isnan(fill_gaps(sequence_of(x), 0.2).xy[0, 4:7]).all()
    assert np.isnan(fill_gaps(sequence_of(x), 0.0).xy[0, 4:7]).all()


def test_one_joint_may_be_missing_alone() -> None:
    x = np.tile(np.arange(5.0)[None, :, None, None], (1, 1, 17, 2))
    x[0, 2, 7] = NAN
    assert fill_gaps(sequence_of(x), 0.1).xy[0, 2, 7, 0] == 2


def test_unsure_joints_become_missing() -> None:
    s = sequence_of(np.ones((1, 2, 17, 2)), np.tile(np.linspace(0, 1, 17), (1, 2, 1)))
    out = drop_low_scores(s, 0.5)
    assert np.isnan(out.xy[0, 0, :8]).all() and not np.isnan(out.xy[0, 0, 8:]).any()
    assert (out.score[0, 0, :8] == 0).all()


def test_clean_of_nobody() -> None:
    empty = stack_frames([[], []], COCO, 10.0, 640, 480)
    assert clean(empty, SequenceOptions()).persons == 0


@pytest.mark.parametrize(
    "bad", [{"persons": 0}, {"persons": -1}, {"min_score": 1.0}, {"max_gap_s": -1.0}]
)
def test_bad_options(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SequenceOptions(**bad)  # type: ignore[arg-type]


def test_body_normalisation_ignores_place_and_size() -> None:
    x = np.random.default_rng(0).uniform(0, 100, (2, 12, 17, 2)).astype(np.float32)
    a, b = by_body(x, COCO), by_body(x * 3 + np.float32(50), COCO)
    np.testing.assert_allclose(a, b, atol=1e-4)
    hips = a[0][:, [COCO.index("left_hip"), COCO.index("right_hip")]].mean(axis=(0, 1))
    np.testing.assert_allclose(hips, 0, atol=1e-4)
    # the persons keep their places towards each other
    np.testing.assert_allclose(
        (a[1] - a[0]) / (x[1] - x[0]), (a[1] - a[0])[0, 0, 0] / (x[1] - x[0])[0, 0, 0], rtol=1e-2
    )


def test_body_normalisation_with_holes() -> None:
    x = np.random.default_rng(0).uniform(0, 100, (1, 6, 17, 2)).astype(np.float32)
    x[0, 2:4] = NAN
    assert np.isnan(by_body(x, COCO)[0, 2:4]).all() and not np.isnan(by_body(x, COCO)[0, :2]).any()
    x[:, :, COCO.find("left_hip", "right_hip")] = NAN
    assert np.isfinite(by_body(x, COCO)[0, 0, 0]).all()
    nobody = np.full((1, 3, 17, 2), NAN, np.float32)
    assert np.isnan(by_body(nobody, COCO)).all()


def test_image_normalisation() -> None:
    corners = np.array([[[[0, 0], [640, 480], [320, 240]]]], np.float32)
    np.testing.assert_allclose(by_image(corners, 640, 480)[0, 0], [[-1, -1], [1, 1], [0, 0]])


def test_channels_of_normalised_poses() -> None:
    s = sequence_of(np.random.default_rng(0).uniform(0, 9, (1, 4, 17, 2)))
    assert normalise(s, NormaliseOptions()).shape == (1, 4, 17, 3)
    with pytest.raises(ConfigError, match="no 3-D"):
        normalise(s, NormaliseOptions(dims=3))


def test_a_hand_that_is_never_visible() -> None:
    """All joints are missing, in the image and in 3-D: not an error in one clip of many."""
    s = sequence_of(np.full((1, 4, 17, 2), NAN))
    s = replace(s, xyz=np.full((1, 4, 17, 3), NAN, np.float32))
    assert np.isnan(normalise(s, NormaliseOptions())[..., :2]).all()
    assert np.isnan(normalise(s, NormaliseOptions(dims=3))).all()
    with pytest.raises(ConfigError, match="3-D and have no image"):
        normalise(replace(s, xyz=np.zeros((1, 4, 17, 3), np.float32)), NormaliseOptions())


def test_conversion_of_a_sequence() -> None:
    s = sequence_of(np.ones((1, 3, 17, 2)))
    out = to_skeleton(s, SKELETONS["body-25"])
    neck = SKELETONS["body-25"].index("neck")
    assert np.isnan(out.xy[0, 0, neck]).all() and out.score[0, 0, neck] == 0
    assert to_skeleton(s, COCO) is s


# --- sampling ---


@pytest.mark.parametrize("method", ["uniform", "wrap", "edge", "zero"])
@pytest.mark.parametrize("frames", [1, 2, 9, 10, 11, 19, 20, 57])
def test_indices_are_in_range_and_of_the_right_number(method: str, frames: int) -> None:
    options = SamplingOptions(length=10, method=method, test_clips=3)
    rng = np.random.default_rng(0)
    for indices in [training_indices(frames, options, rng) for _ in range(20)] + list(
        testing_indices(frames, options)
    ):
        assert len(indices) == 10 and indices.max() < frames
        assert indices.min() >= (-1 if method == "zero" else 0)


def test_padding() -> None:
    get = lambda method: testing_indices(4, SamplingOptions(length=10, method=method))[0].tolist()  # noqa: E731
    assert get("wrap") == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert get("edge") == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert get("zero") == [0, 1, 2, 3, -1, -1, -1, -1, -1, -1]
    assert testing_indices(14, SamplingOptions(length=10, method="wrap"))[0].tolist() == list(
        range(2, 12)
    )


def test_uniform_is_increasing_and_spread() -> None:
    i = training_indices(100, SamplingOptions(length=10), np.random.default_rng(1))
    assert (np.diff(i) > 0).all() and all(10 * n <= v < 10 * n + 10 for n, v in enumerate(i))
    middle = training_indices(15, SamplingOptions(length=10), np.random.default_rng(1))
    assert (np.diff(middle) >= 1).all() and middle.max() < 15


def test_testing_is_the_same_every_time_and_touches_no_global_state() -> None:
    np_state = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    a, b = (
        testing_indices(73, SamplingOptions(length=32, method="uniform", test_clips=4))
        for _ in range(2)
    )
    assert (a == b).all()
    assert (np.random.get_state()[1] == np_state).all()  # type: ignore[index]


def test_test_indices_equal_the_reference() -> None:
    content = reference("transforms")
    found = [re.fullmatch(r"UniformSampleFrames/mmaction2/T(\d+)/clips(\d+)", k) for k in content]
    cases = [m for m in found if m]
    assert len(cases) > 10
    for case in cases:
        frames, clips = int(case[1]), int(case[2])
        expected = content[case[0]].reshape(clips, -1)
        ours = uniform_test(frames, expected.shape[1], clips)
        np.testing.assert_array_equal(ours, expected, case[0])


def test_image_normalisation_equals_the_reference() -> None:
    content = reference("transforms")
    keypoints = content["ann2d/keypoint"].astype(np.float32)
    score = content["ann2d/keypoint_score"].astype(np.float32)
    expected = content["pyskl/PreNormalize2D/keypoint(with score, thr .01)"]
    ours = by_image(keypoints, 1920, 1080)
    np.testing.assert_allclose(ours[score > 0.01], expected[..., :2][score > 0.01], atol=1e-5)


def test_random_frames_keep_their_order() -> None:
    options = SamplingOptions(length=32, method="random")
    drawn = training_indices(20, options, np.random.default_rng(0))
    assert len(drawn) == 32 and (np.diff(drawn) >= 0).all() and len(set(drawn)) < 20
    tested = testing_indices(20, options)[0]
    assert tested[0] == 0 and tested[-1] == 19 and set(tested) == set(range(20))


def test_linspace_covers_the_clip_in_order() -> None:
    options = SamplingOptions(length=16, method="linspace")
    for frames in (1, 5, 16, 100):
        (positions,) = testing_indices(frames, options)
        assert positions[0] == 0 and positions[-1] == frames - 1 and (np.diff(positions) >= 0).all()
        drawn = training_indices(frames, options, np.random.default_rng(0))
        assert drawn.min() >= 0 and drawn.max() < frames and (np.diff(drawn) >= 0).all()
    draws = testing_indices(100, SamplingOptions(length=16, method="linspace", test_clips=3))
    assert draws.shape == (3, 16) and draws[0, 0] == 0 and draws[2, -1] == 99
