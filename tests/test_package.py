"""What is shipped: the wheel has all it needs; rendering gives the same bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from skelact.config import shipped
from skelact.video.probe import probe
from tests.conftest import ROOT


def test_the_wheel_has_configs_and_samples(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "-o",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "configs/stgcn_mads.py",
        "configs/training/modern.py",
        "sample_videos/performers.json",
        "cli/train.py",
        "py.typed",
    ):
        assert f"skelact/{name}" in names
    assert sum(n.endswith(".avi") for n in names) == 74
    assert not any(n.startswith(("tests/", "benchmarks/")) or "__pycache__" in n for n in names)
    assert wheel.stat().st_size < 25e6


def test_the_sample_set_is_complete_and_small() -> None:
    root = shipped("sample_videos")
    videos = sorted(root.glob("*/*_C[0-2].avi"))
    assert len(videos) == 72
    for video in videos[::9]:
        info = probe(video)
        assert (info.width, info.height, info.fps) == (512, 384, 15)
        assert 12 <= info.duration_s <= 20
    assert sum(p.stat().st_size for p in root.rglob("*") if p.is_file()) < 25e6


@pytest.mark.slow
def test_rendering_is_deterministic(tmp_path: Path) -> None:
    hashes = []
    for n in (1, 2):
        out = tmp_path / str(n)
        command = [sys.executable, str(ROOT / "sample_videos" / "render.py"), "--out", str(out)]
        subprocess.run([*command, "--only", "Kata", "--sequence", "A1"], check=True)
        files = sorted(p for p in out.rglob("*") if p.is_file())
        hashes.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    assert hashes[0] == hashes[1] and len(hashes[0]) >= 7
