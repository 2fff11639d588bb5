"""Rebuild the recogniser `everyday` that is included in skelact.

    python -m benchmarks everyday DATA OUT [--held-out NAME | --without NAME] [--kernels N]
        [--cache-dir FOLDER]

DATA holds the datasets (see `labels`, `motion`): jhmdb/, nw-ucla/all_sqe.tar.gz, and in more/ the
arrays of motion capture and of Penn Action, clips.csv and surveillance-fight/. Poses of videos are
estimated unless they are in the cache. OUT is the file of the model.

With `--held-out NAME` or `--held-out all`, subjects, styles or splits of all datasets are not
trained on, and the network is tested on those of NAME. With `--without NAME`, no clip of NAME is
trained on either, and only its classes that other datasets have are tested. Both print the first
guess, labels, and labels of other actions."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.everyday import fit, labels
from benchmarks.everyday.clips import EverydayClip, load
from skelact.cache import Cache
from skelact.types import UNKNOWN

_TESTED = ("jhmdb", "penn", "utd-mhad", "hdm05", "nw-ucla", "bandai")


def divide(clips: Sequence[EverydayClip], held: str, without: str) -> fit.Division:
    """The clips to train and to test on; all clips train if neither name is given."""
    if not held and not without:
        return fit.Division(train=tuple(clips), test=())
    tested = _TESTED if held == "all" else (held or without,)
    return fit.Division(
        train=tuple(c for c in clips if not c.is_held and c.dataset != without),
        test=tuple(c for c in clips if c.is_held and c.dataset in tested and not c.is_mirrored),
    )


def report(division: fit.Division, probabilities: np.ndarray, without: str) -> None:
    """Print one line for each tested dataset."""
    unknown = labels.CLASSES.index(UNKNOWN)
    named = probabilities.copy()
    named[:, unknown] = 0
    guesses = np.array([labels.CLASSES[n] for n in named.argmax(axis=1)])
    labelled = (probabilities.argmax(axis=1) != unknown) & (named.max(axis=1) >= fit.THRESHOLD)
    known = {c.label for c in division.train} - {UNKNOWN}
    truth = np.array([c.label for c in division.test])
    datasets = np.array([c.dataset for c in division.test])
    right = guesses == truth
    for dataset in dict.fromkeys(datasets):
        own = (datasets == dataset) & np.isin(truth, sorted(known))
        other = (datasets == dataset) & (truth == UNKNOWN)
        line = (
            f"{'without' if without else 'held out'} {dataset}: {own.sum()} clips of "
            f"{len(set(truth[own]))} classes, first guess {_share(right[own])}, labelled "
            f"{_share(labelled[own])}, right of these {_share(right[own & labelled])}, "
            f"other actions labelled {_share(labelled[other])} of {other.sum()}"
        )
        print(line, flush=True)


def _share(mask: np.ndarray) -> str:
    return f"{mask.mean():.0%}" if len(mask) else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks everyday")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--held-out", default="", choices=(*_TESTED, "all"))
    either.add_argument("--without", default="", choices=_TESTED)
    parser.add_argument("--kernels", type=int, default=1600)
    parser.add_argument("--cache-dir", type=Path)
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    started = time.process_time()
    clips, estimator = load(given.data, Cache(given.cache_dir))
    print("clips", dict(Counter(c.dataset for c in clips)), flush=True)
    division = divide(clips, given.held_out, given.without)
    with TemporaryDirectory() as temporary:
        checkpoints, probabilities = fit.train(division, estimator, given.kernels, Path(temporary))
        fit.write(checkpoints, Path(temporary), given.out)
    if division.test:
        report(division, probabilities, given.without)
    seconds = time.process_time() - started
    print(f"{given.out}: {given.out.stat().st_size:,} bytes, {seconds:.0f} CPU-seconds")
