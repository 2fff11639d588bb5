"""Export of datasets in the formats of other programs."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.datasets import pyskl
from skelact.errors import OutputError
from skelact.runs.export import export_pyskl
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence
from tests.conftest import sample, short_clip


def test_parts_of_a_video_and_equal_file_names(tmp_path: Path) -> None:
    """Every part of a video is a sample of its own length, and samples have unique names."""
    data = tmp_path / "data"
    for folder in ("one", "two"):
        short_clip(sample("Kata_A1_C0.avi"), data / folder / "clip.mp4", 30)
    (data / "labels.csv").write_text(
        "path,label,start,end\none/clip.mp4,a,0,1.2\none/clip.mp4,b,1.2,\n"
        "two/clip.mp4,a,0,1.2\ntwo/clip.mp4,b,1.2,\n"
    )
    out = tmp_path / "out.pkl"
    count, failed = export_pyskl("labels", data / "labels.csv", out, Cache(tmp_path / "cache"))
    assert count == 4 and not failed
    annotations = pickle.loads(out.read_bytes())["annotations"]
    assert [a["total_frames"] for a in annotations] == [18, 12, 18, 12]
    assert len({a["frame_dir"] for a in annotations}) == 4
    assert len(pyskl.find(out).items) == 4


def test_an_export_never_replaces_the_dataset(tmp_path: Path) -> None:
    data = tmp_path / "data.pkl"
    points = np.random.default_rng(0).normal(size=(6, 12, 17, 2)).astype(np.float32)
    sequences = [
        PoseSequence(
            xy=p[None],
            score=np.ones((1, 12, 17), np.float32),
            skeleton=SKELETONS["coco-17"],
            fps=30,
            width=10,
            height=10,
            ids=(0,),
        )
        for p in points
    ]
    rows = [(f"clip{n}", n % 2, s) for n, s in enumerate(sequences)]
    names = [name for name, _, _ in rows]
    pyskl.export(data, rows, {"a_train": names[:4], "a_val": names[4:]})
    content = data.read_bytes()
    link = tmp_path / "link.pkl"
    link.hardlink_to(data)
    for out in (data, link):
        with pytest.raises(OutputError, match="is an input and is never replaced"):
            export_pyskl("pyskl", data, out, Cache(tmp_path / "cache"), overwrite=True)
    assert data.read_bytes() == content
