"""Hands and faces of the blazepose estimator against MediaPipe's Holistic, which runs the same
networks. Needs mediapipe (see reference.py).

    python -m benchmarks hands [DATA]

DATA is a folder with clips/. Holistic processes single frames (static_image_mode) and finds one
person. Two comparisons: hands and faces that our code finds from the joints of Holistic's body, and
those of the complete estimator, without smoothing, whose bodies and previous frames differ. Hands
are compared by the median distance of their joints over the length of the palm, faces by that of
their points over the distance of the pupils.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import reference
from skelact.pose.base import FrameRef, PoseOptions
from skelact.pose.blazepose import BlazePose
from skelact.pose.blazepose.details import Details
from skelact.pose.blazepose.face import points_70
from skelact.pose.blazepose.finder import DetailFinder
from skelact.pose.blazepose.landmarks import Fit, Region
from skelact.skeletons import FACE_70, HAND_21, Part, parts_of
from skelact.types import Floats
from skelact.video.decode import read_frames
from skelact.video.probe import probe

CLIPS = ("karate.mp4", "tai_chi.mp4", "S001C001P001R001A001_rgb.avi", "two_people_1080p.mp4")
PARTS: tuple[Part, ...] = ("hand_left", "hand_right", "face")
_EVERY = 5  # frames between two that are compared
_NEAR = 0.5  # distance of the noses of one person, as a fraction of the torso


@dataclass
class Comparison:
    """Counts of hands or faces, and distances where both programs found them."""

    theirs: int = 0
    ours: int = 0
    gaps: list[float] = field(default_factory=list)

    def add(self, theirs: Floats | None, ours: Floats | None) -> None:
        self.theirs += theirs is not None
        self.ours += ours is not None
        if theirs is not None and ours is not None:
            unit = float(np.linalg.norm(np.subtract(*theirs[list(_unit(len(theirs)))])))
            self.gaps.append(float(np.median(np.linalg.norm(ours - theirs, axis=1))) / unit)

    def __str__(self) -> str:
        text = f"Holistic {self.theirs:3d}, ours {self.ours:3d}, both {len(self.gaps):3d}"
        if not self.gaps:
            return text
        return f"{text}: median {np.median(self.gaps):.4f}, 90 % {np.quantile(self.gaps, 0.9):.3f}"


def _unit(joints: int) -> tuple[int, int]:
    """The joints whose distance is the unit: palm length, or distance of the pupils."""
    if joints == len(HAND_21.joints):
        return HAND_21.index("wrist"), HAND_21.index("middle_1")
    return FACE_70.index("right_pupil"), FACE_70.index("left_pupil")


def holistic(
    frames: Sequence[npt.NDArray[np.uint8]],
) -> list[tuple[Fit, dict[Part, Floats]] | None]:
    """The body of each frame, and the hands and the face that were found, in pixels."""
    import cv2
    import mediapipe as mp

    out: list[tuple[Fit, dict[Part, Floats]] | None] = []
    with mp.solutions.holistic.Holistic(static_image_mode=True) as pipeline:
        for frame in frames:
            result = pipeline.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            size = np.array([frame.shape[1], frame.shape[0]], np.float32)

            def points(landmarks: Any, size: Floats = size) -> Floats:
                return np.array([(p.x, p.y) for p in landmarks.landmark], np.float32) * size

            if not result.pose_landmarks:
                out.append(None)
                continue
            xy = points(result.pose_landmarks)
            score = np.array([p.visibility for p in result.pose_landmarks.landmark], np.float32)
            body = Fit(
                xy=xy,
                score=score,
                xyz=np.zeros((len(xy), 3), np.float32),
                presence=1.0,
                peak=1.0,
                torso_peak=1.0,
                region=Region(x=0, y=0, size=1),
            )
            parts: dict[Part, Floats] = {}
            if result.left_hand_landmarks:
                parts["hand_left"] = points(result.left_hand_landmarks)
            if result.right_hand_landmarks:
                parts["hand_right"] = points(result.right_hand_landmarks)
            if result.face_landmarks:
                parts["face"] = points_70(points(result.face_landmarks))
            out.append((body, parts))
    return out


def _parts(details: Details) -> dict[Part, Floats]:
    hands = {"hand_left": details.left, "hand_right": details.right}
    out: dict[Part, Floats] = {k: h.xy for k, h in hands.items() if h is not None}  # type: ignore[misc]
    return out | ({} if details.face is None else {"face": points_70(details.face.mesh)})


def compare(video: Path) -> None:
    """Print both comparisons for one video."""
    info = probe(video)
    frames = list(read_frames(info))
    numbers = range(0, len(frames), _EVERY)
    theirs = dict(zip(numbers, holistic([frames[n] for n in numbers]), strict=True))
    options = PoseOptions(estimator="blazepose", hands=True, face=True, smoothing=0.0)
    estimator = BlazePose(options)
    refs = (FrameRef(video=0, frame=n, fps=info.fps, image=image) for n, image in enumerate(frames))
    people = [p for _, p in estimator.run(refs)]
    slices = parts_of(estimator.skeleton)
    finder = DetailFinder.load(hands=True, face=True)
    tables: dict[str, dict[Part, Comparison]] = defaultdict(lambda: defaultdict(Comparison))
    for n, reference_result in theirs.items():
        if reference_result is None:
            continue
        body, parts = reference_result
        ours = _parts(finder.find(frames[n], body))
        torso = np.linalg.norm(body.xy[[11, 12]].mean(0) - body.xy[[23, 24]].mean(0))
        near = min(
            people[n], key=lambda p: float(np.linalg.norm(p.xy[0] - body.xy[0])), default=None
        )
        for part in PARTS:
            tables["same body"][part].add(parts.get(part), ours.get(part))
            if near is not None and np.linalg.norm(near.xy[0] - body.xy[0]) < _NEAR * torso:
                xy, score = near.xy[slices[part]], near.score[slices[part]]
                tables["estimator"][part].add(parts.get(part), xy if score.any() else None)
    print(f"{video.name}: {len(theirs)} frames")
    for name, table in tables.items():
        for part, comparison in table.items():
            print(f"  {name:10s} {part:10s} {comparison}")


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[2:] if arguments is None else arguments)
    clips = Path(given[0] if given else "data") / "clips"
    if not reference.is_installed():
        return
    for name in CLIPS:
        if (clips / name).exists():
            compare(clips / name)
