"""Whether an explanation is true: how fast the probability of the class falls when the most
important joints are removed first (deletion), and how fast it rises when they are added first
(insertion), as Petsiuk et al. 2018 do with pixels.

A cell is one joint of one person in one of PARTS equal parts of the clip. Removed joints are
missing, as the network sees missing joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from skelact.analysis_options import ExplainOptions
from skelact.inference.attribution import (
    ClipInput,
    Floats64,
    attribute,
    cells,
    masked_probabilities,
)
from skelact.models.base import ActionClassifier
from skelact.sequence.input import InputSpec
from skelact.types import Floats

SHARES = np.linspace(0, 1, 11)
RANDOM, MOTION = "random", "motion"  # orders that explain nothing: baselines
_SEEDS = 3  # random orders that are averaged


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The probability of the class at each of SHARES of the cells: removed, and added."""

    deletion: Floats64
    insertion: Floats64

    @property
    def deletion_area(self) -> float:
        """The mean of the curve: smaller is better."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """The mean of the curve: larger is better."""
        return _area(self.insertion)


def curves(
    net: ActionClassifier,
    clip: Floats,
    spec: InputSpec,
    methods: Sequence[str],
    *,
    steps: int = ExplainOptions.steps,
    seed: int = 0,
) -> dict[str, Curves]:
    """The curves of each method for the class that the network predicts for a clip (M, T, V, C).
    `random` and `motion` (the squared displacement from frame to frame) are methods too."""
    device = next(net.cls_head.parameters()).device
    clip_input = ClipInput(clip, spec, device)
    known = ~np.isnan(clip_input.original[..., 0].cpu().numpy())  # (T, M, V)
    target = int(masked_probabilities(net, clip_input, known[None])[0].argmax())
    places = list(cells(known))
    out = {}
    for method in methods:
        if method == RANDOM:
            rng = np.random.default_rng(seed)
            orders = [rng.permutation(len(places)) for _ in range(_SEEDS)]
        else:
            if method == MOTION:
                values = _motion(clip_input, spec.normalise.coordinates)
            else:
                options = ExplainOptions(method=method)
                if method == "integrated-gradients":
                    options = replace(options, steps=steps)
                values = attribute(net, clip, spec, target, options).values
            amounts = np.array([values[m, a:b, v].sum() for m, a, b, v in places])
            orders = [np.argsort(-amounts, kind="stable")]
        found = [_follow(net, clip_input, known, [places[i] for i in o], target) for o in orders]
        deletion, insertion = np.mean(found, axis=0)
        out[method] = Curves(deletion=deletion, insertion=insertion)
    return out


def _follow(
    net: ActionClassifier,
    clip: ClipInput,
    known: npt.NDArray[np.bool_],
    order: Sequence[tuple[int, int, int, int]],
    target: int,
) -> Floats64:
    """(2, 11) the probability of the class along both curves."""
    counts = np.round(SHARES * len(order)).astype(int)
    masks = np.zeros((2, len(counts), *known.shape), bool)
    for n, count in enumerate(counts):
        for m, a, b, v in order[:count]:
            masks[1, n, a:b, m, v] = True
        masks[0, n] = known & ~masks[1, n]
        masks[1, n] &= known
    flat = masks.reshape(-1, *known.shape)
    return masked_probabilities(net, clip, flat)[:, target].reshape(2, -1)


def _motion(clip: ClipInput, dims: int) -> Floats64:
    """(M, T, V): the squared displacement of each joint to the next frame."""
    points = clip.original[..., :dims].cpu().numpy().swapaxes(0, 1).astype(np.float64)
    moved = np.square(np.diff(points, axis=1, append=points[:, -1:])).sum(axis=-1)
    return np.asarray(np.nan_to_num(moved))


def _area(curve: Floats64) -> float:
    """The area under a curve of values at SHARES, from 0 to 1."""
    return float((curve[1:] + curve[:-1]).mean() / 2)
