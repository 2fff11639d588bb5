"""Damaged videos. Each is read in a process of its own: what a damaged file does to a decoder must
not end the others."""

from __future__ import annotations

import multiprocessing
import random
import sys
import zlib
from pathlib import Path

import pytest

from skelact.errors import SkelactError
from skelact.video.decode import read_frames
from skelact.video.probe import find_videos, probe
from tests.attack.mutate import Report, attempts, mutate
from tests.helpers import pattern

LIMIT_S = 120
RESULT, REFUSED, FAILED = 0, 3, 4


def _read(path: Path) -> None:
    """Runs in the child; its exit code says what became of the file."""
    code = FAILED
    try:
        count = sum(1 for _ in read_frames(probe(path), stop=500))
        code = RESULT if count else REFUSED
    except SkelactError:
        code = REFUSED
    finally:
        sys.exit(code)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_videos(tmp_path: Path, suffix: str) -> None:
    seed = pattern(tmp_path / f"seed{suffix}", "64x48", "10", "1").read_bytes()
    report = Report()
    context = multiprocessing.get_context("fork")
    title = f"video{suffix}"
    path = tmp_path / f"damaged{suffix}"
    for n in range(attempts(8)):
        rng = random.Random(zlib.crc32(title.encode()) * 1_000_003 + n)
        content = seed if n == 0 else mutate(seed, rng)
        path.write_bytes(content)
        assert find_videos([tmp_path])
        child = context.Process(target=_read, args=(path,))
        child.start()
        child.join(LIMIT_S)
        report.tried += 1
        if child.is_alive():
            child.kill()
            child.join()
            report.failures["no result in time"] += 1
        elif child.exitcode in (RESULT, REFUSED):
            report.results += child.exitcode == RESULT
            assert n or child.exitcode == RESULT
        else:
            report.failures[f"exit code {child.exitcode}"] += 1
            report.examples.setdefault(f"exit code {child.exitcode}", content)
        report.examples.setdefault("no result in time", content)
    report.check(title)
