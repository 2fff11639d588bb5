"""Skeleton files drawn on a blank canvas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skelact.types import PersonPose, PoseSequence, VideoInfo
from skelact.video.decode import Frame

_HEIGHT, _MARGIN, _GREY = 480, 0.1, 24
_WIDEST = 3.0  # width of the canvas relative to its height


def on_canvas(
    sequence: PoseSequence, path: Path
) -> tuple[VideoInfo, list[list[PersonPose]], Iterator[Frame]]:
    """The persons of every frame in pixels of a canvas that holds the whole movement, and the empty
    frames. 3-D joints are seen from the front: x to the right, y upwards."""
    if np.isnan(sequence.xy).all() and sequence.xyz is not None:
        points = sequence.xyz[..., :2] * np.array([1, -1], np.float32)
    else:
        points = sequence.xy
    low, high = np.nanmin(points, axis=(0, 1, 2)), np.nanmax(points, axis=(0, 1, 2))
    extent = np.maximum(high - low, 1e-6)
    scale = _HEIGHT * (1 - 2 * _MARGIN) / max(extent[1], extent[0] / _WIDEST)
    width = int(max(_HEIGHT, extent[0] * scale + 2 * _MARGIN * _HEIGHT)) // 2 * 2
    middle = np.array([width / 2, _HEIGHT / 2], np.float32)
    drawn = ((points - (low + high) / 2) * scale + middle).astype(np.float32)
    frames = [
        [
            PersonPose(drawn[m, t], sequence.score[m, t], person_id=sequence.ids[m])
            for m in range(sequence.persons)
            if not np.isnan(drawn[m, t]).all()
        ]
        for t in range(sequence.frames)
    ]
    info = VideoInfo(
        path=path, width=width, height=_HEIGHT, fps=sequence.fps, frames=sequence.frames
    )
    blank = np.full((_HEIGHT, width, 3), _GREY, np.uint8)
    return info, frames, (blank for _ in range(sequence.frames))
