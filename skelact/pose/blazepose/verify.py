"""Whether a track is a person.

The landmark network's own probability is high on loudspeakers, animals and trees. On people, the
heat maps are sharp, most of all those of shoulders and hips, which animals lack; the mirrored crop
gives the same pose, the detector finds the person again, and the limbs keep their length. The
weights and thresholds were chosen on videos with and without people.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from skelact.pose.blazepose.landmarks import SKELETON, Fit
from skelact.pose.track import area, similarity, tolerances

_TOLERANCES = tolerances(SKELETON)
_MIRROR, _DETECTOR, _BONES = 0.3, 0.2, -0.5  # weights, that of the heat maps is 1
_TORSO = 2.0  # weight of the heat maps of shoulders and hips in the certainty
# thresholds at min_confidence 0.5: of the certainty, to accept a track and to keep an accepted one;
# of the quality, to start one and to go on with one that is not accepted
_ACCEPT, _KEEP, _START, _GO_ON = 1.65, 1.20, 0.50, 0.40
_CERTAINTY_PER_CONFIDENCE, _QUALITY_PER_CONFIDENCE = 3.5, 1.5  # change with min_confidence
_SHORT, _SHORT_S = 0.45, 1.0  # a track that is shorter than this time has to be more certain
_MEMORY_S = 3.0  # time in which evidence loses its weight
_LIMBS = (
    *(("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")),
    *(("shoulder", "hip"),),
)
_PAIRS = np.array(
    [
        [SKELETON.index(f"{side}_{joint}") for joint in limb]
        for side in ("left", "right")
        for limb in _LIMBS
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Evidence that is collected from time to time: similarity to the pose of the mirrored crop,
    and the score of the detection that agrees, 0 if there is none. Both in [0, 1]."""

    frame: int
    mirror: float
    detector: float


@dataclass(kw_only=True)
class Evidence:
    """What speaks for a track, with more weight on the last seconds."""

    fps: float
    stride: int = 1  # frames from one pose to the next, above 1 where frames were left out
    frames: int = 0
    checks: int = 0
    last_check: int = -1
    _frame_sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    _bone_sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, len(_PAIRS))))
    _check_sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    def add(self, fit: Fit) -> None:
        """Add the pose of a frame."""
        decay = np.exp(-self.stride / (_MEMORY_S * self.fps))
        bones = np.linalg.norm(fit.xyz[_PAIRS[:, 0]] - fit.xyz[_PAIRS[:, 1]], axis=1)
        self.frames += self.stride
        self._frame_sums = self._frame_sums * decay + [1, fit.peak, fit.torso_peak]
        self._bone_sums = self._bone_sums * decay + np.stack([bones, bones**2])

    def add_check(self, check: Check) -> None:
        """Add a check."""
        steps = check.frame - self.last_check if self.checks else 0
        decay = np.exp(-steps / (_MEMORY_S * self.fps))
        self._check_sums = self._check_sums * decay + [1, check.mirror, check.detector]
        self.checks, self.last_check = self.checks + 1, check.frame

    @property
    def quality(self) -> float:
        """The weighted sum of the evidence, in [0, 1.5]."""
        if not self.checks or not self.frames:
            return 0.0
        weight, peak, _ = self._frame_sums
        mean, square = self._bone_sums / weight
        deviation = np.sqrt(np.maximum(square - mean**2, 0)) / np.maximum(mean, 1e-6)
        count, mirror, detector = self._check_sums
        return float(
            peak / weight
            + (_MIRROR * mirror + _DETECTOR * detector) / count
            + _BONES * np.median(deviation)
        )

    @property
    def certainty(self) -> float:
        """The quality and the weighted heat maps of shoulders and hips, in [0, 3.5]."""
        if not self.checks or not self.frames:
            return 0.0
        weight, _, torso = self._frame_sums
        return self.quality + _TORSO * float(torso / weight)

    def is_person(self, accepted: bool, min_confidence: float) -> bool:
        """Whether the track is a person. `accepted` says that it was one before: a lower threshold
        then avoids interruptions."""
        threshold = _KEEP if accepted else _ACCEPT
        if not accepted:
            missing = max(0.0, 1 - self.frames / (_SHORT_S * self.fps))
            threshold += _SHORT * missing * min(1.0, min_confidence / 0.5) ** 2
        return self.certainty >= threshold + _CERTAINTY_PER_CONFIDENCE * (min_confidence - 0.5)

    def may_start(self, min_confidence: float) -> bool:
        """Whether a new track is worth following."""
        return self.quality >= _START + _QUALITY_PER_CONFIDENCE * (min_confidence - 0.5)

    def is_hopeless(self, min_confidence: float) -> bool:
        """Whether a track that is not accepted will not become a person."""
        return self.quality < _GO_ON + _QUALITY_PER_CONFIDENCE * (min_confidence - 0.5)


def same_pose(a: Fit, b: Fit) -> float:
    """OKS of two poses for the smaller of their areas, so that a person beside another one is not
    confused with a large one."""
    return similarity(a.xy, b.xy, min(area(a.xy), area(b.xy)), _TOLERANCES)
