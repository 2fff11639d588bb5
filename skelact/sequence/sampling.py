"""Sampling: which L of the T frames of a clip the network sees. An index of -1 stands for an empty
(masked) frame; `linspace` gives positions between frames.

Uniform sampling as in PYSKL and mmaction2 (UniformSampleFrames): the clip is cut into L segments
and one frame drawn from each; clips shorter than L are wrapped around, clips of up to 2 L get T - L
random skips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skelact.config import check_ranges, option
from skelact.sequence.streams import parse

Indices = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64 | np.float64]
METHODS = ("uniform", "linspace", "random", "recent", "wrap", "edge", "zero")
MIN_SHARE = 0.7  # smallest part of a clip that one training draw of `linspace` covers
SEED = 255  # for test-time draws, as in mmaction2


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Selection of frames from a clip, and the streams computed from them."""

    length: int = option(100, "Number of frames in the network input.", min=1, max=10_000)
    method: str = option(
        "uniform",
        "Frame sampling: uniform (one random frame from each of equal segments), linspace (evenly "
        "spaced, interpolating between frames), random (random frames in temporal order, as in "
        "CTR-GCN for NW-UCLA), recent (consecutive frames up to a random one, for forecasts; the "
        "first frame is repeated before a short clip), or the original frame rate padded by wrap, "
        "edge or zero.",
        choices=METHODS,
    )
    test_clips: int = option(
        1,
        "Draws per clip that are averaged in testing (uniform, linspace, random and recent).",
        flag="clips",
        min=1,
        max=1000,
    )
    test_flip: bool = option(False, "In testing, also average over the mirrored clip.")
    streams: str = option(
        "joint",
        "Input stream: joint, bone, joint-motion or bone-motion; joint+bone concatenates the "
        "channels of both.",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        parse(self.streams)


def training_indices(frames: int, options: SamplingOptions, rng: np.random.Generator) -> Positions:
    """(L,) positions of one random draw."""
    if options.method == "uniform":
        return uniform(frames, options.length, rng, int(rng.integers(frames)))
    if options.method == "linspace":
        share = rng.uniform(MIN_SHARE, 1)
        return linspace_positions(frames, options.length, rng.uniform(0, 1 - share), share)
    if options.method == "random":
        return np.sort(rng.integers(0, frames, options.length))
    if options.method == "recent":
        first_end = min(options.length, frames)
        return frames_before(int(rng.integers(first_end, frames + 1)), options.length)
    start = int(rng.integers(frames - options.length + 1)) if frames > options.length else 0
    return _window(frames, start, options)


def testing_indices(frames: int, options: SamplingOptions) -> Positions:
    """(draws, L) positions at test time, the same at every call: mmaction2's draws for `uniform`,
    evenly spaced draws for `linspace`, `random` and `recent` (one draw of `recent` ends with the
    clip), else the L frames in the middle."""
    if options.method == "uniform":
        return uniform_test(frames, options.length, options.test_clips)
    if options.method in ("linspace", "random"):
        share = 1.0 if options.test_clips == 1 else (1 + MIN_SHARE) / 2
        starts = np.linspace(0, 1 - share, options.test_clips)
        draws = np.stack(
            [linspace_positions(frames, options.length, float(s), share) for s in starts]
        )
        return draws if options.method == "linspace" else np.rint(draws).astype(np.int64)
    if options.method == "recent":
        ends = np.linspace(frames, min(options.length, frames), options.test_clips)
        return np.stack([frames_before(round(float(end)), options.length) for end in ends])
    return _window(frames, max(0, (frames - options.length) // 2), options)[None]


def frames_before(end: int, length: int) -> Indices:
    """(L,) the frames before frame `end`; the first one is repeated if there are fewer."""
    return np.maximum(np.arange(end - length, end), 0)


def linspace_positions(
    frames: int, length: int, start: float, share: float
) -> npt.NDArray[np.float64]:
    """(L,) evenly spaced positions over the part of a clip that begins at `start` and has the
    length `share`, both in [0, 1] of the clip."""
    parts = start + share * np.linspace(0, 1, length)
    return np.asarray(parts * (frames - 1), np.float64)


def _window(frames: int, start: int, options: SamplingOptions) -> Indices:
    """(L,) consecutive frames from `start` on, padded at the end of the clip."""
    indices = padded(frames - start, options)
    return np.where(indices >= 0, indices + start, -1)


def padded(frames: int, options: SamplingOptions) -> Indices:
    """(L,) the first L frames. A shorter clip is repeated (wrap), its last frame is repeated
    (edge), or empty frames follow (zero)."""
    i = np.arange(options.length)
    if options.method == "wrap":
        return i % frames
    if options.method == "edge":
        return np.minimum(i, frames - 1)
    return np.where(i < frames, i, -1)


def uniform(
    frames: int, length: int, rng: np.random.Generator | np.random.RandomState, start: int
) -> Indices:
    """(L,) one random frame from each of L equal parts of the clip; a clip shorter than L is
    repeated from frame `start` on."""
    if frames < length:
        return (start + np.arange(length)) % frames
    if frames < 2 * length:
        skips = np.zeros(length + 1, np.int64)
        skips[rng.choice(length + 1, frames - length, replace=False)] = 1
        return np.arange(length) + np.cumsum(skips)[:-1]
    bounds = np.arange(length + 1) * frames // length
    draw = rng.randint if isinstance(rng, np.random.RandomState) else rng.integers
    return np.array(bounds[:-1] + draw(0, np.diff(bounds)), np.int64)


def uniform_test(frames: int, length: int, clips: int) -> Indices:
    """(clips, L) indices equal to mmaction2's at test time, from a local generator of the same
    kind."""
    rng = np.random.RandomState(SEED)
    starts = range(clips) if frames < clips else [i * frames // clips for i in range(clips)]
    return np.stack([uniform(frames, length, rng, start) for start in starts])
