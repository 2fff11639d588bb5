"""Scores of windows: hand-computed values, what a model cannot give, and what decides in a
prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec import structs
from scipy.special import softmax

from skelact.errors import CheckpointError, ConfigError
from skelact.inference.class_statistics import (
    check_statistics,
    class_statistics,
    shrunk_covariance,
)
from skelact.inference.ensemble import by_window_length
from skelact.inference.networks import load_members, network_outputs
from skelact.inference.rejection import Rejection, reason_of_clip
from skelact.inference.score_names import obstacle
from skelact.inference.scores import NetworkOutputs, Scorer, agreement, distance, energy
from skelact.inference.segments import segments
from skelact.models.evaluate import mean_probabilities
from skelact.options import PredictOptions
from skelact.schemas import Calibration, Checkpoint, ClassStatistics, Ensemble, Member, ScoreResult
from skelact.types import Segment
from tests.helpers import small_checkpoint

RNG = np.random.default_rng(0)


def test_energy() -> None:
    """log(e^0 + e^0) = log 2; with temperature 2 it is 2 log(e^(2/2) + e^(0/2))."""
    assert float(energy(np.zeros((1, 2), np.float32), 1.0)[0]) == pytest.approx(np.log(2))
    found = float(energy(np.array([[2.0, 0.0]], np.float32), 2.0)[0])
    assert found == pytest.approx(2 * np.log(np.e + 1))


def test_agreement() -> None:
    """1 for networks that say the same, 0 for two that are sure of different classes; between them
    1 - (H(mean) - mean H) / H(weights)."""
    sure, other, even = (np.array([row], np.float32) for row in ([1, 0], [0, 1], [0.5, 0.5]))
    half = np.array([0.5, 0.5], np.float32)
    assert float(agreement(np.stack([sure, sure]), half)[0]) == pytest.approx(1)
    assert float(agreement(np.stack([sure, other]), half)[0]) == pytest.approx(0, abs=1e-6)
    mean = np.array([0.75, 0.25])
    divergence = -(mean * np.log(mean)).sum() - 0.5 * np.log(2)
    expected = 1 - divergence / np.log(2)
    assert float(agreement(np.stack([sure, even]), half)[0]) == pytest.approx(expected)


def test_distance() -> None:
    """In a space with means (0, 0) and (3, 0): the point (1, 2) has the squared distances 5 and 8,
    and there are two dimensions."""
    statistics = ClassStatistics(
        basis="logits", projection=torch.eye(2), means=torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    )
    found = distance(np.array([[1.0, 2.0], [3.0, 0.0]], np.float32), statistics)
    np.testing.assert_allclose(found, [-2.5, 0], atol=1e-6)


def test_statistics_make_the_covariance_within_classes_the_identity() -> None:
    shape = np.array([[2.0, 0.5, 0], [0, 1, 0], [0, 0, 0.3]])
    labels = np.repeat([0, 4], 2000)  # a class without clips has no mean
    centres = np.array([[0.0, 0, 0], [5, 0, 0]])[labels // 4]
    values = (centres + RNG.normal(size=(4000, 3)) @ shape).astype(np.float32)
    statistics = class_statistics(values, labels, basis="features")
    assert statistics.means.shape == (2, 3)
    rows = values @ statistics.projection.numpy()
    centred = rows - statistics.means.numpy()[labels // 4]
    np.testing.assert_allclose(centred.T @ centred / 4000, np.eye(3), atol=0.03)
    # the squared Mahalanobis distance of the class means
    inverse = np.linalg.inv(shape.T @ shape)
    gap = centres[-1] - centres[0]
    between = np.square(statistics.means[1] - statistics.means[0]).sum()
    assert float(between) == pytest.approx(gap @ inverse @ gap, rel=0.1)


def test_few_dimensions_keep_what_separates_the_classes() -> None:
    values = RNG.normal(size=(300, 20)).astype(np.float32)
    labels = np.repeat([0, 1, 2], 100)
    values[:, 7] += 6.0 * (labels == 1)
    values[:, 11] += 6.0 * (labels == 2)
    few = class_statistics(values, labels, basis="features", most=2)
    assert few.projection.shape == (20, 2)
    distances = torch.cdist(torch.from_numpy(values) @ few.projection, few.means)
    assert (distances.argmin(dim=1).numpy() == labels).mean() > 0.97


def test_covariance_of_few_samples_is_shrunk() -> None:
    many, few = RNG.normal(size=(5000, 6)) * [1, 2, 3, 4, 5, 6], RNG.normal(size=(5, 6))
    np.testing.assert_allclose(shrunk_covariance(many), many.T @ many / 5000, atol=0.05)
    assert np.linalg.eigvalsh(few.T @ few / 5).min() < 1e-9
    assert np.linalg.eigvalsh(shrunk_covariance(few)).min() > 0.05


def outputs(rows: int = 4, classes: int = 3) -> NetworkOutputs:
    logits = RNG.normal(size=(rows, classes)).astype(np.float32)
    features = np.zeros((rows, 5), np.float32)
    return NetworkOutputs(probabilities=softmax(logits, 1), logits=logits, features=features)


def test_a_class_of_other_actions_has_no_part_in_the_energy() -> None:
    first, second = outputs(), outputs()
    scorer = Scorer(names=("probability", "energy"), classes=("a", "unknown", "b"))
    found = scorer([first, second], [None, None], [1.0, 3.0])
    mean = 0.25 * first.probabilities + 0.75 * second.probabilities
    np.testing.assert_allclose(found[:, 0], mean[:, [0, 2]].max(axis=1), rtol=1e-5)
    expected = sum(w * energy(o.logits[:, [0, 2]], 1.0) for w, o in ((0.25, first), (0.75, second)))
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-5)


def test_network_outputs_are_those_of_the_network() -> None:
    checkpoint = small_checkpoint()
    (member,) = load_members(checkpoint, torch.device("cpu"))
    x = torch.from_numpy(RNG.normal(size=(6, 1, 16, 25, 3))).float()
    found = network_outputs(member.net, x, 2)  # type: ignore[arg-type]
    expected = mean_probabilities(member.net, x, 2)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert found.features.shape[0] == 3
    np.testing.assert_allclose(
        member.net.cls_head.fc(torch.from_numpy(found.features)).detach(),  # type: ignore[union-attr, operator]
        found.logits,
        atol=1e-5,
    )


def test_what_a_model_cannot_give() -> None:
    some = class_statistics(np.eye(3, dtype=np.float32), np.array([0, 1, 1]), basis="logits")
    assert "two networks" in obstacle("agreement", [[None]])
    assert "two networks" in obstacle("agreement", [[None, None], [None, None]])
    assert obstacle("agreement", [[None, None]]) == ""
    assert "statistics" in obstacle("distance", [[some, None]])
    assert obstacle("distance", [[some]]) == obstacle("energy", [[None]]) == ""


def rule(
    calibration: Calibration, model: Checkpoint | Ensemble | None = None, **options: object
) -> Rejection:
    members = load_members(model or small_checkpoint(), torch.device("cpu"))
    groups = list(by_window_length(members).values())
    return Rejection.of(calibration, PredictOptions(**options), groups)  # type: ignore[arg-type]


ENERGY = Calibration(
    unknown_threshold=0.4,
    score="energy",
    scores=(
        ScoreResult(name="energy", threshold=2.5),
        ScoreResult(name="agreement", threshold=0.9),
        ScoreResult(name="distance", obstacle="no clips"),
    ),
)


def test_the_score_that_decides() -> None:
    assert rule(Calibration(unknown_threshold=0.3)) == Rejection(score="probability", threshold=0.3)
    assert rule(ENERGY) == Rejection(score="energy", threshold=2.5)
    assert rule(ENERGY, score="probability") == Rejection(score="probability", threshold=0.4)
    # a threshold of the command line is one of the probability
    assert rule(ENERGY, unknown_threshold=0.2) == Rejection(score="probability", threshold=0.2)
    two = Ensemble(members=(Member(weight=1, checkpoint=small_checkpoint()),) * 2)
    assert rule(ENERGY, two, score="agreement").threshold == 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "energy", "unknown_threshold": 0.5}, "is a probability"),
        ({"score": "agreement"}, "at least two networks"),
        ({"score": "distance"}, "no statistics"),
        ({"score": "nothing"}, "score"),
    ],
)
def test_scores_that_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rule(ENERGY, **options)


def test_a_score_without_a_threshold_is_refused() -> None:
    with pytest.raises(ConfigError, match="no threshold for the score energy"):
        rule(Calibration(), score="energy")
    with pytest.raises(ValueError, match="no threshold of the score energy"):
        Calibration(score="energy")


def test_damaged_statistics_are_refused() -> None:
    calibration = Calibration(
        score="distance", scores=(ScoreResult(name="distance", threshold=-2.0),)
    )
    with pytest.raises(CheckpointError, match="uses the score distance, but"):
        rule(calibration)
    (member,) = load_members(small_checkpoint(), torch.device("cpu"))
    good = class_statistics(np.eye(3, dtype=np.float32), np.array([0, 1, 1]), basis="logits")
    check_statistics(good, member.net)  # type: ignore[arg-type]
    for bad in (
        structs.replace(good, projection=torch.zeros(4, 2)),
        structs.replace(good, means=torch.zeros(2, 1)),
        structs.replace(good, means="x"),
        structs.replace(good, projection=torch.zeros(3, 3, dtype=torch.int64)),
    ):
        with pytest.raises(CheckpointError, match="do not fit"):
            check_statistics(bad, member.net)  # type: ignore[arg-type]
        with pytest.raises(CheckpointError, match="do not fit"):
            load_members(structs.replace(small_checkpoint(), statistics=bad), torch.device("cpu"))


CLASSES = ("a", "unknown", "b")


def explained(probs: np.ndarray, scores: np.ndarray | None, threshold: float) -> list[Segment]:
    """Ten frames a second, segments of at least one second."""
    name = "probability" if scores is None else "energy"
    parts = segments(probs, 10.0, CLASSES, 1.0, threshold, scores)
    decides = Rejection(score=name, threshold=threshold)
    return list(decides.explain(parts, scores, 10.0, CLASSES, 1.0))


def test_reasons_of_a_rejection() -> None:
    unsure, other = [0.5, 0.1, 0.4], [0.2, 0.7, 0.1]
    sure, rejected = explained(np.repeat([[0.9, 0.05, 0.05], unsure], 20, axis=0), None, 0.6)
    assert (sure.label, sure.reason, sure.score) == ("a", "", pytest.approx(0.9))
    assert rejected.label == "unknown" and rejected.score == pytest.approx(0.5)
    assert rejected.reason == "probability 0.50 is below the threshold 0.60"
    # one segment of both has the reason of its mean
    (both,) = explained(np.repeat([unsure, other], 20, axis=0), None, 0.6)
    assert both.reason == "class unknown is the most probable (0.40)"
    assert both.score == pytest.approx(0.35)


def test_a_score_decides_in_place_of_the_probability() -> None:
    probs = np.repeat([[0.9, 0.05, 0.05]], 60, axis=0)
    scores = np.repeat([3.0, 1.0, 3.0], [20, 30, 10])
    first, second, third = explained(probs, scores, 2.0)
    assert [s.label for s in (first, second, third)] == ["a", "unknown", "a"]
    assert second.reason == "energy 1.00 is below the threshold 2.00" and second.score == 1.0
    assert first.score == 3.0 and not first.reason
    assert [s.label for s in explained(probs, scores, 0.5)] == ["a"]
    # a short part below the threshold is merged if the mean is not below it
    short = np.repeat([3.0, 1.0, 3.0], [30, 5, 25])
    assert [s.label for s in explained(probs, short, 2.0)] == ["a"]
    assert [s.label for s in explained(probs, short, 2.9)] == ["a", "unknown", "a"]


def test_an_action_that_is_too_short() -> None:
    probs = np.repeat([[0.9, 0.0, 0.1], [0.1, 0.0, 0.9]], [5, 5], axis=0)
    for s in explained(probs, None, 0.8):
        assert (s.label, s.reason) == ("unknown", "probability 0.50 is below the threshold 0.80")
    (only,) = explained(np.repeat([[0.9, 0.0, 0.1]], 5, axis=0), None, 0.8)
    assert only.label == "a"


def test_reason_of_a_clip() -> None:
    def part(start: float, end: float, label: str, score: float, reason: str = "") -> Segment:
        return Segment(start, end, label, score, score=score, reason=reason)

    parts = [part(0, 1, "a", 0.9), part(1, 4, "a", 0.5), part(4, 5, "unknown", 0.2, "short")]
    assert reason_of_clip("a", parts) == (pytest.approx(0.6), "")
    assert reason_of_clip("unknown", parts) == (0.2, "no action lasts for 20% of the time")
    both = [part(0, 1, "unknown", 0.2, "first"), part(1, 4, "unknown", 0.4, "second")]
    assert reason_of_clip("unknown", both) == (pytest.approx(0.35), "second")
