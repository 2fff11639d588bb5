"""New actions from a few examples (`skelact enroll`), by protocols with fixed seeds:

    python -m benchmarks few_shot jhmdb DATA [--network rocket]
    python -m benchmarks few_shot nw-ucla DATA [--network rocket]
    python -m benchmarks few_shot sweep RUN

jhmdb: a network is trained on 16 classes (the training part of split 1); the other 5, which the
seed fixes, are new. An episode draws 1 or 5 examples of each new class from the training part, and
tests on all test clips of these classes: among the new classes, and among all 21.
nw-ucla: the same with 5 and 5 classes, twice, so that each class is new once. The network sees
cameras 1 and 2, the examples are from camera 1, and the tests from camera 3 (an unseen view);
beside, examples and tests from camera 3, other takes (a view that the network has not seen either).
Both print means over episodes with their 95 % confidence intervals (of 1.96 standard errors); of
nw-ucla over all episodes of both parts. "scratch" trains the network on the few examples only.
sweep: the thesis's protocol on the sample set (exact 2-D joints, 72 videos of 4 actions): every
choice of one video per action as its anchor, against all others of other takes, by cosine and
Jensen-Shannon divergence, of the pooled features as they are and as `enroll` compares them. RUN was
not trained on the sample set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from msgspec import structs
from torch import Tensor

from benchmarks.few_shot_sweep import sweep
from skelact.cache import Cache
from skelact.models import build
from skelact.models.base import ActionClassifier, GCNHead
from skelact.models.checkpoint import build_network, load_checkpoint
from skelact.models.enrolled import AnchorHead, solve_ridge
from skelact.models.evaluate import mean_features, mean_probabilities
from skelact.recipe import Recipe, compose
from skelact.runs.train import train
from skelact.schemas import (
    BEST,
    Checkpoint,
    EnrolledClass,
    Enrolment,
    EnrolMethod,
    FeatureStatistics,
)
from skelact.stages.dataset import ReadyDataset, load_dataset
from skelact.training.batches import DeviceClips
from skelact.training.closed_form import solve

METHODS: tuple[EnrolMethod, ...] = ("ridge", "cosine", "jsd")
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A network that was trained on some classes, and the embeddings (N, draws, D) of clips of all
    classes, one for each draw of a clip at test time."""

    checkpoint: Checkpoint
    clips: DeviceClips
    data: ReadyDataset
    features: Tensor
    labels: npt.NDArray[np.str_]

    def rows(self, subset: Sequence[str], **groups: str) -> Rows:
        """The clips of a subset and of groups of the dataset."""
        packed, items = self.data.packed, self.data.collection.items
        chosen = [
            n
            for n, item in enumerate(packed.items)
            if self.data.subsets[n] in subset
            and not packed.is_mirrored[n]
            and all(items[item].groups.get(k) == v for k, v in groups.items())
        ]
        return np.array(chosen, np.int64)


def prepare(
    recipe: Recipe, novel: Sequence[str], data: Path, runs: Path, cache: Cache, name: str
) -> Embedded:
    """Train on the other classes, or take the run from `runs`, and embed the clips of all."""
    complete = load_dataset(recipe, cache, data)
    kept = tuple(c for c in complete.packed.classes if c not in novel)
    if not (runs / name / BEST).is_file():
        limited = replace(recipe, dataset=replace(recipe.dataset, classes=kept))
        train(limited, cache, data=data, runs=runs, name=name)
    checkpoint = load_checkpoint(runs / name / BEST)
    assert checkpoint.classes == kept
    net, clips = build_network(checkpoint), DeviceClips(complete.packed, torch.device("cpu"))
    numbers = np.arange(len(complete.packed))
    found: list[Tensor] = []
    # of the trained classes only the test clips are needed
    is_used = np.isin([complete.packed.classes[k] for k in complete.packed.labels], novel)
    used = numbers[(is_used | (np.array(complete.subsets) == "test"))]
    used = used[~complete.packed.is_mirrored[used]]
    for start in range(0, len(used), 32):
        x, draws = clips.testing(used[start : start + 32], complete.recipe.sampling)
        rows = mean_features(net, x, 1)
        found.append(rows.view(-1, draws, rows.shape[1]))
    features = torch.zeros(len(numbers), *found[0].shape[1:])
    features[used] = torch.cat(found)
    labels = np.array([complete.packed.classes[k] for k in complete.packed.labels])
    return Embedded(
        checkpoint=checkpoint, clips=clips, data=complete, features=features, labels=labels
    )


@torch.no_grad()
def in_fewer_dimensions(
    features: Tensor, checkpoint: Checkpoint
) -> tuple[Tensor, GCNHead, FeatureStatistics]:
    """The embeddings (N, draws, D), the head and the statistics of a checkpoint in an orthonormal
    basis of all rows that occur: every product, and so every result, is the same, but an episode
    takes milliseconds."""
    head, statistics = build_network(checkpoint).cls_head, checkpoint.features
    assert statistics is not None
    rows = (features.flatten(0, 1) - statistics.mean) / statistics.deviation
    weight, basis = head.fc.weight * statistics.deviation, statistics.basis.float()
    is_used = rows.abs().sum(dim=1) > 0
    turn, _ = torch.linalg.qr(torch.cat([rows[is_used], basis.T, weight]).T)
    new = GCNHead(turn.shape[1], head.fc.out_features)
    new.fc.weight.copy_(weight @ turn)
    new.fc.bias.copy_(head.fc.bias + head.fc.weight @ statistics.mean)
    size = turn.shape[1]
    changed = structs.replace(
        statistics, mean=torch.zeros(size), deviation=torch.ones(size), basis=turn.T @ basis
    )
    return (rows @ turn).view(*features.shape[:2], size), new.eval(), changed


def head_of(
    base: GCNHead, statistics: FeatureStatistics, method: EnrolMethod, shots: Mapping[str, Tensor]
) -> GCNHead:
    """The head after the classes of `shots` were enrolled, label -> embeddings (S, D)."""
    classes = [EnrolledClass(label=k, examples=len(v), embeddings=v) for k, v in shots.items()]
    enrolment = Enrolment(method=method, classes=tuple(classes))
    if method == "ridge":
        return solve_ridge(base, enrolment, statistics)
    return AnchorHead(base, enrolment, statistics)


def probabilities(head: GCNHead, features: Tensor) -> Tensor:
    """(N, classes), the mean over the draws, as in prediction; features (N, draws, D)."""
    with torch.inference_mode():
        logits = head(features.flatten(0, 1)[:, None, :, None, None])
        return logits.softmax(dim=1).view(*features.shape[:2], -1).mean(dim=1)


def episodes(
    e: Embedded,
    novel: Sequence[str],
    pool: Rows,
    test: Rows,
    shots: int,
    count: int,
    rng: np.random.Generator,
) -> Iterator[dict[str, float]]:
    """The results of one episode after the other, by their names."""
    features, base, statistics = in_fewer_dimensions(e.features, e.checkpoint)
    kept = e.checkpoint.classes
    own, other = test[np.isin(e.labels[test], novel)], test[np.isin(e.labels[test], kept)]
    truth = torch.tensor([novel.index(c) for c in e.labels[own]])
    known = torch.tensor([kept.index(c) for c in e.labels[other]])
    before = _share(probabilities(base, features[other]).argmax(dim=1) == known)
    by_class = {c: pool[e.labels[pool] == c] for c in novel}
    short = [c for c, rows in by_class.items() if len(rows) < shots]
    if short:
        sys.exit(f"{short[0]} has {len(by_class[short[0]])} clips, fewer than {shots} shots")
    takes = np.array([i.groups.get("take", "") for i in e.data.collection.items])
    takes = takes[e.data.packed.items]
    for _ in range(count):
        drawn = {c: rng.choice(rows, shots, replace=False) for c, rows in by_class.items()}
        used = takes[np.concatenate(list(drawn.values()))]
        free = torch.from_numpy(~np.isin(takes[own], used))  # of other takes than the examples
        out = {"trained before": before}
        for method in METHODS:
            if method == "ridge" and not statistics.penalty:
                continue
            examples = {c: features[rows].mean(dim=1) for c, rows in drawn.items()}
            head = head_of(base, statistics, method, examples)
            of_new = probabilities(head, features[own])[free]
            among = of_new[:, len(kept) :].argmax(dim=1) == truth[free]
            new = _share(of_new.argmax(dim=1) == len(kept) + truth[free])
            old = _share(probabilities(head, features[other]).argmax(dim=1) == known)
            out[f"{method}, among the new"] = _share(among)
            out[f"{method}, new among all"] = new
            out[f"{method}, trained among all"] = old
            out[f"{method}, harmonic mean"] = 2 * new * old / max(new + old, 1e-9)
        yield out


def _share(values: Tensor) -> float:
    return values.float().mean().item()


def scratch(
    e: Embedded, novel: Sequence[str], pool: Rows, test: Rows, shots: int, rng: np.random.Generator
) -> float:
    """The accuracy of a closed-form network that is trained on the examples of one episode only."""
    recipe = e.data.recipe
    drawn = np.concatenate(
        [rng.choice(pool[e.labels[pool] == c], shots, replace=False) for c in novel]
    )
    c = e.checkpoint
    net: ActionClassifier = build(
        c.model, len(novel), c.skeleton, c.in_channels, c.persons, **c.model_kwargs
    )
    labels = torch.tensor([novel.index(k) for k in e.labels[drawn]])
    mode = recipe.normalise.resolved().mode
    batches = [
        (e.clips.training(drawn, recipe.sampling, recipe.augment, rng, mode)[0], labels)
        for _ in range(recipe.train.repeat)
    ]
    solve(net, batches, recipe.train.ridge_alpha)
    own = test[np.isin(e.labels[test], novel)]
    parts = [own[n : n + 32] for n in range(0, len(own), 32)]
    found = [mean_probabilities(net, *e.clips.testing(p, recipe.sampling)) for p in parts]
    truth = torch.tensor([novel.index(k) for k in e.labels[own]])
    return float((torch.cat(found).argmax(dim=1) == truth).float().mean())


def report(title: str, rows: Sequence[Mapping[str, float]]) -> None:
    """Print means and 95 % confidence intervals."""
    print(f"{title}, {len(rows)} episodes", flush=True)
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        interval = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        print(f"  {name:32s} {values.mean():6.1%} ± {interval:.1%}", flush=True)


def run_jhmdb(o: argparse.Namespace, cache: Cache) -> None:
    changes = {"train": {"val_fraction": 0.25}}
    if o.network == "rocket":
        changes["dataset"] = {"mirrored_poses": False}  # half of the poses to estimate
    recipe = (
        compose(None, None, "rocket_jhmdb", changes)
        if o.network == "rocket"
        else compose("jhmdb", o.network, None, changes, o.data)
    )
    classes = load_dataset(recipe, cache, o.data).packed.classes
    order = np.random.default_rng(o.seed).permutation(len(classes))
    novel = sorted(classes[k] for k in order[:5])
    print(f"new: {', '.join(novel)}", flush=True)
    e = prepare(recipe, novel, o.data, o.runs, cache, f"jhmdb-{o.network}-{o.seed}")
    pool, test = e.rows(("train", "val")), e.rows(("test",))
    for shots in (1, 5):
        rng = np.random.default_rng(o.seed)
        rows = list(episodes(e, novel, pool, test, shots, o.episodes, rng))
        report(f"JHMDB, 5 new classes, {shots} examples each", rows)
        if o.network == "rocket" and o.scratch:
            alone = [
                {"scratch": scratch(e, novel, pool, test, shots, rng)} for _ in range(o.scratch)
            ]
            report(f"JHMDB, trained on {shots} examples of each new class only", alone)


def run_nw_ucla(o: argparse.Namespace, cache: Cache) -> None:
    changes = {"train": {"repeat": 2}} if o.network == "rocket" else {}  # copies, for time
    recipe = compose(None, None, f"{o.network}_nw-ucla", changes)
    classes = load_dataset(recipe, cache, o.data).packed.classes
    order = np.random.default_rng(o.seed).permutation(len(classes))
    results: dict[str, list[dict[str, float]]] = {}
    for part, chosen in enumerate((order[:5], order[5:])):
        novel = sorted(classes[k] for k in chosen)
        print(f"new: {', '.join(novel)}", flush=True)
        e = prepare(recipe, novel, o.data, o.runs, cache, f"nw-ucla-{o.network}-{o.seed}-{part}")
        test = e.rows(("test",))
        pools = {"1": e.rows(("train", "val"), camera="01"), "3": test}
        for camera, pool in pools.items():
            rng = np.random.default_rng(o.seed)
            title = f"NW-UCLA, one-shot, examples from camera {camera}, tests from camera 3"
            results.setdefault(title, []).extend(
                episodes(e, novel, pool, test, 1, o.episodes // 2, rng)
            )
        if o.network == "rocket":
            rng = np.random.default_rng(o.seed)
            results.setdefault("NW-UCLA, trained on one example of camera 1 only", []).extend(
                {"scratch": scratch(e, novel, pools["1"], test, 1, rng)}
                for _ in range(o.scratch // 2)
            )
    for title, rows in results.items():
        if rows:
            report(title, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks few_shot")
    parser.add_argument("protocol", choices=("jhmdb", "nw-ucla", "sweep"))
    parser.add_argument("data", type=Path, help="the dataset; of sweep, the run")
    parser.add_argument("--network", default="rocket")
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--scratch", type=int, default=20, help="episodes of training from scratch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/few_shot"))
    parser.add_argument("--cache-dir", type=Path)
    options = parser.parse_args(sys.argv[2:] if arguments is None else arguments)
    if options.protocol == "sweep":
        sweep(options.data)
        return
    job = run_jhmdb if options.protocol == "jhmdb" else run_nw_ucla
    job(options, Cache(options.cache_dir))
