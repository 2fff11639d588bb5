"""Mean derivatives of the poolings of a time series along a straight line, in closed form.

y(s) = y0 + s (y1 - y0) for s from 0 to 1. For a pooling p of y over time, each function returns
g (..., T) with sum over t of g_t (y1 - y0)_t = p(y1) - p(y0): the mean of dp/dy_t over s. These are
the integrated gradients of Sundararajan et al. 2017, without numerical integration."""

from __future__ import annotations

import torch
from torch import Tensor

_SMALL = 1e-12


def sigmoid_mean(y0: Tensor, y1: Tensor, slope: float) -> Tensor:
    """Of the mean over time of sigmoid(slope y). All are (..., T) float64."""
    difference = y1 - y0
    rise = torch.sigmoid(slope * y1) - torch.sigmoid(slope * y0)
    middle = torch.sigmoid(slope * (y0 + y1) / 2)
    flat = difference.abs() < 1e-6  # the derivative instead of a quotient of rounding errors
    safe = torch.where(flat, torch.ones_like(difference), difference)
    return torch.where(flat, slope * middle * (1 - middle), rise / safe) / y0.shape[-1]


def maximum(y0: Tensor, y1: Tensor) -> Tensor:
    """Of the maximum over time: the share of the line on which each element is the largest. The
    upper envelope of T straight lines is followed from one crossing to the next. (..., T)."""
    shape = y0.shape
    start, slope = y0.reshape(-1, shape[-1]), (y1 - y0).reshape(-1, shape[-1])
    share = torch.zeros_like(start)
    rows = torch.arange(len(start), device=start.device)
    at = torch.zeros_like(start[:, 0])
    # of equal values at the start, the one that grows fastest is the largest from there on
    is_first = start >= start.amax(1, keepdim=True)
    current = torch.where(is_first, slope, slope.new_tensor(-torch.inf)).argmax(1)
    for _ in range(shape[-1]):
        steeper = slope - slope[rows, current][:, None]
        gap = start[rows, current][:, None] - start
        crossing = torch.where(steeper > _SMALL, gap / steeper.clamp(min=_SMALL), torch.inf)
        following = torch.maximum(crossing, at[:, None])
        end = following.amin(1).clamp(max=1.0)
        share[rows, current] += end - at
        # of several that cross there, the steepest stays above the others
        meets = following <= end[:, None]
        others = torch.where(meets, slope, slope.new_tensor(-torch.inf)).argmax(1)
        current = torch.where(end < 1, others, current)
        at = end
        if bool((at >= 1).all()):
            break
    return share.reshape(shape)


def deviation(y0: Tensor, y1: Tensor) -> Tensor:
    """Of the standard deviation over time (without correction). (..., T) float64.

    With u and w, the centred y0 and y1 - y0, dp/dy_t = (u_t + s w_t) / (T sqrt(q(s))), where
    q(s) = a + 2 b s + c s^2 is the variance; both integrals over s have a closed form."""
    u = y0 - y0.mean(-1, keepdim=True)
    w = (y1 - y0) - (y1 - y0).mean(-1, keepdim=True)
    a, b, c = (x.mean(-1, keepdim=True) for x in (u.square(), u * w, w.square()))  # (..., 1)
    ends = [a.clamp(min=0).sqrt(), (a + 2 * b + c).clamp(min=0).sqrt()]
    constant = c < _SMALL * (1 + a)
    safe = torch.where(constant, torch.ones_like(c), c)
    # the integral of 1 / sqrt(q): the logarithm of root(c) sqrt(q) + c s + b, from both ends
    root = safe.sqrt()
    low, high = root * ends[0] + b, root * ends[1] + c + b
    # b and b + c can be negative, where the sum cancels: (root sqrt(q))^2 - (c s + b)^2 = a c - b^2
    rest = (a * c - b.square()).clamp(min=0)
    low = torch.where(b < 0, rest / (root * ends[0] - b).clamp(min=_SMALL), low)
    high = torch.where(b + c < 0, rest / (root * ends[1] - c - b).clamp(min=_SMALL), high)
    inverse = (high.clamp(min=_SMALL) / low.clamp(min=_SMALL)).log() / root
    linear = (ends[1] - ends[0]) / safe - b / safe * inverse
    still = 1 / ends[0].clamp(min=_SMALL)
    inverse = torch.where(constant, still, inverse)
    linear = torch.where(constant, still / 2, linear)
    return (u * inverse + w * linear) / y0.shape[-1]
