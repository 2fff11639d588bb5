"""Many inputs in one prediction."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from skelact.inference.groups import groups
from skelact.stages.poses import Extracted
from skelact.stages.skeleton_input import SkeletonInput


def _video(frames: int) -> Extracted:
    manifest = SimpleNamespace(manifest=SimpleNamespace(frames=frames))
    return Extracted(path=Path("a.mp4"), poses=manifest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([], []),
        ([36_000, 36_000, 100], [1, 1, 1]),  # long videos one at a time
        ([36_000, *[9_000] * 5], [1, 2, 2, 1]),
        ([20] * 130, [64, 64, 2]),
        ([15_000, None, None, 6_000], [3, 1]),  # None: a skeleton file
    ],
)
def test_of_many_videos_few_are_in_memory_at_once(
    frames: list[int | None], expected: list[int]
) -> None:
    file = SkeletonInput(path=Path("a.npy"), load=lambda: pytest.fail("it is read twice"))
    videos = [file if n is None else _video(n) for n in frames]
    found = list(groups(videos))
    assert [len(group) for group in found] == expected
    assert [video for group in found for video in group] == videos
