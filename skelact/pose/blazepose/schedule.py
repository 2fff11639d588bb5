"""When to run the detector and on which tiles, so that its cost per second of video is limited."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skelact.pose.blazepose.detector import Tile, fine, squares, whole
from skelact.types import Floats
from skelact.video.decode import Frame

_EMPTY_S = 0.1  # time between detections in the whole frame while nobody is followed
_DOUBT_S = 0.3  # time between detections while a person is new, hidden or lost
_LARGE = 720  # shorter side of a frame in which persons can be small, in pixels
_FINE_EVERY = 4  # regular detections of large frames between two with fine tiles

_THUMBNAIL = (32, 18)
_BINS = 16
_CUT_CHANGE, _CUT_COLOURS = 0.12, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Most detector inferences per second of video: while nobody is followed, while all persons are
    followed, and while somebody is new, hidden or lost. The start of a scene adds `at_start`."""

    empty: float
    followed: float
    doubtful: float
    at_start: int


class Schedule:
    """Selects the tiles of every frame of one video.

    A regular detection covers the whole frame and its square tiles, every `every_s`. Fine tiles
    (`small_people`) are added at the start of a scene, to every second regular detection while
    nobody is followed, and to every fourth one of a large frame (auto); always; or never (off).
    """

    def __init__(
        self, *, width: int, height: int, fps: float, every_s: float, small_people: str
    ) -> None:
        self.whole, self.regular = whole(width, height), whole(width, height)
        self.regular += squares(width, height)
        self.fine = [] if small_people == "off" else fine(width, height)
        self.always = small_people == "always"
        self.large = min(width, height) >= _LARGE
        self.fps = fps
        self.every = max(1, round(every_s * fps))
        self.empty_every = min(self.every, max(2, round(_EMPTY_S * fps)))
        self.doubt_every = min(self.every, max(2, round(_DOUBT_S * fps)))
        # frames since a detection, since one with square tiles, and since a regular one
        self._since = self._since_tiles = self._since_regular = 0
        self._regulars = 0
        self._started = False

    def tiles(self, *, cut: bool, followed: int, doubtful: bool, steps: int = 1) -> list[Tile]:
        """The tiles of the next frame. `cut` says that a scene starts with it, `followed` how many
        persons are followed, `doubtful` that somebody is new, hidden or lost, `steps` how many
        frames it is after the one before."""
        self._since += steps
        self._since_tiles += steps
        self._since_regular += steps
        if cut or not self._started:
            self._started, self._regulars = True, 0
            self._since = self._since_tiles = self._since_regular = 0
            return self.regular + self.fine
        if self._since_regular >= self.every:
            self._since = self._since_tiles = self._since_regular = 0
            self._regulars += 1
            return self.regular + (self.fine if self._is_fine(followed) else [])
        if doubtful and self._since_tiles >= self.doubt_every:
            self._since = self._since_tiles = 0
            return self.regular
        if not followed and self._since >= self.empty_every:
            self._since = 0
            return self.whole
        return []

    def _is_fine(self, followed: int) -> bool:
        period = 1 if self.always else 2 if not followed else _FINE_EVERY if self.large else 0
        return bool(period) and self._regulars % period == 0

    @property
    def rate(self) -> Rate:
        """The budget."""
        regulars = self.fps / self.every
        shares = (1.0, 1.0) if self.always else (0.5, 1 / _FINE_EVERY if self.large else 0.0)
        empty, followed = (regulars * (len(self.regular) + s * len(self.fine)) for s in shares)
        searches = self.fps / self.empty_every
        return Rate(
            empty=empty + searches,
            followed=followed,
            doubtful=empty + searches + len(self.regular) * self.fps / self.doubt_every,
            at_start=len(self.regular) + len(self.fine),
        )


class SceneCuts:
    """Finds frames with which a new scene starts: most pixels of a thumbnail change, and its
    colours too, which a moving camera keeps."""

    def __init__(self) -> None:
        self._small: Floats | None = None
        self._colours: Floats | None = None

    def is_cut(self, image: Frame) -> bool:
        """Whether the next frame of a video starts a scene. The first one does not."""
        small = thumbnail(image)
        levels = np.minimum((small * _BINS).astype(int), _BINS - 1)
        colours = np.stack(
            [np.bincount(levels[..., c].ravel(), minlength=_BINS) for c in range(3)]
        ).astype(np.float32) / (small.shape[0] * small.shape[1])
        last, last_colours = self._small, self._colours
        self._small, self._colours = small, colours
        if last is None or last_colours is None:
            return False
        change = float(np.abs(small - last).mean())
        shift = float(np.abs(colours - last_colours).sum(axis=1).mean()) / 2
        return change > _CUT_CHANGE and shift > _CUT_COLOURS


def thumbnail(image: Frame) -> Floats:
    """A few means of blocks of a frame, (18, 32, 3) in [0, 1]."""
    import cv2

    step = max(1, math.ceil(min(image.shape[0] / 72, image.shape[1] / 128)))
    small = cv2.resize(image[::step, ::step], _THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255
