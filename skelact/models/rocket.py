"""Random convolutions over time of DD-Net's features (Dempster et al. 2020, "ROCKET"; with several
poolings, as in Tan et al. 2022, "MultiRocket"). The kernels are not trained, and the linear layer
has a closed-form solution (`skelact.training.closed_form`), so that training takes seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.models import path_integrals
from skelact.models.base import Backbone
from skelact.models.kinematic_features import KinematicFeatures
from skelact.models.specs import ModelSpec, SmallVariant
from skelact.skeletons import Skeleton

_SHAPES = ((1, 9), (2, 9), (3, 7), (4, 7))  # dilation, length
_MAX_ROWS = 24  # inputs of one kernel
_BIAS = 3.0  # largest absolute bias
_SLOPE = 4.0  # of the sigmoid that replaces the step function in the share of positive values
POOLINGS = 5


class Rocket(Backbone):
    """The backbone: `kernels` random convolutions, each of a few randomly chosen time series
    (rows), pooled over time into the share of positive values, maximum, minimum, mean and standard
    deviation. The kernels are drawn from `seed` and are part of the state dict. With `separable`
    every kernel is a random sum of its rows, followed by one random convolution over time, which
    is about five times as fast. Raises ValueError as `KinematicFeatures` does, or if `kernels` is
    not a multiple of four."""

    closed_form = True

    def __init__(
        self,
        skeleton: Skeleton,
        in_channels: int = 3,
        persons: int = 1,
        dims: int = 2,
        kernels: int = 2000,
        seed: int = 0,
        features: Sequence[str] = ("distances", "slow", "position"),
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.separable = separable
        if kernels < 1 or kernels % len(_SHAPES):
            raise ValueError(
                f"kernels must be a positive multiple of {len(_SHAPES)}, got {kernels}"
            )
        if "fast" in features:
            raise ValueError("the feature 'fast' has another frame rate and cannot be used here")
        self.features = KinematicFeatures(skeleton, in_channels, dims, features)
        self.rows = sum(self.features.sizes.values())
        self.register_buffer("mean", torch.zeros(self.rows))
        self.register_buffer("deviation", torch.ones(self.rows))
        each = kernels // len(_SHAPES)
        self.each, self.out_channels = each, POOLINGS * each * len(_SHAPES)
        rng = np.random.default_rng(seed)
        # the numbers of rows do not depend on the seed, so that buffers have the same shapes
        counts = np.geomspace(1, min(_MAX_ROWS, self.rows), each).round().astype(int)
        self.register_buffer("kernel", torch.from_numpy(np.repeat(np.arange(each), counts)))
        for n, (_, length) in enumerate(_SHAPES):
            rows = np.concatenate([rng.choice(self.rows, c, replace=False) for c in counts])
            per_kernel = np.ones(each, int) if separable else counts
            weights = rng.normal(size=(int(per_kernel.sum()), length))
            centred = np.repeat(rng.random(each) < 0.5, per_kernel)
            weights[centred] -= weights[centred].mean(axis=1, keepdims=True)
            weights /= np.sqrt(np.repeat(per_kernel, per_kernel) * length)[:, None]
            self.register_buffer(f"row{n}", torch.from_numpy(rows))
            if separable:
                mix = rng.normal(size=len(rows)) / np.sqrt(np.repeat(counts, counts))
                self.register_buffer(f"mix{n}", torch.from_numpy(mix).float())
            self.register_buffer(f"weight{n}", torch.from_numpy(weights).float())
            self.register_buffer(
                f"bias{n}", torch.from_numpy(rng.uniform(-_BIAS, _BIAS, each)).float()
            )

    def fit_scaler(self, clips: Iterable[Tensor]) -> None:
        """Estimate the mean and standard deviation of every row from clips (N, M, T, V, C)."""
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for x in clips:
            rows = self._rows(x.flatten(0, 1)).double()
            count += rows.shape[0] * rows.shape[2]
            total = total + rows.sum(dim=(0, 2)).cpu()
            squares = squares + rows.square().sum(dim=(0, 2)).cpu()
        mean = total / count
        self.mean.copy_(mean)  # type: ignore[operator]
        variance = (squares / count - mean.square()).clamp(min=0)
        self.deviation.copy_(variance.sqrt() + 1e-3)  # type: ignore[operator]

    def _rows(self, x: Tensor) -> Tensor:
        return torch.cat(list(self.features(x).values()), dim=1).squeeze(3)

    def _scaled(self, rows: Tensor) -> Tensor:
        """Rows (N, R, T) with mean 0 and deviation 1 over the training clips."""
        return (rows - self.mean[:, None]) / self.deviation[:, None]  # type: ignore[index]

    def contributions(self, x: Tensor, weight: Tensor) -> Tensor:
        """See `Backbone.contributions`. All features of x grow in proportion with it, so that along
        the line from an input of zeros to x every convolution changes linearly, and the integrated
        gradients of the poolings have a closed form. A row's share is divided equally among the
        joints and the frames that it is computed from."""
        n, m, t = x.shape[:3]
        rows, empty = (self._scaled(self._rows(v.flatten(0, 1))) for v in (x, torch.zeros_like(x)))
        parts = weight.double().view(len(_SHAPES), POOLINGS, self.each)
        total = torch.zeros_like(rows)
        for i, (dilation, length) in enumerate(_SHAPES):
            with torch.enable_grad():
                leaf = rows.detach().requires_grad_()
                y = self._convolve(i, dilation, length, leaf)
            y1 = y.detach().double()
            y0 = self._convolve(i, dilation, length, empty[:1]).double().expand_as(y1)
            means = (
                path_integrals.sigmoid_mean(y0, y1, _SLOPE),
                path_integrals.maximum(y0, y1),
                path_integrals.maximum(-y0, -y1),  # of the minimum: the signs cancel
                torch.full_like(y1, 1 / t),
                path_integrals.deviation(y0, y1),
            )
            slope = sum(p[:, None] * g for p, g in zip(parts[i], means, strict=True))
            (back,) = torch.autograd.grad(y, leaf, slope.to(y.dtype))
            total += back * (rows - empty)
        return self.features.to_joints(total).view(n, m, t, -1) / m

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', 1, 1)."""
        n, m = x.shape[:2]
        rows = self._scaled(self._rows(x.flatten(0, 1)))
        pooled = []
        for i, (dilation, length) in enumerate(_SHAPES):
            y = self._convolve(i, dilation, length, rows)
            positive = torch.sigmoid(_SLOPE * y).mean(dim=2)
            pooled += [positive, y.amax(2), y.amin(2), y.mean(2), y.std(2, correction=0)]
        return torch.cat(pooled, dim=1).reshape(n, m, -1, 1, 1)

    def _convolve(self, i: int, dilation: int, length: int, rows: Tensor) -> Tensor:
        """The convolutions of shape number `i` of rows (N, R, T) -> (N, each, T)."""
        weight, bias = self.get_buffer(f"weight{i}"), self.get_buffer(f"bias{i}")
        row, pad = self.get_buffer(f"row{i}"), dilation * (length - 1) // 2
        if not self.separable:
            dense = weight.new_zeros(self.each, self.rows, length)
            dense[self.kernel, row] = weight  # type: ignore[index]
            return F.conv1d(rows, dense, bias, padding=pad, dilation=dilation)
        mix = weight.new_zeros(self.each, self.rows)
        mix[self.kernel, row] = self.get_buffer(f"mix{i}")  # type: ignore[index]
        mixed = F.pad(mix @ rows, (pad, pad))
        # shape[0], not len: torch.export takes the number of clips for a constant otherwise
        y = bias[:, None].expand(rows.shape[0], -1, rows.shape[2]).clone()
        for k in range(length):  # faster than a convolution with one group for each channel
            y.addcmul_(mixed[:, :, k * dilation : k * dilation + y.shape[2]], weight[:, k, None])
        return y


SPECS = (
    ModelSpec(
        name="rocket",
        backbone=Rocket,
        summary="2,000 random convolutions and a linear layer in closed form: trained in seconds",
        paper="Dempster et al. 2020, ROCKET: random convolutions, a head in closed form",
        accuracy="none for skeletons",
        source="the paper is about time series",
        clip_shape=(1, 32, 3),
        data_arguments=frozenset({"dims", "seed"}),
        train={"epochs": 1, "repeat": 4},
        small=SmallVariant(
            training="modern",
            sections={
                "sampling": {"length": 64, "method": "linspace", "test_flip": True},
                "augment": {"rotate_rad": 0.1, "scale": 0.1, "noise": 0.005},
            },
        ),
    ),
)
