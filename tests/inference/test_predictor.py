"""Many inputs in one prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.inference import predictor
from skelact.inference.predictor import Predictor, _VideoTrack
from skelact.options import DEFAULT
from skelact.types import Event


def test_of_many_videos_few_are_in_memory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    standing = np.array(
        [
            *((0, -80), (3, -83), (-3, -83), (6, -80), (-6, -80), (18, -55), (-18, -55), (26, -25)),
            *((-26, -25), (28, 0), (-28, 0), (11, 0), (-11, 0), (12, 42), (-12, 42), (12, 82)),
            (-12, 82),
        ]
    )
    for n in range(6):
        xy = 200 + standing + rng.normal(0, 1, (30, 17, 2))
        np.save(tmp_path / f"{n}.npy", xy.astype(np.float32))
    (tmp_path / "damaged.npy").write_bytes(b"none")
    groups: list[int] = []
    original = Predictor._with_probabilities

    def counted(self: Predictor, tracks: list[_VideoTrack]) -> list[_VideoTrack]:
        groups.append(len(tracks))
        return original(self, tracks)

    monkeypatch.setattr(Predictor, "_with_probabilities", counted)
    model = Predictor.load(DEFAULT)
    one = model.predict_many([tmp_path])
    assert groups == [6]
    monkeypatch.setattr(predictor, "_FRAMES_AT_ONCE", 60)
    events: list[Event] = []
    several = model.predict_many([tmp_path], on_progress=events.append)
    assert groups == [6, 2, 2, 2]
    assert sum(e.done for e in events if e.kind == "advance") == 7
    assert [r.path.name for r in several.done] == [f"{n}.npy" for n in range(6)]
    assert [f.path.name for f in several.failed] == ["damaged.npy"]
    for a, b in zip(one.done, several.done, strict=True):
        (first,), (second,) = a.predictions, b.predictions
        assert first.label == second.label
        assert first.probability == pytest.approx(second.probability, abs=1e-4)
    rows, _ = model.predict_windows([tmp_path])
    assert len(rows) == 6 and groups[4:] == [2, 2, 2]
