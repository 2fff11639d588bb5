"""The loop of live recognition: newest frame -> poses -> last window -> decisions.

from skelact.live.session import LiveSession

with LiveSession(0, "everyday") as live:
    for decision in live.decisions():
        print(decision.person_id, decision.label, decision.probability)
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import ConfigError, NotAVideo
from skelact.inference.ensemble import members_of
from skelact.inference.latest import check_live, predict_latest, window_s
from skelact.inference.predictor import Predictor
from skelact.live.capture import VideoSource, find_source
from skelact.live.grabber import Grabber, LiveFrame
from skelact.live.options import LiveOptions
from skelact.options import PredictOptions
from skelact.pose.base import IMPORT, LiveEstimator
from skelact.pose.live import open_live
from skelact.sequence.resample import resample
from skelact.sequence.stack import stack_frames
from skelact.skeletons import Skeleton
from skelact.types import PersonPose, PoseSequence, Segment

_WAIT_S = 0.2  # for a frame, before the loop looks at other things
_REMEMBERED = 5000  # latencies for the statistics
_SLOW_FPS, _SLOW_S = 4.0, 10.0  # fewer frames per second in the first seconds are worth a notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person does at a time, or all persons together (person_id -1).

    `time_s` is the time since the first frame of the source at which the newest frame was taken,
    `at` the same moment by the clock of the computer, `latency_s` the time from the arrival of that
    frame to the decision. `segment` has the label, its probability, and those of all `classes`; its
    times are those of the window."""

    time_s: float
    at: datetime
    latency_s: float
    person_id: int
    segment: Segment
    classes: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.segment.label

    @property
    def probability(self) -> float:
        return self.segment.probability

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        probabilities = (round(p, 4) for p in self.segment.probabilities)
        return {
            "time_s": round(self.time_s, 3),
            "at": self.at.isoformat(timespec="milliseconds"),
            "person_id": self.person_id,
            "label": self.label,
            "probability": round(self.probability, 4),
            "latency_s": round(self.latency_s, 3),
            "probabilities": dict(zip(self.classes, probabilities, strict=True)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStep:
    """A frame that was processed and its persons; if it was time to decide (`decided`), the
    decisions; and the last one on each person who is visible."""

    frame: LiveFrame
    persons: list[PersonPose]
    decided: bool
    decisions: list[Decision]
    labels: dict[int, Segment]


@dataclass(kw_only=True)
class LiveStatistics:
    """Counts since the start, and the latencies of the last frames and decisions in seconds, from
    the arrival of a frame to its poses and to a decision."""

    captured: int = 0
    processed: int = 0
    dropped: int = 0
    reconnected: int = 0
    decisions: int = 0
    seconds: float = 0.0
    pose_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    decision_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def fps(self) -> float:
        """Processed frames per second."""
        return self.processed / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the counts, and the median latencies."""
        names = ("captured", "processed", "dropped", "reconnected", "decisions")
        medians = {
            f"{what}_latency_s": round(float(np.median(list(times))), 3) if times else None
            for what, times in (("pose", self.pose_s), ("decision", self.decision_s))
        }
        return {
            **{name: getattr(self, name) for name in names},
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 2),
            **medians,
        }

    def __str__(self) -> str:
        parts = [
            f"{self.processed} of {self.captured} frames in {self.seconds:.0f} s "
            f"({self.fps:.1f} per second), {self.dropped} dropped",
            f"{self.decisions} decisions",
        ]
        if self.decision_s:
            parts.append(f"latency {1000 * float(np.median(self.decision_s)):.0f} ms (median)")
        if self.reconnected:
            parts.append(f"connected again {self.reconnected} times")
        return ", ".join(parts)


class LiveSession:
    """Recognition on a camera (a number), a stream (an address) or a file, from the start of the
    `with` block on.

    A file is played at its own pace; with `paced` False as fast as possible, without dropping
    frames, and with `loop` again from its start. `on_frame` gets every frame that was read, in the
    thread that reads, and must not block. `on_notice` gets messages about the source, such as that
    it was lost, from the loop."""

    def __init__(
        self,
        source: str | int | VideoSource,
        model: str | Path | Predictor = "everyday",
        options: LiveOptions | None = None,
        predict: PredictOptions | None = None,
        *,
        paced: bool = True,
        loop: bool = False,
        on_frame: Callable[[LiveFrame], None] = lambda frame: None,
        on_notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Raises ConfigError for a source of an unknown kind and for a model that was trained on
        imported poses, CheckpointError as Predictor.load."""
        self.options = options or LiveOptions()
        self.source = source if isinstance(source, VideoSource) else find_source(source)
        self.predictor = model if isinstance(model, Predictor) else Predictor.load(model, predict)
        estimators = [m.checkpoint.estimator for m in members_of(self.predictor.model)]
        if any(e.pose.get("estimator") == IMPORT for e in estimators):
            raise ConfigError(
                "This model was trained on imported poses, which a camera does not have",
                "Use a model that was trained on videos.",
            )
        self.pose = self.predictor.pose()
        self.window_s = window_s(self.predictor, self.options.whole_s)
        self.statistics, self.on_notice = LiveStatistics(), on_notice
        self.grabber = Grabber(
            self.source,
            timeout_s=self.options.timeout_s,
            reconnect_s=self.options.reconnect_s,
            paced=paced,
            every=not paced,
            loop=loop,
            on_frame=on_frame,
        )
        self.estimator: LiveEstimator | None = None
        self._labels: dict[int, Segment] = {}
        self._stop = threading.Event()
        self._stack = ExitStack()

    def __enter__(self) -> LiveSession:
        """Load the estimator and open the source. Raises EstimatorError, ConfigError or
        InputError."""
        with ExitStack() as stack:
            stack.enter_context(self.grabber)
            self.estimator = open_live(self.pose, self.grabber.fps, self.window_s + 1)
            check_live(self.predictor, self.estimator.skeleton)
            self._warm_up(self.estimator.skeleton)
            self._stack = stack.pop_all()
        return self

    def _warm_up(self, skeleton: Skeleton) -> None:
        """Everything is loaded before the first frame is read: the networks of the model by a
        window of one person."""
        frames = max(2, round(self.window_s * self.grabber.fps))
        rng = np.random.default_rng(0)
        shape = (1, frames, len(skeleton.joints))
        sequence = PoseSequence(
            xy=rng.uniform(0, 100, (*shape, 2)).astype(np.float32),
            xyz=rng.uniform(0, 1, (*shape, 3)).astype(np.float32),
            score=np.ones(shape, np.float32),
            skeleton=skeleton,
            fps=self.grabber.fps,
            width=100,
            height=100,
            ids=(0,),
        )
        predict_latest(self.predictor, sequence, Path(self.source.name))

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def stop(self) -> None:
        """End the loop after the current frame; also from another thread."""
        self._stop.set()

    def decisions(self) -> Iterator[Decision]:
        """The decisions as they are made, until the source ends or `stop` is called."""
        for step in self.steps():
            yield from step.decisions

    def steps(self) -> Iterator[LiveStep]:
        """The frames that are processed, with persons and decisions, until the source ends or
        `stop` is called. Raises StreamError if a camera or a stream is lost and does not return,
        NotAVideo if a file has no frame."""
        assert self.estimator is not None, "use the session in a with block"
        started, next_s = time.monotonic(), 0.0
        limit_s, judged = self.options.duration_s, False
        while not self._stop.is_set():
            for text in self.grabber.notices():
                self.on_notice(text)
            seconds = time.monotonic() - started
            self._count(seconds)
            if not judged and seconds > _SLOW_S:
                judged = True
                self._judge_speed()
            if limit_s is not None and seconds >= limit_s:
                return
            try:
                frame = self.grabber.take(_WAIT_S)
            except EOFError:
                if not self.grabber.captured:
                    raise NotAVideo(f"{self.source.name}: no frame can be decoded") from None
                return
            if frame is None:
                continue
            persons = self.estimator.add(frame.image, frame.time_s)
            self.statistics.processed += 1
            self.statistics.pose_s.append(time.monotonic() - frame.arrived)
            decisions: list[Decision] = []
            decided = frame.time_s >= next_s
            if decided:
                decisions = self._decide(frame)
                next_s = max(next_s + self.options.every_s, frame.time_s)
            present = {p.person_id for p in persons} | {-1}
            self._labels = {i: s for i, s in self._labels.items() if i in present}
            self._count(time.monotonic() - started)
            yield LiveStep(
                frame=frame,
                persons=persons,
                decided=decided,
                decisions=decisions,
                labels=dict(self._labels),
            )

    def _judge_speed(self) -> None:
        """A notice if there are too few frames to see motion in; poses more than half a second
        apart are not connected at all."""
        fps = self.statistics.fps
        if self.grabber.dropped and fps < _SLOW_FPS:
            self.on_notice(
                f"only {fps:.1f} frames per second can be processed, which is too few to recognise "
                "actions; close other programs, or try --max-persons 1 --small-people off"
            )

    def _count(self, seconds: float) -> None:
        own, grabber = self.statistics, self.grabber
        own.captured, own.dropped = grabber.captured, grabber.dropped
        own.reconnected, own.seconds = grabber.reconnected, seconds

    def _decide(self, frame: LiveFrame) -> list[Decision]:
        """The decisions on the last window that ends with a frame."""
        assert self.estimator is not None
        times, frames = self.estimator.recent(frame.time_s - self.window_s - 0.5)
        if not any(frames):
            self._labels = {}
            return []
        height, width = frame.image.shape[:2]
        fps = self.grabber.fps
        stacked = stack_frames(frames, self.estimator.skeleton, fps, width, height)
        window = resample(stacked, times, frame.time_s, self.window_s, fps)
        predictions = predict_latest(self.predictor, window, Path(self.source.name))
        latency_s = time.monotonic() - frame.arrived
        at = datetime.now(UTC) - timedelta(seconds=latency_s)
        start_s = max(0.0, frame.time_s - self.window_s)
        decisions = []
        for prediction in predictions:
            segment = prediction.segments[-1]
            decisions.append(
                Decision(
                    time_s=frame.time_s,
                    at=at,
                    latency_s=latency_s,
                    person_id=prediction.person_id,
                    segment=replace(segment, start_s=start_s, end_s=frame.time_s),
                    classes=prediction.classes,
                )
            )
        self.statistics.decisions += len(decisions)
        if decisions:
            self.statistics.decision_s.append(latency_s)
        self._labels = {d.person_id: d.segment for d in decisions}
        return decisions
