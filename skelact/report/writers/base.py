"""What an output format is, and what it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from skelact.stages.poses import Extracted
    from skelact.stages.skeleton_input import SkeletonInput
    from skelact.types import Prediction


class Result(Protocol):
    """A video with its predictions and the poses that they are made from."""

    @property
    def path(self) -> Path:
        """The video file."""

    @property
    def predictions(self) -> Sequence[Prediction]:
        """One prediction per person, or one for all persons together."""

    @property
    def extracted(self) -> Extracted | SkeletonInput:
        """The cache entry of the poses, or the skeleton file."""


@dataclass(frozen=True, kw_only=True)
class Writer:
    """An output format. `name` is the name of its command-line option. `write` gets the results
    and the file to write: all results if `single_file` is true, otherwise one at a time. A format
    with `options`, a dataclass, gets an instance of it as a third argument."""

    name: str
    suffix: str
    help: str
    write: Callable[..., None]
    single_file: bool = False
    options: type | None = None
