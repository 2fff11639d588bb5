"""Ensembles whose members differ in skeleton, streams, persons and window length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from skelact.cache import Cache
from skelact.errors import ConfigError, InputError
from skelact.inference.predictor import Predictor
from skelact.inference.windows import SCENE
from skelact.options import PredictOptions
from skelact.schemas import Calibration, Checkpoint, Ensemble, EstimatorInfo, Member
from skelact.types import Prediction
from tests.helpers import small_checkpoint as checkpoint

# one segment of all frames, so that its probabilities are the mean over the frames
OPTIONS = PredictOptions(device="cpu", min_segment_s=60)


def predict(model: Checkpoint | Ensemble, clip: Path, poses: Path, cache: Path) -> list[Prediction]:
    batch = Predictor(model, OPTIONS).predict_many([clip], Cache(cache), poses_from=poses)
    assert not batch.failed
    (result,) = batch.results
    return list(result.predictions)


def ensemble(*members: Checkpoint, weights: tuple[float, ...] = (1, 3)) -> Ensemble:
    return Ensemble(
        members=tuple(Member(weight=w, checkpoint=c) for w, c in zip(weights, members, strict=True))
    )


PAIRS = {
    "streams": (checkpoint(), checkpoint(streams="bone-motion", seed=1)),
    "early fusion": (checkpoint(), checkpoint(streams="joint+bone", seed=1)),
    "skeleton": (checkpoint(), checkpoint("coco-17", seed=1)),
    "normalisation": (checkpoint(), checkpoint(mode="image", seed=1)),
    "window": (checkpoint(clip_s=0.4), checkpoint(clip_s=0.8, seed=1)),
    "whole video": (checkpoint(clip_s=0.0), checkpoint(clip_s=0.4, seed=1)),
    "everything": (
        checkpoint(clip_s=0.4),
        checkpoint("coco-17", "bone", clip_s=0.6, mode="image", seed=1),
    ),
    "persons": (checkpoint(persons=2), checkpoint(persons=3, seed=1)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_an_ensemble_predicts_the_mean_of_its_members(
    pair: tuple[Checkpoint, Checkpoint], clip: Path, openpose: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first, second, both = (predict(m, clip, openpose, cache) for m in (*pair, ensemble(*pair)))
    ids = [p.person_id for p in both]
    assert ids == ([0, 1] if pair[0].persons == 1 else [SCENE])
    for a, b, mean in zip(first, second, both, strict=True):
        (x,), (y,), (found,) = a.segments, b.segments, mean.segments
        assert (found.start_s, found.end_s) == (x.start_s, x.end_s) == (y.start_s, y.end_s)
        expected = 0.25 * np.array(x.probabilities) + 0.75 * np.array(y.probabilities)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
        assert np.abs(np.array(x.probabilities) - y.probabilities).max() > 1e-3
        assert mean.label == mean.classes[int(expected.argmax())]


def test_a_member_without_weight_is_left_out(clip: Path, openpose: Path, tmp_path: Path) -> None:
    pair = PAIRS["streams"]
    model = ensemble(*pair, weights=(2, 0))
    assert len(Predictor(model, OPTIONS).members) == 1
    alone = predict(pair[0], clip, openpose, tmp_path / "cache")
    assert predict(model, clip, openpose, tmp_path / "cache") == alone


def test_the_threshold_of_a_calibration_is_used(clip: Path, openpose: Path, tmp_path: Path) -> None:
    model = structs.replace(checkpoint(), calibration=Calibration(unknown_threshold=1.0))
    assert {p.label for p in predict(model, clip, openpose, tmp_path / "cache")} == {"unknown"}
    without = PredictOptions(device="cpu", unknown_threshold=0.0)
    assert Predictor(model, without).unknown_threshold == 0


def test_windows_of_different_lengths(clip: Path, openpose: Path, tmp_path: Path) -> None:
    """With different window lengths, the probabilities of a window of the longest length are the
    mean over its frames."""
    cache, counts = Cache(tmp_path / "cache"), []
    for model in (*PAIRS["window"], ensemble(*PAIRS["window"])):
        found, failed = Predictor(model, OPTIONS).predict_windows(
            [clip], cache, poses_from=openpose
        )
        assert not failed and found.keys() == {clip}
        np.testing.assert_allclose(found[clip].probabilities.sum(axis=1), 1, atol=1e-5)
        counts.append(len(found[clip].probabilities))
    short, long, both = counts
    assert short > long == both


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (checkpoint(persons=2), "one person at a time"),
        (
            structs.replace(checkpoint(), estimator=EstimatorInfo(name="blazepose")),
            "different estimators",
        ),
    ],
)
def test_networks_that_cannot_be_combined_are_refused(other: Checkpoint, message: str) -> None:
    for pair in ((checkpoint(), other), (other, checkpoint())):
        with pytest.raises(InputError, match=message):
            Predictor(ensemble(*pair), OPTIONS)


def test_every_member_needs_joints_that_it_knows(
    clip: Path, openpose: Path, tmp_path: Path
) -> None:
    pair = checkpoint(), checkpoint("hand-21", seed=1)
    predictor = Predictor(ensemble(*pair), OPTIONS)
    with pytest.raises(ConfigError, match="hand-21"):
        predictor.predict_many([clip], Cache(tmp_path / "cache"), poses_from=openpose)
