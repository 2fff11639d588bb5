"""When a model answers "unknown", and why: the score that decides, its threshold, and the reason of
each segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from skelact.errors import CheckpointError, ConfigError
from skelact.inference.ensemble import MemberModel
from skelact.inference.score_names import PROBABILITY, SCORES, obstacle
from skelact.inference.scores import Scorer
from skelact.inference.segments import MIN_LABEL_SHARE
from skelact.options import PredictOptions
from skelact.schemas import Calibration, CheckpointDocument
from skelact.types import UNKNOWN, Segment

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """The rule of a predictor: frames whose score is below the threshold are "unknown"."""

    score: str
    threshold: float
    combination: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        calibration: Calibration,
        options: PredictOptions,
        groups: Sequence[Sequence[MemberModel]],
    ) -> Rejection:
        """The rule of a calibrated model and of the options; `groups` are the networks, those of
        one window length together.

        A threshold that is set in the options is one of the probability. Raises ConfigError for a
        score that the model cannot give or that was not calibrated, CheckpointError if it is the
        model's own calibration that names such a score."""
        forced, threshold = options.score is not None, options.unknown_threshold
        score = options.score or calibration.score
        if threshold is not None:
            if options.score not in (None, PROBABILITY):
                raise ConfigError(
                    f"unknown_threshold is a probability, not a value of the score {score}",
                    "Leave out --score, or --unknown-threshold.",
                )
            return cls(score=PROBABILITY, threshold=threshold)
        statistics = [[m.statistics for m in group] for group in groups]
        problem = obstacle(score, statistics, calibration.combination)
        stored = calibration.threshold_of(score)
        if problem and not forced:
            text = f"The calibration of the model uses the score {score}, but {problem}"
            raise CheckpointError(text, CheckpointDocument.hint)
        if problem:
            raise ConfigError(
                f"The model cannot give the score {score}: {problem}", "Use another --score."
            )
        if stored is None:
            known = [name for name in SCORES if calibration.threshold_of(name) is not None]
            raise ConfigError(
                f"The model has no threshold for the score {score}, only for {', '.join(known)}",
                "Choose one: skelact calibrate RUN negatives/ --apply. Then export files again.",
            )
        return cls(score=score, threshold=stored, combination=calibration.combination)

    def scorer(self, classes: tuple[str, ...], temperature: float) -> Scorer | None:
        """What computes the score of a window; None for the probability, which is known anyway."""
        if self.score == PROBABILITY:
            return None
        return Scorer(
            names=(self.score,),
            classes=classes,
            temperature=temperature,
            combination=self.combination,
        )

    def explain(
        self,
        segments: Sequence[Segment],
        scores: Array | None,
        fps: float,
        classes: tuple[str, ...],
        min_segment_s: float,
    ) -> tuple[Segment, ...]:
        """The segments with the score of each, and with the reason of those that are "unknown".
        `scores` (frames,) are those of the frames, None for the probability."""
        out = []
        for s in segments:
            value = self._score(s, scores, fps, classes)
            reason = ""
            if s.label == UNKNOWN:
                reason = self._reason(s, value, classes, min_segment_s)
            out.append(replace(s, score=value, reason=reason))
        return tuple(out)

    def _score(
        self, segment: Segment, scores: Array | None, fps: float, classes: tuple[str, ...]
    ) -> float:
        if scores is None:
            if segment.label != UNKNOWN:
                return segment.probability
            pairs = zip(classes, segment.probabilities, strict=True)
            return max((p for name, p in pairs if name != UNKNOWN), default=0.0)
        part = scores[round(segment.start_s * fps) : round(segment.end_s * fps)]
        return float(np.nanmean(part))

    def _reason(
        self, segment: Segment, value: float, classes: tuple[str, ...], min_segment_s: float
    ) -> str:
        named = dict(zip(classes, segment.probabilities, strict=True))
        own = named.pop(UNKNOWN, 0.0)
        if own > max(named.values(), default=0.0):
            return f"class unknown is the most probable ({own:.2f})"
        if value < self.threshold:
            return f"{self.score} {value:.2f} is below the threshold {self.threshold:.2f}"
        return f"no action lasts {min_segment_s:g} s"


def reason_of_clip(label: str, segments: Sequence[Segment]) -> tuple[float, str]:
    """The score of a clip with this label, which is the mean over the time of its segments with the
    label; and if it is "unknown" the reason: that of the longest segment, or that no action lasts
    long enough."""
    own = [s for s in segments if s.label == label] or list(segments)
    lengths = [s.end_s - s.start_s for s in own]
    score = float(np.average([s.score for s in own], weights=lengths))
    if label != UNKNOWN:
        return score, ""
    if any(s.label != UNKNOWN for s in segments):
        return score, f"no action lasts for {MIN_LABEL_SHARE:.0%} of the time"
    return score, max(own, key=lambda s: s.end_s - s.start_s).reason
