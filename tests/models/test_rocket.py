"""Random convolutions: their draws, their state dict, the scaler, refused options."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from skelact.errors import ConfigError
from skelact.models import build
from skelact.models.rocket import Rocket
from skelact.skeletons import SKELETONS

COCO = SKELETONS["coco-17"]


def test_the_seed_draws_the_kernels_and_the_state_dict_has_them() -> None:
    x = torch.randn(2, 1, 20, 17, 3)
    one, same, other = (Rocket(COCO, kernels=16, seed=s)(x) for s in (0, 0, 1))
    torch.testing.assert_close(one, same)
    assert not torch.allclose(one, other)
    loaded = Rocket(COCO, kernels=16, seed=1)
    loaded.load_state_dict(Rocket(COCO, kernels=16, seed=0).state_dict())
    torch.testing.assert_close(loaded(x), one)


def test_the_scaler_gives_mean_0_and_deviation_1() -> None:
    net = Rocket(COCO, kernels=8)
    clips = [torch.randn(3, 2, 12, 17, 3) * 4 + 7 for _ in range(3)]
    net.fit_scaler(clips)
    rows = torch.cat([net._rows(x.flatten(0, 1)) for x in clips])
    found = (rows - net.mean[:, None]) / net.deviation[:, None]
    assert found.mean(dim=(0, 2)).abs().max() < 1e-4
    spread = found.std(dim=(0, 2), correction=0)
    torch.testing.assert_close(spread, torch.ones(net.rows), atol=2e-3, rtol=0)


def test_a_kernel_is_the_sum_of_its_rows_convolutions() -> None:
    net = Rocket(COCO, kernels=8, seed=3)
    x = torch.randn(1, 1, 20, 17, 3)
    rows, n = net._rows(x.flatten(0, 1)), 1  # 1: the last of the two kernels of the first shape
    at = (net.kernel == n).nonzero().flatten()
    by_hand = net.bias0[n] + sum(
        F.conv1d(rows[:, net.row0[i], None].transpose(0, 1), net.weight0[i][None, None], padding=4)
        for i in at
    )
    maximum = net(x)[0, 0, net.each + n, 0, 0]
    torch.testing.assert_close(maximum, by_hand.amax(), atol=1e-4, rtol=1e-4)


def test_a_separable_kernel_is_a_sum_of_rows_and_one_convolution() -> None:
    net = Rocket(COCO, kernels=8, seed=3, separable=True)
    x = torch.randn(2, 1, 20, 17, 3)
    rows, n = net._rows(x.flatten(0, 1)), 1
    at = (net.kernel == n).nonzero().flatten()
    mixed = (net.mix1[at, None] * rows[:, net.row1[at]]).sum(dim=1, keepdim=True)
    by_hand = F.conv1d(mixed, net.weight1[n][None, None], net.bias1[n, None], 1, 8, 2)
    maximum = net(x)[:, 0, 5 * net.each + net.each + n, 0, 0]
    torch.testing.assert_close(maximum, by_hand.amax(dim=(1, 2)), atol=1e-4, rtol=1e-4)
    loaded = Rocket(COCO, kernels=8, seed=1, separable=True)
    loaded.load_state_dict(net.state_dict())
    torch.testing.assert_close(loaded(x), net(x))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kernels": 6}, "multiple of 4"),
        ({"kernels": 0}, "multiple of 4"),
        ({"features": ("distances", "fast")}, "frame rate"),
        ({"features": ("angles",)}, "features must be among"),
        ({"features": ()}, "features must be among"),
    ],
)
def test_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build("rocket", 3, COCO, **options)  # type: ignore[arg-type]
