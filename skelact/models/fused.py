"""The graph convolution in training on a CPU, with its own gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK = 1 << 18  # numbers for each thread, 1 MB in float32, so that they stay in its cache


class GraphProduct(torch.autograd.Function):
    """y_w = shift_w + sum over k and v of A_k[v, w] W_k x_v.

    The matrix products are those of PyTorch's gradients, in an order that needs no feature of K
    subsets in main memory. A few samples are computed at a time, and only the input is saved: with
    the gathered features u_kw = sum_v A_k[v, w] x_v, which are computed again, and the gradient g
    of y, dW_k = sum_w g_w u_kw^T, and from h_kw = W_k^T g_w follow dx_v = sum_kw A_k[v, w] h_kw and
    dA_k[v, w] = x_v h_kw."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
        """x (N, T, V, C) contiguous, graph (V K, V) with rows (w, k), weight (out, K C), shift (V,
        out) -> (N, T, V, out)."""
        ctx.save_for_backward(x, graph, weight)
        out, width = weight.shape
        y = x.new_empty(*x.shape[:3], out)
        for part in _chunks(x, width):
            u = _gather(x[part], graph).view(-1, width)
            start = shift.expand(len(u) // len(shift), *shift.shape).reshape(-1, out)
            torch.addmm(start, u, weight.t(), out=y[part].view(-1, out))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, graph, weight = ctx.saved_tensors
        grad = grad.contiguous()
        (out, width), (_, _, v, c) = weight.shape, x.shape
        dx, dgraph, dweight = map(torch.zeros_like, (x, graph, weight))
        for part in _chunks(x, width):
            u, g, rows = _gather(x[part], graph).view(-1, width), grad[part].view(-1, out), x[part]
            torch.addmm(dweight, g.t(), u, out=dweight)
            h = torch.mm(g, weight, out=u).view(-1, len(graph), c)
            transposed = graph.t().expand(len(h), -1, -1)
            torch.bmm(transposed, h, out=dx[part].view(-1, v, c))
            dgraph += torch.bmm(h, rows.view(-1, v, c).transpose(1, 2)).sum(0)
        return dx, dgraph, dweight, grad.sum((0, 1))


def _gather(x: Tensor, graph: Tensor) -> Tensor:
    """(N, T, V, C) -> (N T, V K, C)."""
    n, t, v, c = x.shape
    return torch.bmm(graph.expand(n * t, -1, -1), x.view(-1, v, c))


def _chunks(x: Tensor, width: int) -> Iterator[slice]:
    """Parts of (N, T, V, C) whose features of `width` channels fit into the cache."""
    n, t, v, _ = x.shape
    step = max(1, round(torch.get_num_threads() * _CHUNK / (t * v * width)))
    return (slice(i, i + step) for i in range(0, n, step))
