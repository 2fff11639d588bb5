"""AS-GCN compared to its published code, on the large fixtures."""

from __future__ import annotations

import numpy as np

from tests.conftest import need
from tests.parity.asgcn import (
    AIM,
    FULL,
    SMALL,
    aim_with_weights,
    asgcn_with_weights,
    compare_aim,
    compare_backbone_and_forecast,
    compare_full_size,
)
from tests.parity.fixtures import LARGE, large


def test_link_inference() -> None:
    need(LARGE / f"{AIM}.npz")
    _, fixture = large(AIM)
    aim = aim_with_weights(fixture)
    assert sum(p.numel() for p in aim.parameters()) == 417_798
    compare_aim(aim, fixture)


def test_asgcn_backbone_and_forecast() -> None:
    need(LARGE / f"{SMALL}.npz")
    _, fixture = large(SMALL)
    features = compare_backbone_and_forecast(asgcn_with_weights(SMALL, fixture), fixture)
    expected = fixture["stage/class_layer_8"]
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_asgcn_full_size() -> None:
    need(LARGE / f"{FULL}.npz")
    _, fixture = large(FULL)
    net = asgcn_with_weights(FULL, fixture)
    # two masks of the published code are never used, and skelact has none
    unused = 2 * 9 * 25 * 25
    own = sum(p.numel() for n, p in net.named_parameters() if ".aim." not in n)
    assert own == 6_987_478 - unused
    compare_full_size(net, fixture)
