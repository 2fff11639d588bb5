"""Which network suits how many clips: accuracy and CPU-seconds of training on parts of NW-UCLA
(3-D) and Penn Action (2-D). python -m benchmarks choice DATA [NETWORK:CLIPS]...

DATA holds all_sqe/ of NW-UCLA and penn_action_2d.npz. The test part is the official one. A fixed
quarter of the takes of the training part is the development part, on which networks are compared;
the training clips are drawn from the rest, a quarter of them for early stopping. So the choice
never looks at the test part."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from skelact import config
from skelact.cache import Cache
from skelact.datasets import nw_ucla, splits
from skelact.datasets.base import Collection, Item, by_value
from skelact.models import spec
from skelact.recipe import Recipe
from skelact.schemas import PREDICTIONS, EstimatorInfo, Predictions, load_json
from skelact.skeletons import SKELETONS
from skelact.stages.pack import pack
from skelact.stages.resolve import resolve
from skelact.training.plan import Plan
from skelact.training.trainer import make_trainer
from skelact.types import PoseSequence

RUNS = tuple(f"{m}:{n}" for n in (20, 100, 1000) for m in ("rocket", "ddnet", "stgcnpp"))
DIMS = {"nw-ucla": 3, "penn-action": 2}


def penn_action(path: Path) -> Collection:
    """Penn Action's 13 joints as coco-17; its head is the nose."""
    stored = np.load(path)
    skeleton = SKELETONS["coco-17"]
    order = [skeleton.index(n.replace("head", "nose")) for n in stored["joint_names"]]
    keypoints, visible = stored["keypoints"].astype(np.float32), stored["visible"] > 0
    sources = zip(stored["source"], stored["label"], stored["train"], strict=True)
    items = [
        Item(
            path,
            str(label),
            groups={"take": str(source), "subset": "train" if train > 0 else "test"},
            key=str(n),
        )
        for n, (source, label, train) in enumerate(sources)
    ]

    def read(item: Item) -> PoseSequence:
        n = int(item.key)
        rows = slice(stored["starts"][n], stored["starts"][n] + stored["lengths"][n])
        xy = np.full((1, stored["lengths"][n], 17, 2), np.nan, np.float32)
        score = np.zeros(xy.shape[:3], np.float32)
        xy[0][:, order] = np.where(visible[rows, :, None], keypoints[rows], np.nan)
        score[0][:, order] = visible[rows]
        height, width = map(int, stored["size_hw"][n])
        return PoseSequence(
            xy=xy, score=score, skeleton=skeleton, fps=30.0, width=width, height=height, ids=(0,)
        )

    protocols = {"official": (by_value("subset", {"train": "train", "test": "test"}), ())}
    return Collection(
        name="penn-action", root=path.parent, items=tuple(items), protocols=protocols, read=read
    )


def recipe_of(network: str, name: str, skeleton: str) -> Recipe:
    """The recipe of own data with the small variant of a network."""
    network_spec = spec(network)
    small = network_spec.small
    assert small is not None
    return Recipe.from_dict(
        config.merge(
            {"dataset": {"skeleton": skeleton}, "clips": {"length_s": 0.0}},
            {"sequence": {"persons": 1}, "normalise": {"mode": "body", "dims": DIMS[name]}},
            config.load(f"training/{small.training}"),
            network_spec.recipe,
            small.sections,
            {"train": {"device": "cpu"}},
        )
    )


def draw(collection: Collection, count: int) -> list[str]:
    """The subset of every item: `test`, `dev`, and about `count` clips of `train` and `val`."""
    protocol = next(iter(collection.protocols))
    subsets = splits.hold_out(collection.items, splits.apply(collection, protocol), 0.25, 0)
    subsets = ["dev" if s == "val" else s for s in subsets]
    rest: dict[str, list[int]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for n in rng.permutation(len(subsets)):
        if subsets[n] == "train":
            rest[collection.items[n].label].append(int(n))
    turns = [n for row in _transposed(list(rest.values())) for n in row]
    chosen = set(turns[:count])
    subsets = [
        s if s in ("test", "dev") else s if n in chosen else "none" for n, s in enumerate(subsets)
    ]
    return splits.hold_out(collection.items, subsets, 0.25, 0)


def _transposed(rows: list[list[int]]) -> list[list[int]]:
    longest = max(map(len, rows))
    return [[row[k] for row in rows if k < len(row)] for k in range(longest)]


def main() -> None:
    data, runs = Path(sys.argv[2]), sys.argv[3:] or RUNS
    torch.set_num_threads(1)
    ucla = next(p for p in (data / "nw-ucla" / "all_sqe", data / "all_sqe", data) if p.is_dir())
    penn = next(iter(data.rglob("penn_action_2d.npz")))
    found = ((nw_ucla.find(ucla), "kinect-20"), (penn_action(penn), "coco-17"))
    print("network, dataset, training clips, development, test, CPU-seconds", flush=True)
    with TemporaryDirectory() as temporary:
        for run in runs:
            network, _, count = run.partition(":")
            for collection, skeleton in found:
                recipe = recipe_of(network, collection.name, skeleton)
                measure(collection, recipe, int(count), Path(temporary))


def measure(collection: Collection, recipe: Recipe, count: int, root: Path) -> None:
    """Train once, and print one line."""
    resolved = resolve(recipe, collection)
    recipe = resolved.recipe
    cache = Cache(root / "cache")
    packed, _ = pack(collection, recipe, resolved.skeleton, cache, extracted={}, mirrored={})
    drawn = draw(collection, count)
    subsets = [drawn[n] for n in packed.items]
    plan = Plan(
        packed=packed,
        subsets=tuple("test" if s == "dev" else s for s in subsets),
        recipe=recipe,
        estimator=EstimatorInfo(name="stored"),
        clip_s=1.0,
        split="choice",
        dataset=collection.name,
    )
    folder = root / f"{recipe.network}_{collection.name}_{count}"
    folder.mkdir()
    trainer = make_trainer(plan, folder, lambda event: None)
    started = time.process_time()
    trainer.fit()
    seconds = time.process_time() - started
    trainer.finish()
    samples = load_json(folder / PREDICTIONS, Predictions).samples
    part = dict(zip(packed.ids, subsets, strict=True))
    hits: dict[str, list[bool]] = {"dev": [], "test": []}
    for name, sample in samples.items():
        guess = packed.classes[int(np.argmax(sample.probabilities))]
        hits[part[name]].append(guess == sample.label)
    used = sum(s in ("train", "val") for s in subsets)
    print(
        f"{recipe.network}, {collection.name}, {used}, {np.mean(hits['dev']):.1%} "
        f"of {len(hits['dev'])}, {np.mean(hits['test']):.1%} of {len(hits['test'])}, {seconds:.0f}",
        flush=True,
    )
