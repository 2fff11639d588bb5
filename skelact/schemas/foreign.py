"""JSON documents of other programs that datasets consist of. Fields that are not needed may hold
anything."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from skelact.schemas.base import Count, Size

Label = str | int
_FEW = 1000  # elements of an array that stands for plain values


class PysklAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    """What skelact uses of one sample of an annotation pickle besides its arrays `keypoint` and
    `keypoint_score`, with plain values for NumPy scalars. mmaction2's older files say `filename`
    in place of `frame_dir`."""

    frame_dir: Label = ""
    filename: Label = ""
    label: Annotated[int, Meta(ge=-1, lt=1_000_000)] = -1

    @property
    def name(self) -> str:
        return str(self.frame_dir or self.filename)


class PysklSize(msgspec.Struct, frozen=True, kw_only=True):
    """The height and width of the frames of a sample."""

    img_shape: tuple[Size, Size] = (1080, 1920)


PysklSplit = dict[str, list[Label]]


def plain(value: Any) -> Any:
    """A value of a pickle with plain values for NumPy scalars and small arrays."""
    if isinstance(value, np.ndarray | np.generic) and value.size < _FEW:
        return value.tolist()
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


class KineticsLabel(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of kinetics_{train,val}_label.json."""

    label: Label
    has_skeleton: bool = False


class KineticsPerson(msgspec.Struct, frozen=True, kw_only=True):
    """One person in a frame: `pose` (2 x 18) are x, y in fractions of the frame, `score` (18,)."""

    pose: Annotated[list[float], Meta(min_length=36, max_length=36)]
    score: Annotated[list[float], Meta(min_length=18, max_length=18)]


class KineticsFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a sample of Kinetics-skeleton."""

    frame_index: Count
    skeleton: list[KineticsPerson]


class KineticsSample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of Kinetics-skeleton. The clips have 10 s at 30 frames per second."""

    data: Annotated[list[KineticsFrame], Meta(max_length=100_000)]


class NwUclaSample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of NW-UCLA as processed for CTR-GCN: [T][20][3]."""

    skeletons: list[list[list[float]]]
