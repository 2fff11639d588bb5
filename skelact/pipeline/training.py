"""A dataset on disk -> a trained, measured run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.cache import Cache
from skelact.datasets import registry, splits
from skelact.datasets.base import Collection
from skelact.engine.device import pick
from skelact.engine.metrics import Scores
from skelact.engine.options import CONFIG, RESULT, SPLIT
from skelact.engine.train import Plan, Trainer
from skelact.errors import ConfigError, DatasetError
from skelact.pipeline.packing import pack
from skelact.pipeline.poses import Extracted
from skelact.pipeline.recipe import Recipe
from skelact.pipeline.sequences import extract
from skelact.skeletons import load_skeleton
from skelact.types import Event, Failure, Listener, silent


@dataclass(frozen=True)
class Run:
    """What `train` made."""

    folder: Path
    collection: Collection
    scores: Scores
    clips: dict[str, int]  # a side -> how many
    estimator: str
    failed: tuple[Failure, ...]
    resumed: bool = False


def train(
    recipe: Recipe,
    cache: Cache,
    data: Path | None = None,
    runs: Path = Path("runs"),
    name: str | None = None,
    resume: bool = False,
    listener: Listener = silent,
) -> Run:
    """Find, split, extract, pack, train, test. The run folder is runs/<name>, by default
    <model>_<dataset>_<split>; an older one of that name is kept and the new one gets a number,
    unless `resume` takes it up."""
    pick(recipe.train.device)  # before an hour of extraction
    collection = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
    if collection.notice:
        listener(Event("train", "notice", text=collection.notice))
    protocol = recipe.dataset.protocol or next(iter(collection.protocols), "")
    sides = splits.apply(collection, protocol)
    sides = splits.hold_out(collection.items, sides, recipe.train.val_share, recipe.train.seed)
    skeleton = load_skeleton(recipe.dataset.skeleton)
    failed: list[Failure] = []
    by_path: dict[Path, Extracted] = {}
    estimator: dict[str, Any] = {"name": f"dataset {collection.name}", "weights": "", "pose": {}}
    if collection.read is None:
        videos = list(dict.fromkeys(i.path for i in collection.items))
        outcome = extract(
            videos, cache, recipe.pose, recipe.split, recipe.sequence, listener=listener
        )
        failed += outcome.failed
        by_path = {e.path: e for e in outcome.results}
        estimator = _one_estimator(by_path)
    data_pack, unread = pack(collection, by_path, recipe, skeleton, cache, listener)
    failed += unread
    clip_sides = [sides[i] for i in data_pack.items]
    split_id = splits.fingerprint(data_pack.ids, clip_sides)
    folder = run_folder(
        runs, name or f"{recipe.model['name']}_{collection.name}_{protocol}", resume
    )
    kwargs = {k: v for k, v in recipe.model.items() if k != "name"}
    plain = recipe.as_dict()
    about = {
        "recipe": plain,
        "estimator": estimator,
        "clip_s": recipe.split.length_s,
        "split": split_id,
        "dataset": collection.name,
    }
    plan = Plan(
        data_pack,
        clip_sides,
        recipe.model["name"],
        kwargs,
        recipe.sampling,
        recipe.augment,
        recipe.train,
        about,
    )
    trainer = Trainer(plan, folder, listener)
    (folder / CONFIG).write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    described = {
        "fingerprint": split_id,
        "protocol": protocol,
        "videos": _sides_of(collection, sides),
    }
    (folder / SPLIT).write_text(
        json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    resumed = resume and trainer.resume()
    trainer.fit()
    scores = trainer.finish()
    _plots(folder, trainer.history, scores, data_pack.classes)
    counts = {side: clip_sides.count(side) for side in ("train", "val", "test")}
    return Run(folder, collection, scores, counts, estimator["name"], tuple(failed), resumed)


def _sides_of(collection: Collection, sides: list[str]) -> dict[str, list[str]]:
    names = [i.name(collection.root) for i in collection.items]
    return {
        side: [n for n, s in zip(names, sides, strict=True) if s == side]
        for side in ("train", "val", "test")
    }


def _one_estimator(extracted: dict[Path, Extracted]) -> dict[str, Any]:
    """Name, weights and options of the estimator that made all poses. DatasetError if there are
    none, or several made them."""
    found = {
        (e.poses.manifest["estimator"], e.poses.manifest["weights"]): e.poses.manifest["pose"]
        for e in extracted.values()
    }
    if not found:
        raise DatasetError("no video could be used", "see the reasons listed by `skelact extract`")
    if len(found) > 1:
        raise DatasetError(
            f"poses come from {len(found)} different estimators", "extract all videos with one"
        )
    (name, weights), options = next(iter(found.items()))
    return {"name": name, "weights": weights, "pose": options}


def run_folder(runs: Path, name: str, resume: bool) -> Path:
    """The folder of a run, made; with `resume` the newest unfinished one of that name."""
    numbered = [runs / name, *sorted(runs.glob(f"{name}-*"), key=lambda p: p.stat().st_mtime)]
    existing = [f for f in numbered if f.is_dir()]
    if resume:
        open_runs = [f for f in existing if not (f / RESULT).is_file()]
        folder = (open_runs or existing or [runs / name])[-1]
    else:
        folder, n = runs / name, 2
        while folder.exists():
            folder, n = runs / f"{name}-{n}", n + 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the run folder {folder}: {error.strerror}", "choose another with --runs"
        ) from error
    return folder


def _plots(
    folder: Path, history: list[dict[str, Any]], scores: Scores, classes: tuple[str, ...]
) -> None:
    from skelact.report import plots

    plots.curves(history, folder / "curves.png")
    plots.confusion(scores.confusion, classes, folder / "confusion.png")
