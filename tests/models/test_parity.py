"""The networks with the weights of the reference implementations, compared to all their outputs in
the large fixtures, which are not part of the project. `test_parity_small.py` requires only this
repository."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import need
from tests.parity.fixtures import LARGE, large
from tests.parity.networks import (
    CASES,
    FULL_SIZE,
    compare_full_size,
    compare_gradients,
    compare_outputs,
    gradients,
    network_input,
    stage_names,
    stages,
    with_weights,
)


@pytest.mark.parametrize("case", CASES)
def test_network(case: str) -> None:
    need(LARGE / f"{case}.npz")
    about, fixture = large(case)
    net, theirs = with_weights(case, about, fixture)
    x = network_input(fixture, case)
    compare_outputs(net, fixture, x, theirs)
    if "train/label" in fixture:
        compare_gradients(case, gradients(net, fixture, x, theirs), fixture)


@pytest.mark.parametrize("case", CASES)
def test_stages(case: str) -> None:
    """Every block's output, in evaluation."""
    need(LARGE / f"{case}.npz")
    about, fixture = large(case)
    net, _ = with_weights(case, about, fixture)
    names = stage_names(case, [k[6:] for k in fixture if k.startswith("stage/")])
    for name, value in stages(net, network_input(fixture, case), names).items():
        expected = fixture[f"stage/{name}"]
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("case", FULL_SIZE)
def test_full_size(case: str) -> None:
    """Weights by the fill rule of the fixtures' README."""
    need(LARGE / f"{case}.npz")
    about, fixture = large(case)
    net, theirs = with_weights(case, about, fixture)
    compare_full_size(net, fixture, network_input(fixture, case), theirs)
