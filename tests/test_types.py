from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from skelact import errors
from skelact.errors import BackendMissing, BadSpan, NotAVideo, SkelactError, nearest
from skelact.types import (
    ClipSpan,
    Failure,
    PersonPose,
    Prediction,
    PredictionList,
    Segment,
    VideoInfo,
)
from tests.conftest import sequence_of


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 4)])
def test_a_span_must_run_forward(start: int, end: int) -> None:
    with pytest.raises(BadSpan):
        ClipSpan(start, end)


@pytest.mark.parametrize("field", ["width", "height", "fps", "frames"])
def test_a_video_needs_positive_numbers(field: str) -> None:
    good = {"path": Path("a"), "width": 2, "height": 2, "fps": 25.0, "frames": 3}
    assert VideoInfo(**good).duration_s == pytest.approx(0.12)
    with pytest.raises(ValueError, match="positive"):
        VideoInfo(**{**good, field: 0})


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        PersonPose(np.zeros((3, 2), np.float32), np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="Expected xy"):
        sequence_of(np.zeros((1, 5, 16, 2)))


def test_every_error_is_drawn_in_the_tree_and_crosses_processes() -> None:
    kinds = [
        k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, SkelactError)
    ]
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")
        again = pickle.loads(pickle.dumps(kind("what", "hint")))
        assert type(again) is kind and (again.message, again.hint) == ("what", "hint")


def test_failure_keeps_the_hint() -> None:
    expected = Failure(Path("a"), "no", "do", "NotAVideo")
    assert Failure.from_error(Path("a"), NotAVideo("no", "do")) == expected
    assert Failure.from_error(Path("a"), KeyError("x")).reason == "KeyError: 'x'"


def test_nearest() -> None:
    assert nearest("blazpose", ["blazepose", "rtmo-s"]) == " (did you mean 'blazepose'?)"
    assert nearest("zzz", ["blazepose"]) == ""


def test_predictions_print_as_lines_and_convert_to_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = (Segment(0.0, 1.5, "wave", 0.8, (0.8, 0.2)), Segment(1.5, 2.0, "run", 0.6))
    found = PredictionList([Prediction(Path("a.mp4"), 3, "wave", 0.75, ("wave", "run"), segments)])
    assert str(found).splitlines()[0] == "a.mp4, person 3: wave 75%" and len(found) == 1
    assert "1.5 s to" in repr(found)
    rows = found.to_dicts()
    assert [(r["label"], r["start_s"], r["person_id"]) for r in rows] == [
        ("wave", 0.0, 3),
        ("run", 1.5, 3),
    ]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(BackendMissing, match="pandas") as error:
        found.to_pandas()
    assert error.value.hint == "pip install pandas"
