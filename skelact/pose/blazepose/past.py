"""The last frames of a video, within a limited amount of memory."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from skelact.video.decode import Frame

MAX_BYTES = 64 * 2**20


class Past:
    """Keeps the last `count` frames. Large ones are stored smaller, so that all of them fit into
    `max_bytes`."""

    def __init__(self, count: int, max_bytes: int = MAX_BYTES) -> None:
        self.count, self.max_bytes = count, max_bytes
        self._frames: deque[tuple[int, Frame, float]] = deque(maxlen=max(count, 1))

    def append(self, number: int, image: Frame) -> None:
        """Add the next frame."""
        if not self.count:
            return
        factor = math.ceil((self.count * image.nbytes / self.max_bytes) ** 0.5)
        if factor > 1:
            import cv2

            size = (max(1, image.shape[1] // factor), max(1, image.shape[0] // factor))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._frames.append((number, image, 1 / max(factor, 1)))

    def clear(self) -> None:
        """Forget all frames, at the start of a scene."""
        self._frames.clear()

    def backwards(self) -> list[tuple[int, Frame, float]]:
        """Number, image and scale of the frames, the latest first."""
        return list(reversed(self._frames))

    @property
    def nbytes(self) -> int:
        """Memory of the stored frames."""
        return sum(image.nbytes for _, image, _ in self._frames)
