"""Export of datasets in the formats of other programs."""

from __future__ import annotations

import pickle
from pathlib import Path

from skelact.cache import Cache
from skelact.datasets import pyskl
from skelact.runs.export import export_pyskl
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
