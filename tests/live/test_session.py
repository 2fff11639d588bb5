"""The loop: frames in, decisions out, with the poses of a fake estimator and the included model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from skelact.errors import ConfigError, NotAVideo, StreamError
from skelact.inference.latest import predict_latest, window_s
from skelact.inference.predictor import Predictor
from skelact.live import session as module
from skelact.live.options import LiveOptions
from skelact.live.session import Decision, LiveSession
from skelact.options import PredictOptions
from skelact.pose.base import IMPORT
from skelact.schemas import Ensemble
from skelact.sequence.stack import stack_frames
from skelact.skeletons import SKELETONS
from skelact.stages.skeleton_input import SkeletonInput
from tests.live.fakes import FakeCapture, Stamped, WalkingPeople, source_of


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load("everyday", PredictOptions(unknown_threshold=0.0))


def session_of(
    monkeypatch: pytest.MonkeyPatch,
    predictor: Predictor,
    estimator: WalkingPeople,
    capture: FakeCapture,
    **options: float,
) -> LiveSession:
    monkeypatch.setattr(module, "open_live", lambda pose, fps, keep_s: estimator)
    source = source_of(capture, kind="file", name="a.mp4")
    return LiveSession(source, predictor, LiveOptions(**options), paced=False)


def test_decisions_at_the_interval(monkeypatch: pytest.MonkeyPatch, predictor: Predictor) -> None:
    estimator = WalkingPeople(ids=(3, 7))
    session = session_of(monkeypatch, predictor, estimator, Stamped(90, fps=30), every_s=0.5)
    with session:
        steps = list(session.steps())
    assert [s.frame.number for s in steps] == list(range(90))
    times = [s.frame.time_s for s in steps if s.decided]
    assert times == pytest.approx([0.5 * n for n in range(6)], abs=0.04)
    first = next(s for s in steps if s.decisions)
    assert first.frame.time_s == pytest.approx(0.5, abs=0.04)  # min_seen_s
    assert [d.person_id for d in first.decisions] == [3, 7]
    decision = first.decisions[0]
    assert decision.label in predictor.classes and decision.latency_s >= 0
    assert len(decision.segment.probabilities) == len(predictor.classes)
    assert decision.as_dict()["probabilities"][decision.label] == pytest.approx(
        decision.probability, abs=1e-3
    )
    assert set(steps[-1].labels) == {3, 7}
    assert session.statistics.decisions == sum(len(s.decisions) for s in steps)
    assert session.statistics.dropped == 0 and "90 of 90 frames" in str(session.statistics)


def test_slow_poses_drop_frames_and_keep_the_time(
    monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    """The decision uses the last window of real time, however few frames there were."""
    estimator = WalkingPeople(delay_s=0.03)
    monkeypatch.setattr(module, "open_live", lambda pose, fps, keep_s: estimator)
    source = source_of(FakeCapture(10**6, interval_s=0.01))
    options = LiveOptions(every_s=0.1, reconnect_s=0, duration_s=60)
    with LiveSession(source, predictor, options) as session:
        first = next(session.decisions())
    assert isinstance(first, Decision) and session.statistics.dropped > 0
    assert first.time_s >= 0.4


def test_notices_come_while_the_source_is_lost(
    monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    monkeypatch.setattr(module, "open_live", lambda pose, fps, keep_s: WalkingPeople())
    heard: list[str] = []
    source, options = source_of(FakeCapture(3)), LiveOptions(reconnect_s=1.0)
    with (
        LiveSession(source, predictor, options, on_notice=heard.append) as session,
        pytest.raises(StreamError, match="did not return"),
    ):
        list(session.steps())
    assert heard == ["camera 0 is lost; trying to open it again"]


def test_too_few_frames_are_worth_a_notice(
    monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    monkeypatch.setattr(module, "open_live", lambda pose, fps, keep_s: WalkingPeople(delay_s=0.3))
    monkeypatch.setattr(module, "_SLOW_S", 0.5)
    heard: list[str] = []
    source, options = source_of(FakeCapture(10**6, interval_s=0.01)), LiveOptions(duration_s=1.5)
    with LiveSession(source, predictor, options, on_notice=heard.append) as session:
        list(session.steps())
    (notice,) = heard
    assert "frames per second can be processed" in notice


def test_nobody_and_no_frames(monkeypatch: pytest.MonkeyPatch, predictor: Predictor) -> None:
    empty = WalkingPeople(ids=())
    with session_of(monkeypatch, predictor, empty, Stamped(40, fps=30)) as session:
        assert list(session.decisions()) == []
    with (
        session_of(monkeypatch, predictor, empty, Stamped(0)) as session,
        pytest.raises(NotAVideo, match="no frame can be decoded"),
    ):
        list(session.decisions())


def test_stop_and_duration(monkeypatch: pytest.MonkeyPatch, predictor: Predictor) -> None:
    estimator = WalkingPeople()
    session = session_of(monkeypatch, predictor, estimator, Stamped(10**6, fps=30))
    with session:
        for step in session.steps():
            if step.frame.number == 20:
                session.stop()
    assert session.statistics.processed == 21
    again = session_of(monkeypatch, predictor, WalkingPeople(), Stamped(10**6), duration_s=0.1)
    with again:
        assert len(list(again.steps())) >= 0
    assert again.statistics.seconds >= 0.1


def test_a_model_of_imported_poses_is_refused() -> None:
    model = Predictor.load("everyday").model
    assert isinstance(model, Ensemble)
    estimator = structs.replace(
        model.members[0].checkpoint.estimator, name=IMPORT, pose={"estimator": IMPORT}
    )
    members = [
        structs.replace(m, checkpoint=structs.replace(m.checkpoint, estimator=estimator))
        for m in model.members
    ]
    imported = Predictor(structs.replace(model, members=tuple(members)))
    with pytest.raises(ConfigError, match="which a camera does not have"):
        LiveSession(0, imported)


def test_another_joint_layout_is_refused(
    monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    estimator = WalkingPeople()
    estimator.skeleton = SKELETONS["hand-21"]
    with (
        pytest.raises(ConfigError, match="expects the joints"),
        session_of(monkeypatch, predictor, estimator, Stamped(10)),
    ):
        pass


def test_the_last_window_gets_what_a_file_gets(predictor: Predictor) -> None:
    """Equal poses give equal probabilities, live and in a file that ends there."""
    estimator = WalkingPeople(ids=(0, 1))
    for n in range(48):
        estimator.add(np.zeros((4, 4, 3), np.uint8), n / 30)
    sequence = stack_frames(estimator.recent(0)[1], estimator.skeleton, 30.0, 64, 48)
    live = predict_latest(predictor, sequence, Path("camera"))
    source = SkeletonInput(path=Path("a.npy"), load=lambda: sequence)
    tracks = predictor._evaluate([source], [], pytest.fail)
    offline = [predictor.prediction(track) for track in tracks]
    assert [p.person_id for p in live] == [p.person_id for p in offline] == [0, 1]
    for a, b in zip(live, offline, strict=True):
        assert a.segments[-1].probabilities == b.segments[-1].probabilities
        assert a.segments[-1].label == b.segments[-1].label


@pytest.mark.parametrize(("start", "end", "expected"), [(0, 48, 1), (40, 48, 0), (0, 30, 0)])
def test_who_gets_a_decision(predictor: Predictor, start: int, end: int, expected: int) -> None:
    """Not somebody who was seen too briefly, and not somebody who has left."""
    estimator = WalkingPeople()
    frames = []
    for n in range(48):
        people = estimator.add(np.zeros((4, 4, 3), np.uint8), n / 30)
        frames.append(people if start <= n < end else [])
    sequence = stack_frames(frames, estimator.skeleton, 30.0, 64, 48)
    assert len(predict_latest(predictor, sequence, Path("camera"))) == expected


def test_windows_of_several_lengths(predictor: Predictor) -> None:
    scaled = Predictor(predictor.model, PredictOptions(window_scales=(0.5, 2.0)))
    assert window_s(scaled, 3.0) == 2 * window_s(predictor, 3.0)
    estimator = WalkingPeople()
    frames = [estimator.add(np.zeros((4, 4, 3), np.uint8), n / 30) for n in range(90)]
    sequence = stack_frames(frames, estimator.skeleton, 30.0, 64, 48)
    (found,) = predict_latest(scaled, sequence, Path("camera"))
    assert sum(found.segments[-1].probabilities) == pytest.approx(1, abs=1e-3)
