"""Complete a description with what files state, what a model was trained on, and guesses from the
data. Every guess is a notice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from skelact.errors import ConfigError
from skelact.readers.base import RawSequence
from skelact.readers.description import FILE_NAME, Described
from skelact.readers.format import Format, is_missing
from skelact.skeletons import Skeleton
from skelact.skeletons.fit import CLEARLY, MAX_RATIO, bone_ratio, joint_distances, ranked_layouts
from skelact.skeletons.names import layout_of, match_names
from skelact.types import Floats

FPS = 30.0
_FRAMES = 200  # frames of all samples that are looked at
_LIKELY_MARKS = (0.0, -1.0)
# axes that turn the given upward axis of a file to ours, without mirroring
_UPRIGHT = {
    **{(0, 1): "-y,x,z", (0, -1): "y,-x,z", (1, 1): "x,y,z", (1, -1): "x,-y,-z"},
    **{(2, 1): "x,z,-y", (2, -1): "x,-z,y"},
}
_AXES = ("+x", "+y", "+z"), ("-x", "-y", "-z")
_UPPER = ("head", "nose", "neck", "spine_shoulder", "left_shoulder", "right_shoulder")
_LOWER = ("left_ankle", "right_ankle", "left_foot", "right_foot", "left_knee", "right_knee")


def complete(
    described: Described, samples: Sequence[RawSequence], folder: Path, known: Format | None = None
) -> tuple[Format, list[str]]:
    """The format of the files that `samples` come from, and the guesses in it as sentences. Entries
    of skeletons.toml come first, then what the files state, then the format `known` of a model's
    training data if it has the same number of joints, then guesses. Raises ConfigError if the
    layout cannot be guessed, with the command that writes skeletons.toml."""
    d = described.content
    guesses: list[str] = []
    if known is not None and not _same_shape(known, samples):
        known = None
    values = samples[0].values
    dims, score = _channels(described, samples, known, guesses)
    mark = _mark(described, samples, dims, known, guesses)
    points = _poses(samples, dims, mark)
    skeleton = described.skeleton() or (known.skeleton if known else None)
    if skeleton is None:
        skeleton = samples[0].skeleton or _layout(samples[0], points, folder, guesses)
    elif d.layout is not None and not samples[0].joints:
        _check_bones(skeleton, points, guesses)
    unit = d.unit or samples[0].unit or (known.unit if known else None)
    if unit is None:
        unit = _unit(points, dims, guesses)
    axes = d.axes or (known.axes if known else None)
    if axes is None:
        order = samples[0].skeleton or skeleton
        if samples[0].joints:  # in the order of the file
            points = _by_name(points, match_names(samples[0].joints, order))
        axes = _axes(points, order, dims, guesses)
    fps = d.fps or (known.fps if known else None)
    if fps is None:
        stated = sorted({s.fps for s in samples if s.fps})
        fps = stated[0] if stated else FPS
        if not stated:
            guesses.append(f"the files state no frame rate; {FPS:g} frames per second are assumed")
    size = d.size or samples[0].size or (known.size if known else None)
    if dims == 2 and size is None:
        guesses.append("the size of the image is unknown; only normalise.mode=body does without it")
    assert values.ndim == 4
    return Format(
        fps=fps, skeleton=skeleton, dims=dims, score=score, axes=axes, unit=unit,
        missing=mark, size=size,
    ), guesses  # fmt: skip


def _same_shape(known: Format, samples: Sequence[RawSequence]) -> bool:
    channels = known.dims + known.score
    shape = samples[0].values.shape
    return samples[0].skeleton is None and shape[2:] == (len(known.skeleton.joints), channels)


def _channels(
    described: Described,
    samples: Sequence[RawSequence],
    known: Format | None,
    guesses: list[str],
) -> tuple[Literal[2, 3], bool]:
    """The dimensions, and whether a score follows the coordinates."""
    d, channels = described.content, samples[0].values.shape[3]
    has_score = d.score if d.score is not None else samples[0].has_score
    if known is not None and d.dims is None and has_score is None:
        return known.dims, known.score
    if has_score is None and d.dims is not None:
        has_score = channels > d.dims
    if has_score is None and channels == 3:
        has_score = _looks_like_score(samples)
        what = "x, y and a score" if has_score else "x, y, z"
        guesses.append(f"the three numbers per joint look like {what}")
    has_score = channels == 4 if has_score is None else has_score
    dims = d.dims or channels - has_score
    if dims not in (2, 3) or dims + has_score != channels:
        raise ConfigError(
            f"{described.path or 'The files'}: {channels} numbers per joint are not {dims} "
            "coordinates" + (" and a score" if has_score else ""),
            "Correct dims and score in skeletons.toml.",
        )
    return (2 if dims == 2 else 3), bool(has_score)


def _looks_like_score(samples: Sequence[RawSequence]) -> bool:
    """Whether the third number is in [0, 1] while the others are pixels, or all are in [0, 1]."""
    flat = np.concatenate([s.values.reshape(-1, s.values.shape[3]) for s in samples])
    flat = flat[np.isfinite(flat).all(axis=1)]
    flat = flat[flat.any(axis=1)]
    if not len(flat):
        return False
    third, xy = flat[:, 2], flat[:, :2]
    in_unit = third.min() >= 0 and third.max() <= 1
    return bool(in_unit and (np.abs(xy).max() > 10 or (xy.min() >= 0 and xy.max() <= 1)))


def _mark(
    described: Described,
    samples: Sequence[RawSequence],
    dims: int,
    known: Format | None,
    guesses: list[str],
) -> float | None:
    """The value that marks missing joints besides NaN."""
    stated = described.content.missing
    if stated is not None:
        return None if isinstance(stated, str) else float(stated)
    if known is not None:
        return known.missing
    total = sum(s.values[..., 0].size for s in samples)
    for mark in _LIKELY_MARKS:
        count = sum(int((s.values[..., :dims] == mark).all(axis=-1).sum()) for s in samples)
        if count > 1:  # one joint can be the origin by chance
            share = count / total
            guesses.append(
                f"joints with all coordinates {mark:g} are taken as missing ({share:.1%})"
            )
            return mark
    return None


def _poses(samples: Sequence[RawSequence], dims: int, mark: float | None) -> Floats:
    """(N, V, dims) persons in frames from all samples, at most _FRAMES, NaN for missing joints."""
    first = samples[0].values.shape[2]
    out = []
    for s in samples:
        if s.values.shape[2] != first:
            continue
        points = s.values[..., :dims].copy()
        points[is_missing(points, mark)] = np.nan
        flat = points.reshape(-1, first, dims)
        out.append(flat[~np.isnan(flat).all(axis=(1, 2))])
    poses = np.concatenate(out)
    return np.asarray(poses[:: max(1, len(poses) // _FRAMES)], np.float32)


def _layout(sample: RawSequence, points: Floats, folder: Path, guesses: list[str]) -> Skeleton:
    hint = (
        f"Run `skelact datasets init {folder}`, which writes {FILE_NAME} and a layout to correct."
    )
    if sample.joints:
        found = layout_of(sample.joints)
        if found is None:
            names = ", ".join(sample.joints[:6])
            raise ConfigError(
                f"{folder}: the joints {names} … are those of no layout that skelact knows", hint
            )
        guesses.append(f"the joint names fit {found.name}")
        return found
    count = points.shape[1]
    ranked = ranked_layouts(joint_distances(points))
    fitting = [(s, ratio) for s, ratio in ranked if ratio <= MAX_RATIO]
    if not fitting:
        same_count = ", ".join(s.name for s, _ in ranked)
        known = f"; the bones of {same_count} would be too long" if ranked else ""
        raise ConfigError(f"{folder}: {count} joints fit no layout that skelact knows{known}", hint)
    best, least = fitting[0]
    equal = [s for s, ratio in fitting if ratio <= CLEARLY * least]
    if len({s.joints for s in equal}) > 1:
        raise ConfigError(
            f"{folder}: {count} joints fit {' and '.join(s.name for s in equal)} equally well",
            f'State one in {FILE_NAME}, such as layout = "{best.name}". '
            f"`skelact datasets init {folder}` writes the file.",
        )
    guesses.append(f"{count} joints fit the layout {best.name}")
    return best


def _check_bones(skeleton: Skeleton, points: Floats, guesses: list[str]) -> None:
    """Warn of a declared layout whose bones are much too long, as with joints in another order."""
    if points.shape[1] != len(skeleton.joints):
        return
    ratio = bone_ratio(skeleton, joint_distances(points))
    if ratio > MAX_RATIO:
        guesses.append(
            f"warning: the bones of {skeleton.name} are {ratio:.1f} times as long as a tree of the "
            "nearest joints; is the order of the joints right?"
        )


def _by_name(points: Floats, indices: Sequence[int | None]) -> Floats:
    """Points (N, V, D) of these indices; NaN for None."""
    out = np.full((len(points), len(indices), points.shape[2]), np.nan, np.float32)
    for n, index in enumerate(indices):
        if index is not None:
            out[:, n] = points[:, index]
    return out


def _unit(points: Floats, dims: int, guesses: list[str]) -> str:
    known = points[np.isfinite(points).all(axis=-1)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    if dims == 2:
        unit = "normalised" if low >= 0 and high <= 1.5 else "px"
        text = "fractions of the image" if unit == "normalised" else "pixels"
        guesses.append(f"coordinates from {low:.4g} to {high:.4g} are taken as {text}")
        return unit
    extents = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
    height = float(np.nanmedian(extents.max(axis=1)))
    unit = "m" if height < 5 else "cm" if height < 400 else "mm"
    guesses.append(f"a body {height:.4g} high is taken as {unit}")
    return unit


def upright_axes(points: Floats, skeleton: Skeleton) -> str:
    """The axes that turn points (N, V, 3) upright without mirroring them, as in skeletons.toml."""
    return _axes(points, skeleton, 3, [])


def _axes(points: Floats, skeleton: Skeleton, dims: int, guesses: list[str]) -> str:
    """The axes by the direction from the legs to the head."""
    upper, lower = skeleton.find(*_UPPER), skeleton.find(*_LOWER)
    default = "x,y,z"[: 2 * dims - 1]
    if not upper or not lower or points.shape[1] != len(skeleton.joints):
        return default
    seen = np.isfinite(points)[..., 0]
    points = points[seen[:, upper].any(axis=1) & seen[:, lower].any(axis=1)]
    ups = np.nanmean(points[:, upper], axis=1) - np.nanmean(points[:, lower], axis=1)
    if not len(ups):
        return default
    up = np.median(ups, axis=0)
    axis = int(np.abs(up).argmax())
    sign = 1 if up[axis] > 0 else -1
    if np.abs(up[axis]) < 0.7 * np.linalg.norm(up):
        return default
    if dims == 2:
        if axis == 1 and sign > 0:
            guesses.append("y points up; it is turned to point down as in images")
            return "x,-y"
        return default
    axes = _UPRIGHT[axis, sign]
    if axes != default:
        guesses.append(f'{_AXES[sign < 0][axis]} of the files points up: axes = "{axes}"')
    return axes
