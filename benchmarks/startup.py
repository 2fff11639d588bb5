"""`skelact --help` against a Python that does nothing."""

from __future__ import annotations

import statistics
import sys

from benchmarks.extraction import timed


def main() -> None:
    helps, bare = [], []
    for _ in range(9):
        helps.append(timed([sys.executable, "-m", "skelact", "--help"]))
        bare.append(timed([sys.executable, "-c", "pass"]))
    ours, theirs = statistics.median(helps), statistics.median(bare)
    print(f"skelact --help: median {ours:.2f} s (budget 0.3 s); an empty Python {theirs:.2f} s")
