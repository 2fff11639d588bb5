"""The time of `skelact --help`, compared with an empty Python program."""

from __future__ import annotations

import statistics
import sys

from benchmarks.extraction import timed


def main() -> None:
    helps, empty = [], []
    for _ in range(9):
        helps.append(timed([sys.executable, "-m", "skelact", "--help"]))
        empty.append(timed([sys.executable, "-c", "pass"]))
    own, python = statistics.median(helps), statistics.median(empty)
    print(f"skelact --help: median {own:.2f} s (budget 0.3 s); an empty program {python:.2f} s")
