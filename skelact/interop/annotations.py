"""Labelled time spans, and what a format of annotation programs is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FrameRate = Callable[[str], float]  # of the video with a name, in frames per second


@dataclass(frozen=True, kw_only=True)
class LabelledSpan:
    """What a person does from `start_s` to `end_s` in a video; an end of None is the end of the
    video, a `person_id` of None stands for everybody in it. `video` is the name that a file states,
    or a path."""

    video: str
    label: str
    start_s: float
    end_s: float | None
    person_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class AnnotationFormat:
    """A format of files. `read` gets the text and the frame rates of videos, `write` also."""

    name: str
    title: str
    suffix: str
    read: Callable[[str, FrameRate], list[LabelledSpan]]
    write: Callable[[Sequence[LabelledSpan], FrameRate], str]


def person_of(name: str) -> int | None:
    """The person id in the name of a tier or region: "person 2", "#2"; None for other names."""
    match = re.fullmatch(r"(?:person|#)[ _-]*(\d{1,9})", name.strip(), re.IGNORECASE)
    return int(match[1]) if match else None
