"""Streams: the quantities that a network sees of a pose sequence.

joint         the coordinates themselves
bone          each joint minus its parent; a root gives 0
joint-motion  the next frame minus this one; the last frame is 0
bone-motion   the next frame's bones minus this frame's; the last frame is 0

Channels after the coordinates (the score) become the mean of the two ends. The definitions are
those of PYSKL and mmaction2 (GenSkeFeat). "joint+bone" concatenates two streams along the channels
(early fusion). All functions work on NumPy arrays and torch tensors."""

from __future__ import annotations

from typing import Any

from skelact.errors import ConfigError, lookup

STREAMS = ("joint", "bone", "joint-motion", "bone-motion")


def parse(text: str) -> tuple[str, ...]:
    """'joint+bone' -> ('joint', 'bone'). Raises ConfigError for an unknown or repeated stream."""
    names = tuple(part.strip() for part in text.split("+"))
    for name in names:
        lookup("stream", name, dict.fromkeys(STREAMS))
    if len(set(names)) < len(names):
        raise ConfigError(f"The streams {text!r} contain one stream twice")
    return names


def needs_next_frame(streams: tuple[str, ...]) -> bool:
    """Whether any of the streams needs the following frame."""
    return any(name.endswith("motion") for name in streams)


def bone(x: Any, parents: Any, dims: int) -> Any:
    """(..., V, C) joints -> bones; `parents` (V,) indices, the first `dims` channels are
    coordinates."""
    other = x[..., parents, :]
    out = x - other
    out[..., dims:] = (x[..., dims:] + other[..., dims:]) / 2
    return out


def motion(x: Any, following: Any, last: Any, dims: int) -> Any:
    """x (..., T, V, C) and the frames that follow -> motion. It is 0 under the mask `last`, which
    broadcasts to x and marks frames that none follows; missing joints stay NaN."""
    out = following - x
    out[..., dims:] = (x[..., dims:] + following[..., dims:]) / 2
    return out * ~last


def parts(
    x: Any, following: Any | None, last: Any | None, parents: Any, dims: int, names: tuple[str, ...]
) -> list[Any]:
    """One array of the shape of x for every named stream."""

    def stream(name: str) -> Any:
        now, after = x, following
        if name.startswith("bone"):
            now = bone(x, parents, dims)
            after = None if following is None else bone(following, parents, dims)
        return motion(now, after, last, dims) if name.endswith("motion") else now

    return [stream(name) for name in names]
