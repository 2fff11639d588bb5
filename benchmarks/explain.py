"""How faithful the explanations of a run are: deletion and insertion curves on its dataset, for
every method, a random order and the order of the motion.

    python -m benchmarks explain RUN [--data PATH] [--subset test] [--clips 4] [--cache-dir FOLDER]

`--clips` of each class are used, the first ones of the subset; of each, the class that the network
predicts is explained. A cell is a joint in one eighth of a clip; the numbers are areas under the
curves of the class's probability, with the standard error over the clips. The last column is their
difference, by which the default method is chosen on a validation subset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skelact.analysis_options import METHODS, ExplainOptions
from skelact.cache import Cache
from skelact.device import resolve_device
from skelact.inference.ensemble import input_spec
from skelact.inference.faithfulness import MOTION, RANDOM, Curves, curves
from skelact.models.checkpoint import build_network
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.runs.test import load_run


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks explain")
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--subset", choices=("val", "test"), default="test")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--steps", type=int, default=ExplainOptions.steps)
    parser.add_argument("--methods", default="")
    parser.add_argument("--cache-dir", type=Path)
    given = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    loaded = load_run(given.run, Cache(given.cache_dir), data=given.data)
    packed, spec = loaded.dataset.packed, input_spec(loaded.checkpoint)
    net = fuse_conv_bn(build_network(loaded.checkpoint)).to(resolve_device())
    methods = [m for m in METHODS if m != "auto"]
    if not net.backbone.closed_form:
        methods.remove("decomposition")
    methods = given.methods.split(",") if given.methods else [*methods, MOTION, RANDOM]
    rows = np.flatnonzero(np.array(loaded.dataset.subsets) == given.subset)
    chosen = [
        r for k in range(len(packed.classes)) for r in rows[packed.labels[rows] == k][: given.clips]
    ]
    found: list[dict[str, Curves]] = []
    for n, row in enumerate(chosen):
        clip = np.asarray(packed.frames(row)).swapaxes(0, 1)
        found.append(curves(net, clip, spec, methods, steps=given.steps, seed=n))
    print(f"{given.run.name}, {given.subset}: {len(chosen)} clips, {loaded.checkpoint.model}")
    print(f"{'method':22s} {'deletion':>16s} {'insertion':>16s} {'ins - del':>16s}")
    for method in methods:
        deleted, inserted = (
            np.array([getattr(f[method], area) for f in found])
            for area in ("deletion_area", "insertion_area")
        )
        columns = (deleted, inserted, inserted - deleted)
        print(f"{method:22s}", *(f"{c.mean():8.3f} ± {_error(c):.3f}" for c in columns))


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
