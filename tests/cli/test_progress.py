"""Progress: rates, the remaining time, and the lines that are printed without a terminal."""

from __future__ import annotations

import pytest

from skelact.cli import console
from skelact.cli.console import Bars
from skelact.pace import Pace, duration
from skelact.types import Event


def test_slow_steps_are_given_in_seconds_per_step() -> None:
    pace = Pace(0)
    assert pace.rate("step") == "" and pace.left(10) == ""  # nothing is known yet
    for n in range(1, 11):
        pace.add(1, 50.0 * n)
    assert pace.rate("step") == "50.0 s/step" and pace.left(30) == "about 25 min"
    fast = Pace(0)
    for n in range(1, 11):
        fast.add(15, 0.5 * n)
    assert fast.rate("frame") == "30 frames/s" and fast.left(300) == "about 10 s"


def test_the_remaining_time_settles() -> None:
    """A slow start is forgotten, and one slow step of many changes little."""
    pace, now = Pace(0), 40.0
    pace.add(1, now)
    for _ in range(300):
        now += 2
        pace.add(1, now)
    assert pace.per_second == pytest.approx(0.5, rel=0.05)
    pace.add(1, now + 20)
    assert pace.per_second == pytest.approx(0.5, rel=0.1)


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 44, 100, 5400, 7900)] == [
        *("1 s", "45 s", "2 min", "1 h 30 min", "2 h 10 min"),
    ]


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 4.0, 8.0])
    with Bars(lambda: next(times)) as bars:
        bars(Event("train", "start", 2, 10, "Training stgcn on cpu."))
        assert bars.status() == ["train: 2 of 10 steps"]
        bars(Event("train", "advance", 1))
        bars(Event("train", "advance", 1))
        assert bars.status() == ["train: 4 of 10 steps, 4.0 s/step, about 25 s left"]
        bars(Event("train", "end"))
        assert bars.status() == []
    assert capsys.readouterr().err == "Training stgcn on cpu.\n"


def test_a_long_table_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    count = console.MOST_ROWS + 7
    rows = ((f"video {n}", n) for n in range(count))
    console.table("", ("video", ">frames"), rows, ("all", count))
    out, err = capsys.readouterr()
    assert f"video {console.MOST_ROWS - 1} " in out and f"video {console.MOST_ROWS}" not in out
    assert f"{count}" in out and "7 more rows" in err and "--json" in err
