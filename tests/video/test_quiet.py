"""OpenCV and FFmpeg write nothing of their own to stderr."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.conftest import run


def test_damaged_files_and_a_missing_one_fail_alone(
    clip: Path, tmp_path: Path, networks: None
) -> None:
    """Also where OpenCV was imported before the first video was opened."""
    content = clip.read_bytes()
    damaged = bytearray(content)
    for at in range(2000, len(damaged) - 3000, 997):
        damaged[at : at + 40] = b"\xff" * 40
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    (tmp_path / "half.mp4").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.mp4").write_bytes(b"hello" * 500)
    shutil.copy(clip, tmp_path / "good.mp4")
    names = ("damaged.mp4", "half.mp4", "text.mp4", "good.mp4", "missing.mp4")
    done = run("extract", *names, "--json")
    assert done.returncode == 1
    assert "VIDEOIO" not in done.stderr and "INFO" not in done.stderr and "[" not in done.stderr
    result = json.loads(done.stdout)
    failed = {Path(f["path"]).name: f["reason"] for f in result["failed"]}
    assert {"half.mp4", "text.mp4", "missing.mp4"} <= failed.keys()
    assert failed["missing.mp4"] == "no such file or folder"
    assert "good.mp4" in {Path(v["path"]).name for v in result["videos"]}
