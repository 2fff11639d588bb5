"""Pictures and tables of the graphs that a network has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skelact.cache import Cache
from skelact.errors import ConfigError
from skelact.inference.ensemble import input_spec
from skelact.inference.explain import lookup_class
from skelact.models.checkpoint import build_network, load_checkpoint
from skelact.models.learned_graphs import learned_graphs
from skelact.report import importance
from skelact.report.body import graph
from skelact.runs.explain import (
    ExplainResult,
    Floats64,
    check_out,
    clip_rows,
    finish,
    new_folder,
)
from skelact.runs.test import load_run
from skelact.schemas import BEST
from skelact.sequence.input import ClipArrays
from skelact.skeletons import Skeleton
from skelact.types import Event, ProgressCallback, no_progress

_LINKS = 2.0  # links of a graph that are drawn, for each joint


def explain_graph(
    run: Path,
    out: Path,
    cache: Cache,
    *,
    label: str | None = None,
    stage: int | None = None,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    subset: str = "test",
    most: int | None = 8,
    overwrite: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> ExplainResult:
    """Draw the links between joints that a network has learned into the new folder `out`: graph.png
    and graph.csv, and for a graph that depends on the input, the mean over the clips of each class
    (or of `label`) and a page of all. The weight of a link is the mean absolute value over the
    parts of a graph, of one stage or of all. The dataset is used only if the graph depends on the
    input. Raises ConfigError if the network has no such graph or stage."""
    check_out(out, [run], overwrite)
    checkpoint = load_checkpoint(run / BEST)
    net = build_network(checkpoint)
    skeleton, spec = checkpoint.skeleton, input_spec(checkpoint)
    graphs = learned_graphs(net, checkpoint.model, len(skeleton.joints))
    names: list[str] = ["all clips"]
    if graphs.depends_on_input:
        loaded = load_run(run, cache, data=data, changes=changes, on_progress=on_progress)
        packed = loaded.dataset.packed
        wanted = None if label is None else lookup_class(packed.classes, label)
        rows = clip_rows(loaded.dataset.subsets, packed.labels, subset, most)
        by_class: dict[int, list[Floats64]] = {}
        on_progress(Event("explain", "start", 0, len(rows)))
        for row in rows:
            on_progress(Event("explain", "advance", 1))
            k = int(packed.labels[row])
            if wanted in (None, k):
                clip = np.asarray(packed.frames(row)).swapaxes(0, 1)
                x, _ = ClipArrays.of([clip], spec).test_input(np.arange(1), spec.sampling)
                by_class.setdefault(k, []).append(graphs.of(x))
        on_progress(Event("explain", "end"))
        found = sorted(by_class, key=lambda k: packed.classes[k])
        means = [np.mean(by_class[k], axis=0) for k in found]
        names += [packed.classes[k] for k in found]
        weights = np.stack([np.mean(means, axis=0), *means])
    else:
        if label is not None:
            raise ConfigError(
                f"The graph of {checkpoint.model} is the same for all classes",
                "Leave out --label.",
            )
        weights = graphs.of(None)[None]  # (classes, stages, V, V)
    chosen = _stage(weights, stage)
    links = max(4, round(_LINKS * len(skeleton.joints)))
    text = f"{checkpoint.model}: {links} heaviest links"
    cards = [
        (name, graph(skeleton, w, links), _strongest(skeleton, w, chosen[0] if n else None))
        for n, (name, w) in enumerate(zip(names, chosen, strict=True))
    ]
    with new_folder(out, overwrite) as folder:
        notes = ["blue: along a bone", "orange: learned", "", *cards[0][2]]
        importance.draw(cards[0][1], folder / "graph.png", text, notes)
        table: list[tuple[object, ...]] = [("class", "stage", "from", "to", "weight")]
        for name, stages in zip(names, weights, strict=True):
            for s, w in enumerate(stages, 1):
                table += [
                    (name, s, a, b, importance.rounded(w[i, j]))
                    for i, a in enumerate(skeleton.joints)
                    for j, b in enumerate(skeleton.joints)
                    if w[i, j] != 0
                ]
        importance.write_csv(table, folder / "graph.csv")
        if len(cards) > 1:
            intro = (
                f"The {links} heaviest links between joints of {checkpoint.model}: blue along a "
                "bone, orange elsewhere. Below each class, the links that are heaviest compared "
                "with the mean over all classes."
            )
            title = f"{run.resolve().name}: learned links"
            importance.write_page(folder / "graph.html", title, intro, cards)
        return finish(folder, out, model=run, source=checkpoint.dataset, stages=weights.shape[1])


def _stage(weights: Floats64, stage: int | None) -> Floats64:
    """(classes, V, V): one stage of weights (classes, stages, V, V), or the mean of all."""
    if stage is None:
        return np.asarray(weights.mean(axis=1))
    if not 1 <= stage <= weights.shape[1]:
        raise ConfigError(
            f"There is no graph of stage {stage}", f"Use --stage 1 to {weights.shape[1]}."
        )
    return np.asarray(weights[:, stage - 1])


def _strongest(
    skeleton: Skeleton, weights: Floats64, mean: Floats64 | None, count: int = 3
) -> list[str]:
    """The heaviest links between two joints, or those that are the most above the mean."""
    values = weights if mean is None else weights - mean
    values = values * (1 - np.eye(len(values)))
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    pairs = (divmod(int(n), len(values)) for n in order)
    return [
        f"{skeleton.joints[a]} to {skeleton.joints[b]} {values[a, b]:+.3f}"
        for a, b in pairs
        if values[a, b] > 0
    ]
