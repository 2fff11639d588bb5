"""Hands and face of one person in one frame."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.types import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """A hand: xy (21, 2) in pixels of the frame, xyz (21, 3) in metres from its wrist, and the
    probability of a hand."""

    xy: Floats
    xyz: Floats
    presence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face: MediaPipe's mesh (468, 2) in pixels of the frame, and the probability of a face."""

    mesh: Floats
    presence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What was found of the hands and the face of a person."""

    left: Hand | None = None
    right: Hand | None = None
    face: Face | None = None
