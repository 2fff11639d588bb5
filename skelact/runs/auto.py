"""The network for a dataset where the user names none (`--model auto`)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from skelact.datasets import registry
from skelact.datasets.base import Collection
from skelact.device import resolve_device
from skelact.errors import SkelactError
from skelact.recipe import Recipe
from skelact.video.cut import plan
from skelact.video.probe import probe


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The network for up to `max_clips` clips (None: any number)."""

    max_clips: int | None
    cpu: str
    gpu: str


# `python -m benchmarks choice` measured rocket, ddnet and stgcnpp with 20, 100 and about 1,000
# clips of two datasets: rocket was the most accurate on the development parts, once equal to
# stgcnpp, and by far the fastest. More clips and a GPU are not measured: rocket keeps the features
# of all training clips in memory (40 kB for each copy), which limits their number.
RULES = (
    Rule(max_clips=1_000, cpu="rocket", gpu="rocket"),
    Rule(max_clips=5_000, cpu="rocket", gpu="stgcnpp"),
    Rule(max_clips=None, cpu="stgcnpp", gpu="stgcnpp"),
)
_SAMPLES = 12  # skeleton files whose clips are counted


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A network, and why it was chosen."""

    model: str
    reason: str


def choose(clips: int, has_gpu: bool) -> Choice:
    """The network for a number of clips."""
    rule = next(r for r in RULES if r.max_clips is None or clips <= r.max_clips)
    model = rule.gpu if has_gpu else rule.cpu
    limits = [r.max_clips for r in RULES if r.max_clips is not None]
    known = "more than " + f"{limits[-1]:,}" if clips > limits[-1] else f"about {clips:,}"
    device = "a GPU" if has_gpu else "no GPU"
    return Choice(
        model=model, reason=f"network {model}, chosen for {known} clips and {device} (--model auto)"
    )


def choose_for(recipe: Recipe, data: Path | None) -> Choice:
    """The network for the dataset of a recipe on the device of the recipe. Raises DatasetError if
    the dataset is not found."""
    collection = registry.find(recipe.dataset.name, data, recipe.dataset.classes)
    device = resolve_device(recipe.train.device)
    return choose(count_clips(collection, recipe), device.type != "cpu")


def count_clips(collection: Collection, recipe: Recipe) -> int:
    """The approximate number of clips of a dataset; counting stops above the last limit of the
    rules. Of skeleton files, some are read and stand for the others."""
    last = max(r.max_clips or 0 for r in RULES)
    if len(collection.items) > last:
        return len(collection.items)
    if collection.read is not None:
        counts = []
        for item in collection.items[:: max(1, len(collection.items) // _SAMPLES)]:
            with contextlib.suppress(SkelactError):  # reported when all files are read
                sequence = collection.read(item)
                counts.append(len(plan(sequence.frames, sequence.fps, recipe.clips)))
        return round(len(collection.items) * sum(counts) / max(1, len(counts)))
    clips = 0
    for item in collection.items:
        try:
            info = probe(item.path)
        except SkelactError:  # reported when the poses are extracted
            continue
        start, end = item.span_s or (0.0, None)
        frames = round(((end or info.frames / info.fps) - start) * info.fps)
        clips += len(plan(max(1, frames), info.fps, recipe.clips))
        if clips > last:
            break
    return clips
