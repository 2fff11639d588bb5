"""The benchmark on real footage: its division, and what it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import footage
from skelact.types import Prediction, Segment

CLASSES = ("jump", "unknown", "walk")


def segment(start: float, end: float, label: str, *p: float) -> Segment:
    return Segment(start_s=start, end_s=end, label=label, probability=max(p), probabilities=p)


def prediction(*segments: Segment) -> Prediction:
    return Prediction(
        path=Path("x"),
        person_id=0,
        label=segments[0].label,
        probability=0.5,
        classes=CLASSES,
        segments=segments,
    )


def test_all_clips_of_a_source_are_in_one_part() -> None:
    rows = [
        {"set": "a", "repository": f"r{n // 3}", "jhmdb_class": c, "path": f"{n}.mp4"}
        for n, c in enumerate(["walk", "run", ""] * 8)
    ]
    parts = footage.parts_of(rows, Path())
    assert parts == footage.parts_of(rows, Path())
    assert sorted(parts) == ["dev"] * 12 + ["test"] * 12
    for n in range(0, 24, 3):
        assert len(set(parts[n : n + 3])) == 1


def test_the_truth_is_a_class_of_the_model(tmp_path: Path) -> None:
    lines = [
        "path,set,label,jhmdb_class,repository",
        "a/1.mp4,a,walk_crowd,,r1",
        "a/2.mp4,a,jump_rope,,r2",
        "a/3.mp4,a,sit,sit,r3",
    ]
    (tmp_path / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    crowd, rope, sit = footage.load(tmp_path, CLASSES)
    assert (crowd.truth, rope.truth, sit.truth) == ("walk", "", "")
    assert rope.allowed == {"jump"} and not sit.allowed


def test_first_guess_and_time_with_a_label() -> None:
    person = prediction(
        segment(0, 3, "unknown", 0.1, 0.6, 0.3),
        segment(3, 4, "walk", 0.1, 0.2, 0.7),
        segment(4, 6, "jump", 0.8, 0.1, 0.1),
    )
    # of the whole time, jump has (0.3 + 0.1 + 1.6) / 6 and walk (0.9 + 0.7 + 0.2) / 6
    assert footage.first_guess(person) == "jump"
    assert footage.time_with_label([person], frozenset()) == (6.0, pytest.approx(3.0))
    assert footage.time_with_label([person], frozenset({"jump"})) == (6.0, pytest.approx(1.0))
