"""Network input: the only code between a PoseSequence and what a network sees.

Training, testing, calibration and prediction all use it. There are two steps. `clip_values` turns
a clean PoseSequence into an array (M, T, V, C) with NaN for missing joints; the packed dataset
stores these arrays. `ClipArrays` holds many of them and builds batches (N, M, L, V, C * streams)
without NaN from them. The second step works on NumPy arrays and on torch tensors of any device.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.sequence import streams
from skelact.sequence.clean import (
    SequenceOptions,
    between_detections,
    drop_low_scores,
    fill_gaps,
    rank_persons,
    take_persons,
)
from skelact.sequence.normalise import (
    NormaliseOptions,
    flatten_person_frames,
    is_per_frame,
    kinect_order,
    normalise,
)
from skelact.sequence.sampling import Indices, Positions, SamplingOptions, testing_indices
from skelact.sequence.stack import take_frames, to_skeleton, visible_frames
from skelact.skeletons import Skeleton
from skelact.types import Floats, PoseSequence

Array = Any  # a NumPy array or a torch tensor


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What a network expects as input. `persons` is the size of the persons axis; the options say
    how persons are chosen and how their joints are normalised and sampled.

    Networks with equal specs take the same input."""

    skeleton: Skeleton
    persons: int
    sequence: SequenceOptions
    normalise: NormaliseOptions
    sampling: SamplingOptions

    @property
    def before_sampling(self) -> InputSpec:
        """The spec with default sampling, which identifies the `clip_values` it leads to."""
        return replace(self, sampling=SamplingOptions())


def clip_values(sequence: PoseSequence, skeleton: Skeleton, options: NormaliseOptions) -> Floats:
    """A clean sequence as (M, T, V, C) float32 in the joints of `skeleton`, normalised; missing
    joints are NaN. With `flatten_persons`, M is 1 and T counts persons in frames.

    Raises ConfigError if the poses do not have the coordinates that `options` ask for."""
    return _flattened(normalise(to_skeleton(sequence, skeleton), options), options)


def window_values(
    sequence: PoseSequence,
    windows: Sequence[tuple[int, int]],
    spec: InputSpec,
    *,
    as_stored: bool = False,
) -> list[Floats]:
    """The `clip_values` (M, T', V, C) of windows [start, end) of a sequence that was stacked but
    not cleaned, with the most prominent persons of each window. Equal to cleaning and normalising
    every window by itself, as training does with clips, but most of the work is done once.

    Once for the sequence: removing low scores, filling gaps, converting joints, and normalisation
    in the modes that treat every frame by itself (image, unit, none). For every window: the choice
    of persons, leaving gaps open that reach beyond the window, normalisation in modes that depend
    on the clip (body, kinect, kinect-frame), `flatten_persons` and `minmax`.

    With `as_stored`, persons are neither chosen nor cleaned, as in training on the sequences of
    published datasets."""
    options = spec.normalise
    if as_stored:
        return [
            clip_values(take_frames(sequence, a, b), spec.skeleton, options) for a, b in windows
        ]
    detected = drop_low_scores(sequence, spec.sequence.min_score)
    sources = [detected, fill_gaps(detected, spec.sequence.max_gap_s)]
    detected, filled = (to_skeleton(s, spec.skeleton) for s in sources)
    per_frame = is_per_frame(options)
    values = [normalise(s, options) for s in (detected, filled)] if per_frame else []
    clips = []
    for start, end in windows:
        raw = take_frames(sequence, start, end)
        visible = visible_frames(raw).any(axis=1)
        rows = [i for i in rank_persons(raw) if visible[i]][: spec.sequence.persons]
        window = take_persons(take_frames(detected, start, end), rows)
        inside = between_detections(window)
        if per_frame:
            before, after = (v[rows, start:end] for v in values)
            clip = np.where(inside[..., None], after, before)
        else:
            window_filled = take_persons(take_frames(filled, start, end), rows)
            clip = normalise(_merged(inside, window_filled, window), options)
        clips.append(_flattened(clip, options))
    return clips


def window_cells(
    sequence: PoseSequence,
    window: tuple[int, int],
    spec: InputSpec,
    *,
    as_stored: bool = False,
) -> tuple[Indices, Indices]:
    """Where the `window_values` of one window come from: the person of the sequence and its frame,
    both (M, T') int64."""
    start, end = window
    raw = take_frames(sequence, start, end)
    visible = visible_frames(raw).any(axis=1)
    rows = np.arange(sequence.persons)
    if not as_stored:
        chosen = [i for i in rank_persons(raw) if visible[i]][: spec.sequence.persons]
        rows = np.array(chosen, np.int64)
    frames = np.arange(start, end)

    def values(**changes: Any) -> Floats:
        options = replace(spec.normalise, flatten_persons=False, **changes)
        changed = replace(spec, normalise=options)
        return window_values(sequence, [window], changed, as_stored=as_stored)[0]

    if spec.normalise.mode.startswith("kinect"):
        every_frame = spec.normalise.mode == "kinect-frame"
        order, kept = kinect_order(values(mode="none"), every_frame)
        rows, frames = rows[order], frames[kept]
    persons = np.repeat(rows[:, None], len(frames), axis=1)
    times = np.repeat(frames[None], len(rows), axis=0)
    if spec.normalise.flatten_persons:
        seen = ~np.isnan(values()[..., :2]).all(axis=(2, 3)).T  # (T, M)
        if not seen.any():
            return persons[:1, :1], times[:1, :1]
        return persons.T[seen][None], times.T[seen][None]
    return persons, times


def _merged(
    where: npt.NDArray[np.bool_], first: PoseSequence, second: PoseSequence
) -> PoseSequence:
    """The joints of `first` under the mask (M, T, V), those of `second` elsewhere."""
    xyz = None
    if first.xyz is not None and second.xyz is not None:
        xyz = np.where(where[..., None], first.xyz, second.xyz)
    return replace(
        first,
        xy=np.where(where[..., None], first.xy, second.xy),
        score=np.where(where, first.score, second.score),
        xyz=xyz,
    )


def _flattened(values: Floats, options: NormaliseOptions) -> Floats:
    return flatten_person_frames(values) if options.flatten_persons else values


def pad_persons(values: Floats, persons: int) -> Floats:
    """(M, T, V, C) -> (persons, T, V, C): the first `persons`, or all of them followed by NaN."""
    out = np.full((persons, *values.shape[1:]), np.nan, np.float32)
    out[: len(values)] = values[:persons]
    return out


@dataclass(frozen=True, kw_only=True)
class ClipArrays:
    """Many clips in one array. `values` (F, M, V, C) float32 holds the frames of all clips, NaN for
    missing joints; clip i has `lengths[i]` frames from row `offsets[i]` on. The first `dims`
    channels are coordinates. `minmax` scales them to -1..1 in every sampled clip."""

    values: Array
    offsets: Indices
    lengths: Indices
    skeleton: Skeleton
    dims: int
    minmax: bool = False

    @classmethod
    def of(cls, clips: Sequence[Floats], spec: InputSpec) -> ClipArrays:
        """NumPy arrays from the `clip_values` (M, T, V, C) of several clips, with the persons of
        `spec`."""
        padded = [pad_persons(clip, spec.persons).swapaxes(0, 1) for clip in clips]
        lengths = np.array([len(clip) for clip in padded], np.int64)
        return cls(
            values=np.concatenate(padded),
            offsets=np.cumsum(lengths) - lengths,
            lengths=lengths,
            skeleton=spec.skeleton,
            dims=spec.normalise.coordinates,
            minmax=spec.normalise.minmax,
        )

    @cached_property
    def parents(self) -> Array:
        """(V,) indices of the joints' parents, on the device of `values`."""
        return on_device(self.skeleton.parent_indices, self.values)

    @cached_property
    def flip_index(self) -> Array:
        """(V,) permutation that exchanges left and right, on the device of `values`."""
        return on_device(self.skeleton.flip_index, self.values)

    def gather(self, clips: Indices, frames: Indices) -> Array:
        """(N, M, L, V, C): frames (N, L) of the clips (N,). Missing joints are NaN; a frame of -1
        is empty and gives 0."""
        rows = self.offsets[clips][:, None] + np.maximum(frames, 0)
        x = self.values[on_device(rows, self.values)]  # (N, L, M, V, C)
        empty = frames < 0
        if empty.any():
            mask = on_device(empty, x)[:, :, None, None, None]
            x = _namespace(x).where(mask, 0.0, x)
        return x.swapaxes(1, 2)

    def build_input(
        self,
        clips: Indices,
        frames: Positions,
        names: tuple[str, ...],
        change: Callable[[Array, Positions], Array] | None = None,
        steps: Floats | None = None,
    ) -> Array:
        """(N, M, L, V, C * streams) without NaN: the named streams of frames (N, L) of the clips
        (N,). `change` (an augmentation) is applied to the sampled frames (N, M, L, V, C) at their
        positions (N, L). `steps` (N,) are the frames from one to the next that are used of each
        clip, to simulate a lower frame rate."""
        ends = self.lengths[clips][:, None] - 1

        def take(positions: Positions) -> Array:
            x = interpolate_frames(
                lambda indices: self.gather(clips, indices), positions, ends, steps
            )
            return x if change is None else change(x, positions)

        return build_input(
            take,
            frames,
            ends,
            names=names,
            parents=self.parents,
            dims=self.dims,
            minmax=self.minmax,
        )

    def test_input(self, clips: Indices, sampling: SamplingOptions) -> tuple[Array, int]:
        """The input of the clips (N,) at test time, (N * draws, M, L, V, C * streams) without NaN,
        draws of a clip next to each other; and the number of draws per clip. With `test_flip` every
        draw is followed by its mirror image, which counts as a draw."""
        frames = np.stack([testing_indices(int(self.lengths[i]), sampling) for i in clips])
        draws = frames.shape[1]
        names = streams.parse(sampling.streams)
        x = self.build_input(np.repeat(clips, draws), frames.reshape(-1, frames.shape[2]), names)
        if not sampling.test_flip:
            return x, draws
        both = _namespace(x).stack([x, flip_input(x, self.flip_index, len(names))], axis=1)
        return both.reshape(-1, *x.shape[1:]), 2 * draws


def build_input(
    take: Callable[[Positions], Array],
    frames: Positions,
    ends: Indices,
    *,
    names: tuple[str, ...],
    parents: Array,
    dims: int,
    minmax: bool,
) -> Array:
    """(N, M, L, V, C * streams) without NaN: the named streams of `frames` (N, L), -1 for empty.

    `take` returns frames as (N, M, L, V, C) with NaN for missing joints; `ends` (N, 1) is the last
    frame of each clip; `parents` (V,) are the parents' indices."""
    x = take(frames)
    following = last = None
    if streams.needs_next_frame(names):
        following = take(np.where(frames < 0, -1, np.minimum(frames + 1, ends)))
        last = on_device(frames >= ends, x)[:, None, :, None, None]
    if minmax:
        empty = on_device(frames < 0, x)[:, None, :, None, None]
        x, following = minmax_scale(x, following, empty, dims)
    xp = _namespace(x)
    parts = streams.parts(x, following, last, parents, dims, names)
    return xp.nan_to_num(parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=-1))


def interpolate_frames(
    take: Callable[[Indices], Array],
    positions: Positions,
    ends: Indices,
    steps: Floats | None = None,
) -> Array:
    """Frames at integer positions (N, L), or between them by linear interpolation. Where a joint is
    missing in one of the two neighbouring frames, the other one is used.

    `take` returns the frames of integer indices as (N, M, L, V, C); `ends` (N, 1) is the last frame
    of each clip. With `steps` (N,), only every steps-th frame of a clip is used, from its first
    on."""
    if steps is None and not np.issubdtype(positions.dtype, np.floating):
        return take(positions.astype(np.int64))
    if steps is None:
        low = np.floor(positions).astype(np.int64)
        high, weights = np.minimum(low + 1, ends), positions - low
    else:
        number = np.floor(positions / steps[:, None] + 1e-6)
        low, high = (
            np.clip(np.rint((number + n) * steps[:, None]).astype(np.int64), 0, ends)
            for n in (0, 1)
        )
        weights = ((positions - low) / np.maximum(high - low, 1)).clip(0, 1)
        low, high = (np.where(positions < 0, -1, i) for i in (low, high))
    before, after = take(low), take(high)
    weight = on_device(weights.astype(np.float32), before)[:, None, :, None, None]
    xp = _namespace(before)
    mixed = before + weight * (after - before) if xp is np else xp.lerp(before, after, weight)
    known = xp.where(xp.isnan(after), before, mixed)
    return xp.where(xp.isnan(before), after, known)


def flip_input(x: Array, flip_index: Array, count: int) -> Array:
    """Network input (N, M, L, V, C * count) of `count` streams with left and right exchanged: the
    joints in the order of `flip_index` (V,), and the first channel of every stream negated."""
    out = x[..., flip_index, :]
    out[..., :: out.shape[-1] // count] *= -1
    return out


def minmax_scale(
    x: Array, following: Array | None, empty: Array, dims: int
) -> tuple[Array, Array | None]:
    """The first `dims` channels of x (N, M, L, V, C), each scaled to -1..1 over a clip, and those
    of the following frames scaled by the same factors. Frames under the mask `empty`, which
    broadcasts to x, stay 0."""
    extent = minmax_range(x, empty, dims)

    def scale(values: Array) -> Array:
        return scale_to(values, extent, empty)

    return scale(x), None if following is None else scale(following)


def minmax_range(x: Array, empty: Array, dims: int) -> tuple[Array, Array]:
    """The lowest value of each of the first `dims` channels of x (N, M, L, V, C) in a clip, and
    the extent above it, both (N, 1, 1, 1, dims)."""
    xp = _namespace(x)
    points = x[..., :dims]
    unknown = xp.isnan(points) | empty
    low = xp.amin(xp.where(unknown, np.inf, points), axis=(1, 2, 3), keepdims=True)
    high = xp.amax(xp.where(unknown, -np.inf, points), axis=(1, 2, 3), keepdims=True)
    return low, (high - low).clip(min=1e-6)


def scale_to(values: Array, extent: tuple[Array, Array], empty: Array | None = None) -> Array:
    """Values (N, M, L, V, C) scaled such that a range of `minmax_range` becomes -1..1; frames under
    the mask `empty` are 0."""
    xp, (low, size) = _namespace(values), extent
    dims = low.shape[-1]
    scaled = (values[..., :dims] - low) / size * 2 - 1
    if empty is not None:
        scaled = xp.where(empty, 0.0, scaled)
    return xp.concatenate([scaled, values[..., dims:]], axis=-1)


def _namespace(x: Array) -> Any:
    """The module with the functions for x: numpy or torch, whichever made it."""
    return sys.modules[type(x).__module__.partition(".")[0]]


def on_device(values: Array, like: Array) -> Array:
    """NumPy values as an array of the same library and on the same device as `like`."""
    xp = _namespace(like)
    if xp is np:
        return values
    tensor = xp.from_numpy(values)
    if like.device.type == "cuda" and xp.cuda.is_initialized():
        # copied while the GPU works: a copy from other memory waits until its queue is empty
        return tensor.pin_memory().to(like.device, non_blocking=True)
    return tensor.to(like.device)
