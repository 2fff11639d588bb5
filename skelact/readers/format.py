"""The complete format of skeleton files, and sequences built with it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from skelact.errors import CheckpointError, InputError, reading
from skelact.readers.base import RawSequence
from skelact.readers.description import METRES, parse_axes
from skelact.schemas.base import Rate, Size
from skelact.skeletons import Skeleton
from skelact.skeletons.names import match_names
from skelact.types import Floats, PoseSequence


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about skeleton files that is needed to build sequences from them. `axes` are as in
    skeletons.toml; `missing` is the value of all coordinates of a missing joint, besides NaN;
    `size` is the width and height of the image [px]."""

    fps: Rate
    skeleton: Skeleton
    dims: Literal[2, 3]
    score: bool
    axes: str
    unit: str
    missing: float | None = None
    size: tuple[Size, Size] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for cache keys and checkpoints."""
        return {**msgspec.to_builtins(self), "skeleton": self.skeleton.as_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Format:
        """The inverse of as_dict. Raises CheckpointError for anything else."""
        with reading("The format of skeleton files in the checkpoint", CheckpointError):
            form = msgspec.convert(content, cls)
            parse_axes(form.axes)
        return form


def is_missing(points: Floats, mark: float | None) -> npt.NDArray[np.bool_]:
    """(..., D) -> (...): joints with a coordinate that is not finite, or with the mark in all."""
    missing = ~np.isfinite(points).all(axis=-1)
    if mark is not None:
        missing |= (points == mark).all(axis=-1)
    return np.asarray(missing)


def build(raw: RawSequence, form: Format, where: str) -> PoseSequence:
    """The sequence of a file: joints in the order of the layout, in metres (3-D) or pixels, NaN
    with score 0 where a joint is missing. A file that states its own layout or frame rate keeps
    them. Raises InputError if the joints or coordinates do not fit the format."""
    values, skeleton = _in_layout(raw, form, where)
    channels = values.shape[-1]
    has_score = form.score if raw.has_score is None else raw.has_score
    dims = channels - has_score
    if dims != form.dims:
        raise InputError(
            f"{where}: {channels} numbers per joint, which are not {form.dims}-D coordinates"
            + (" and a score" if has_score else ""),
            "All files of a folder need the same format; see dims and score in skeletons.toml.",
        )
    missing = is_missing(values[..., :dims], form.missing)
    points: Floats = np.where(missing[..., None], np.float32(np.nan), values[..., :dims])
    score = np.where(missing, np.float32(0), 1)
    if has_score:
        stated = np.clip(np.nan_to_num(values[..., -1]), 0, 1)
        score = np.where(missing, np.float32(0), stated)
    size = raw.size or form.size
    if dims == 2 and form.unit == "normalised":
        size = size or (2, 2)  # the aspect ratio is unknown
        points = points * np.array(size, np.float32)
    picked = parse_axes(form.axes)[:dims]
    points = points[..., [a for a, _ in picked]] * np.array([s for _, s in picked], np.float32)
    if size is None:
        size = _extent(np.asarray(points, np.float32)) if dims == 2 else (1, 1)
    sequence = PoseSequence(
        xy=np.full((*points.shape[:3], 2), np.nan, np.float32),
        score=np.asarray(score, np.float32),
        skeleton=skeleton,
        fps=raw.fps or form.fps,
        width=size[0],
        height=size[1],
        ids=tuple(range(len(points))),
    )
    if dims == 2:
        return replace(sequence, xy=np.asarray(points, np.float32))
    metres = np.asarray(points * METRES.get(raw.unit or form.unit, 1.0), np.float32)
    pixels = sequence.xy if raw.pixels is None else raw.pixels
    return replace(sequence, xyz=metres, xy=pixels)


def _in_layout(raw: RawSequence, form: Format, where: str) -> tuple[Floats, Skeleton]:
    """The values of a file with the joints of the format, or of the file's own layout."""
    if raw.joints and raw.joints != form.skeleton.joints:
        found = match_names(raw.joints, form.skeleton)
        if all(n is None for n in found):
            if raw.skeleton is not None:
                return raw.values, raw.skeleton
            raise InputError(
                f"{where}: none of its joints ({', '.join(raw.joints[:5])} …) is one of "
                f"{form.skeleton.name}",
                "Declare their layout with layout in skeletons.toml.",
            )
        values = np.full(
            (*raw.values.shape[:2], len(found), raw.values.shape[3]), np.nan, np.float32
        )
        for v, n in enumerate(found):
            if n is not None:
                values[:, :, v] = raw.values[:, :, n]
        return values, form.skeleton
    if raw.skeleton is not None and not raw.joints:
        return raw.values, raw.skeleton
    if raw.values.shape[2] != len(form.skeleton.joints):
        raise InputError(
            f"{where}: {raw.values.shape[2]} joints, but {form.skeleton.name} has "
            f"{len(form.skeleton.joints)}",
            "Leave the file out, or put it into a folder with its own skeletons.toml.",
        )
    return raw.values, form.skeleton


def _extent(points: Floats) -> tuple[int, int]:
    """A frame that holds all points (…, 2), for files that do not state its size."""
    known = points.reshape(-1, 2)[np.isfinite(points).all(axis=-1).ravel()]
    if not len(known):
        return 1, 1
    low, high = np.minimum(known.min(axis=0), 0), known.max(axis=0)
    width, height = (max(1, math.ceil(float(b - a))) for a, b in zip(low, high, strict=True))
    return width, height
