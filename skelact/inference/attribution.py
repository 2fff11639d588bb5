"""How much each joint of a clip contributes at each time to the score of a class.

The score is the logit of the class minus the mean of all logits, averaged over the draws of the
clip at test time: probabilities depend on nothing else. Gradients are followed from the network
through streams, sampling and mirroring back to the values of the clip, so that results belong to
joints and frames of the video. Normalisation (and `minmax`) counts as constant. The reference is an
input of zeros: all joints are missing, as the network sees missing joints.

integrated-gradients  Sundararajan et al. 2017: the mean gradient on the line from the reference to
                      the clip, times the clip; the sum is the difference of the scores
gradient-input        gradient times feature at one stage, summed over its channels (Grad-CAM
                      without averaging); stage 0 is the clip itself
feature-norm          the norm of the features at one stage over its channels, for any class
decomposition         of networks in closed form: exact, see `Backbone.contributions`
occlusion             the fall of the score when a joint is missing for a part of the clip (Zeiler
                      and Fergus 2014)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from skelact.analysis_options import ExplainOptions
from skelact.errors import ConfigError, counted
from skelact.models.base import ActionClassifier, unique_persons
from skelact.sequence.input import (
    ClipArrays,
    InputSpec,
    flip_input,
    interpolate_frames,
    minmax_range,
    on_device,
    pad_persons,
    scale_to,
)
from skelact.sequence.sampling import testing_indices
from skelact.sequence.streams import parse
from skelact.types import Floats

Floats64 = npt.NDArray[np.float64]
_ROWS = 64  # inputs of the network in one batch
PARTS = 8  # of a clip in which a joint is missing, for `occlusion`


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """`values` (M, T, V) float64: the contribution of every joint. `score` and `reference` are the
    scores of the clip and of an input without joints; None if the method has no such sum."""

    values: Floats64
    score: float
    reference: float | None

    @property
    def gap(self) -> float | None:
        """How far the sum of the values is from the difference of the scores, relative to it."""
        if self.reference is None:
            return None
        difference = self.score - self.reference
        return abs(float(self.values.sum()) - difference) / max(abs(difference), 1e-6)


class ClipInput:
    """The test-time draws of one clip as a function of its values: (M', T, V, C) float32 with NaN
    for missing joints, as `clip_values` returns them."""

    def __init__(self, clip: Floats, spec: InputSpec, device: torch.device) -> None:
        self.spec, self.persons = spec, min(len(clip), spec.persons)
        self.length = clip.shape[1]
        self.names = parse(spec.sampling.streams)
        self.frames = testing_indices(self.length, spec.sampling)  # (D, L)
        values = torch.from_numpy(pad_persons(clip, spec.persons)).to(device).transpose(0, 1)
        self.original = values.contiguous()  # (T, M, V, C)
        self.values = self.original.expand(len(self.frames), *values.shape)  # (D, T, M, V, C)
        if spec.normalise.minmax:
            self.values = scale_to(self.values, self._extent())

    @property
    def rows(self) -> int:
        """The inputs of the network for one clip: draws, and their mirror images."""
        return len(self.frames) * (2 if self.spec.sampling.test_flip else 1)

    def _arrays(self, values: Tensor, minmax: bool = False) -> ClipArrays:
        count = len(values)
        return ClipArrays(
            values=values.flatten(0, 1),
            offsets=np.arange(count) * self.length,
            lengths=np.full(count, self.length),
            skeleton=self.spec.skeleton,
            dims=self.spec.normalise.coordinates,
            minmax=minmax,
        )

    def _extent(self) -> tuple[Tensor, Tensor]:
        arrays, clips = self._arrays(self.values), np.arange(len(self.frames))
        ends = np.full((len(clips), 1), self.length - 1)
        x = interpolate_frames(lambda rows: arrays.gather(clips, rows), self.frames, ends)
        empty = on_device(self.frames < 0, x)[:, None, :, None, None]
        low, size = minmax_range(x, empty, self.spec.normalise.coordinates)
        known = torch.isfinite(low) & torch.isfinite(size)  # a clip without joints has no range
        return torch.where(known, low, 0.0), torch.where(known, size, 1.0)

    def build(self, values: Tensor) -> Tensor:
        """(S * rows, M, L, V, C'): the input for values (S * D, T, M, V, C), where D draws follow
        each other. Differentiable; without `minmax`, which has been applied."""
        count = len(values) // len(self.frames)
        arrays = self._arrays(values)
        frames = np.tile(self.frames, (count, 1))
        x = arrays.build_input(np.arange(len(values)), frames, self.names)
        if not self.spec.sampling.test_flip:
            return x
        flipped = flip_input(x, arrays.flip_index, len(self.names))
        return torch.stack([x, flipped], dim=1).flatten(0, 1)

    def masked(self, known: npt.NDArray[np.bool_]) -> Tensor:
        """(S * rows, M, L, V, C'): the input with only those joints of the clip that are set in
        `known` (S, T, M, V); the others are missing: no coordinates, score 0."""
        mask = torch.from_numpy(known).to(self.original.device)[..., None]
        dims = self.spec.normalise.coordinates
        points, scores = self.original[..., :dims], self.original[..., dims:]
        values = torch.cat(
            [torch.where(mask, points, torch.nan), torch.where(mask, scores, 0.0)], dim=-1
        )
        arrays = self._arrays(values, self.spec.normalise.minmax)
        return arrays.test_input(np.arange(len(values)), self.spec.sampling)[0]

    def to_frames(self, maps: Tensor, *, split: bool) -> Floats64:
        """(M, T, V): the mean over the draws of amounts (rows, M, L, V) per joint of the input, at
        the frames that each draw sees. With `split`, the amount of a bone is divided between its
        two joints, and that of a motion between its two frames."""
        amounts = maps.detach().double().cpu().numpy()
        skeleton, (name, *_) = self.spec.skeleton, self.names
        if self.spec.sampling.test_flip:
            amounts[1::2] = amounts[1::2][..., skeleton.flip_index]
            amounts = amounts.reshape(-1, 2, *amounts.shape[1:]).mean(axis=1)
        if split and name.startswith("bone"):
            to_parent = np.eye(len(skeleton.joints))[skeleton.parent_indices]
            amounts = (amounts + amounts @ to_parent) / 2
        out = np.zeros((self.length, self.spec.persons, amounts.shape[-1]))
        for draw, positions in zip(amounts, self.frames, strict=True):
            shifts = (0, 1) if split and name.endswith("motion") else (0,)
            for shift in shifts:
                at = np.minimum(np.maximum(positions, 0) + shift, self.length - 1)
                low = np.floor(at).astype(int)
                weight = np.where(positions < 0, 0.0, 1 / len(shifts))
                for rows, part in ((low, 1 - (at - low)), (low + 1, at - low)):
                    share = (weight * part)[:, None, None] * draw.swapaxes(0, 1)
                    np.add.at(out, np.minimum(rows, self.length - 1), share)
        return out.swapaxes(0, 1)[: self.persons] / len(self.frames)


def attribute(
    net: ActionClassifier, clip: Floats, spec: InputSpec, target: int, options: ExplainOptions
) -> Attribution:
    """The contributions of the joints of one clip (M, T, V, C) to the score of class number
    `target`, by the method of `options`. The network is in evaluation mode. Raises ConfigError if
    the network does not support the method or the stage."""
    device = next(net.cls_head.parameters()).device
    clip_input = ClipInput(clip, spec, device)
    method = resolve_method(net, options)
    weights = class_weights(net, target)
    with torch.no_grad():
        x = clip_input.build(clip_input.values)
        score, reference = (float(_score(net(v), target)) for v in (x, torch.zeros_like(x)))
    if method == "decomposition":
        maps = net.backbone.contributions(x, weights)
        values = clip_input.to_frames(maps, split=True)
        return Attribution(values=values, score=score, reference=reference)
    if method == "integrated-gradients":
        values = _integrated(net, clip_input, x, target, options.steps)
        return Attribution(values=values, score=score, reference=reference)
    if method == "occlusion":
        values = _occluded(net, clip_input, target)
        return Attribution(values=values, score=score, reference=None)
    stage = _stage_number(net, options.stage)
    if stage == 0:
        if method == "feature-norm":
            maps = x[..., : spec.normalise.coordinates].norm(dim=-1)
            values = clip_input.to_frames(maps, split=False)
        else:
            values = _along(net, clip_input, x, target, [(1.0, 1.0)])
        return Attribution(values=values, score=score, reference=None)
    maps = _at_stage(net, x, target, stage, method)
    return Attribution(values=clip_input.to_frames(maps, split=False), score=score, reference=None)


def resolve_method(net: ActionClassifier, options: ExplainOptions) -> str:
    """The method that `auto` stands for: of those that depend on the class, the most faithful one
    on validation clips (docs/pages/numbers.md). Raises ConfigError if the network does not have the
    method, or the method a stage or steps that the options name."""
    method = "occlusion" if options.method == "auto" else options.method
    if method == "decomposition" and not net.backbone.closed_form:
        raise ConfigError(
            "Only networks with a closed-form fit have an exact decomposition",
            "Use --method integrated-gradients.",
        )
    if options.stage is not None and method not in ("gradient-input", "feature-norm"):
        raise ConfigError(
            f"The method {method} has no stages", "Add --method gradient-input or feature-norm."
        )
    if options.steps != ExplainOptions.steps and method != "integrated-gradients":
        raise ConfigError(f"The method {method} has no steps", "Add --method integrated-gradients.")
    return method


def class_weights(net: ActionClassifier, target: int) -> Tensor:
    """(C',): the weights of the features in the score of a class."""
    weight = net.cls_head.fc.weight.detach()
    return weight[target] - weight.mean(dim=0)


def _score(logits: Tensor, target: int) -> Tensor:
    """The mean score of rows of logits (R, K)."""
    return (logits[:, target] - logits.mean(dim=1)).mean()


def _integrated(
    net: ActionClassifier, clip: ClipInput, x: Tensor, target: int, steps: int
) -> Floats64:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    line = [((1 + n) / 2, w / 2) for n, w in zip(nodes, weights, strict=True)]
    return _along(net, clip, x, target, line)


def _along(
    net: ActionClassifier,
    clip: ClipInput,
    x: Tensor,
    target: int,
    line: list[tuple[float, float]],
) -> Floats64:
    """(M, T, V): the values times the weighted sum of the gradients at multiples of them; `line`
    holds the factors and weights."""
    function = net.backbone.held(x)
    total = torch.zeros_like(clip.values)
    each = max(1, _ROWS // clip.rows)
    for start in range(0, len(line), each):
        part = line[start : start + each]
        factors, weights = (x.new_tensor(column) for column in zip(*part, strict=True))
        points = factors[:, None, None, None, None, None] * clip.values
        points = points.flatten(0, 1).detach().requires_grad_()
        with torch.enable_grad():
            logits = net.cls_head(function(clip.build(points)))
            scores = logits[:, target] - logits.mean(dim=1)
            summed = (scores.view(len(part), clip.rows).mean(dim=1) * weights).sum()
            (gradient,) = torch.autograd.grad(summed, points)
        total += gradient.nan_to_num().unflatten(0, (len(part), -1)).sum(dim=0)
    amounts = (total * clip.values).nan_to_num().sum(dim=(0, -1))  # (T, M, V)
    return amounts.double().cpu().numpy().swapaxes(0, 1)[: clip.persons]


def cells(known: npt.NDArray[np.bool_], parts: int = PARTS) -> Iterator[tuple[int, int, int, int]]:
    """Person, first frame, frame after the last and joint of each cell in which a joint is known:
    `known` (T, M, V) divided into `parts` of equal length."""
    bounds = np.linspace(0, len(known), min(parts, len(known)) + 1).round().astype(int)
    for a, b in pairwise(bounds):
        for m, v in np.argwhere(known[a:b].any(axis=0)):
            yield int(m), int(a), int(b), int(v)


def _occluded(net: ActionClassifier, clip: ClipInput, target: int) -> Floats64:
    known = ~torch.isnan(clip.original[..., 0]).cpu().numpy()  # (T, M, V)
    found = list(cells(known))
    out = np.zeros(known.shape)
    (full,) = masked_scores(net, clip, known[None], target)
    each = max(1, _ROWS // clip.rows)
    for start in range(0, len(found), each):
        part = found[start : start + each]
        masks = np.repeat(known[None], len(part), axis=0)
        for mask, (m, a, b, v) in zip(masks, part, strict=True):
            mask[a:b, m, v] = False
        falls = full - masked_scores(net, clip, masks, target)
        for (m, a, b, v), fall in zip(part, falls, strict=True):
            out[a:b, m, v] = fall / (b - a)
    return out.swapaxes(0, 1)[: clip.persons]


@torch.no_grad()
def masked_scores(
    net: ActionClassifier, clip: ClipInput, known: npt.NDArray[np.bool_], target: int
) -> Floats64:
    """(S,) the scores of a clip of which only the joints in `known` (S, T, M, V) are visible."""
    logits = net(clip.masked(known))
    scores = (logits[:, target] - logits.mean(dim=1)).view(len(known), clip.rows).mean(dim=1)
    return scores.double().cpu().numpy()


@torch.no_grad()
def masked_probabilities(
    net: ActionClassifier, clip: ClipInput, known: npt.NDArray[np.bool_]
) -> Floats64:
    """(S, K) the class probabilities of the same."""
    p = torch.softmax(net(clip.masked(known)), dim=1).view(len(known), clip.rows, -1).mean(dim=1)
    return p.double().cpu().numpy()


def _stage_number(net: ActionClassifier, stage: int | None) -> int:
    """The stage, by default the last one. Raises ConfigError if the network has fewer."""
    count = len(net.backbone.stages())
    if stage is not None and stage > count:
        raise ConfigError(
            f"The network has {counted(count, 'stage')}, not {stage}"
            if count
            else "The network has no stages with joints",
            f"Use --stage 0 to {count}; 0 is the input." if count else "Leave out --stage.",
        )
    return count if stage is None else stage


def _at_stage(net: ActionClassifier, x: Tensor, target: int, stage: int, method: str) -> Tensor:
    """(rows, M, L, V): the amounts at a stage, spread over the frames of the input."""
    caught: list[Tensor] = []
    module = net.backbone.stages()[stage - 1][-1]
    handle = module.register_forward_hook(lambda _, __, output: caught.append(output))
    try:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            logits = net(leaf)
    finally:
        handle.remove()
    n, m, length, joints = x.shape[:4]
    features = caught[0]
    if features.dim() != 4 or features.shape[3] != joints:
        raise ConfigError(f"The features of stage {stage} have no joints", "Try an earlier stage.")
    if method == "feature-norm":
        amounts = features.detach().norm(dim=1)
    else:
        summed = (logits[:, target] - logits.mean(dim=1)).sum()
        (gradient,) = torch.autograd.grad(summed, features)
        amounts = (gradient * features.detach()).sum(dim=1)
    if len(amounts) < n * m:  # persons without joints were computed once
        amounts = amounts[unique_persons(x)[1]]
    empty = ~x.flatten(2).any(dim=2).flatten()
    amounts = torch.where(empty[:, None, None], 0.0, amounts)
    amounts = amounts.view(n, m, -1, joints)
    each = length / amounts.shape[2]
    frames = (torch.arange(length, device=x.device) / each).long()
    return amounts[:, :, frames] / each
