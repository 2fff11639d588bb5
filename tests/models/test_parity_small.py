"""The networks with the weights of the reference implementations, compared to their outputs in this
repository: see tests/parity/README.md."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.models import SPECS, build
from skelact.skeletons import SKELETONS
from tests.conftest import need
from tests.parity.asgcn import AIM, FULL, SMALL
from tests.parity.fixtures import ALL, FOLDER, LARGE, compare, large, small
from tests.parity.networks import fill, network_of, with_weights

ASGCN = (SMALL, FULL, AIM)


@pytest.mark.parametrize("case", ALL)
def test_network(case: str) -> None:
    about, fixture = small(case)
    compare(case, about, fixture)


def test_2s_agcn_is_aagcn_without_attention() -> None:
    """AAGCN has a reference; with its attention switched off it is what mmaction2 calls 2s-AGCN."""
    about, fixture = small(case := "pyskl_aagcn_coco")
    aagcn, _ = with_weights(case, about, fixture)
    attention = ("conv_sa", "conv_ta", "fc1c", "fc2c")
    state = aagcn.state_dict()
    for name, value in state.items():
        if name.rsplit(".", 2)[-2] in attention:
            value.fill_(-100.0 if name.endswith("bias") and "fc1c" not in name else 0.0)
    aagcn.load_state_dict(state)
    plain = build("2s-agcn", 12, SKELETONS["coco-17"], persons=2, base_channels=8)
    shared = {k: v for k, v in state.items() if k in plain.state_dict()}
    assert all(k.rsplit(".", 2)[-2] in attention for k in state.keys() - shared.keys())
    plain.load_state_dict(shared)
    x = torch.from_numpy(fixture["in/x"])
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(x), aagcn.eval()(x), rtol=1e-5, atol=1e-5)


def test_every_network_is_compared() -> None:
    compared = {"2s-agcn"}  # above
    for case in ALL:
        name = "asgcn" if case in ASGCN else case.split("_")[1]
        name = {"kth": "stgcn-kth"}.get(case.split("_")[0], name)
        assert name in SPECS, case
        if case not in ASGCN:
            net, _ = network_of(case, small(case)[0])
            assert type(net.backbone) is SPECS[name].backbone, case
        compared.add(name)
    assert compared == {s.name for s in SPECS.values() if s.reference}


@pytest.mark.parametrize("case", ["pyskl_stgcn_init_coco", "orig_agcn_V25", "kth_uni_res"])
def test_the_comparison_notices(case: str) -> None:
    """One tensor that is wrong by 1 %, or a transposed graph, fails the comparison."""
    about, fixture = small(case)
    name = next(k for k in fixture if k.startswith("sd/") and k.endswith("running_var"))
    with pytest.raises(AssertionError):
        compare(case, about, fixture | {name: fixture[name] * 1.01})
    net, theirs = network_of(case, about)
    ours = next(k for k in theirs if k.endswith((".A", ".PA")))
    value = fill(case, theirs[ours], net.state_dict()[ours]).numpy()
    transposed = np.ascontiguousarray(value.swapaxes(-1, -2))
    with pytest.raises(AssertionError):
        compare(case, about, fixture | {f"sd/{theirs[ours]}": transposed})


@pytest.mark.parametrize("case", ["pyskl_ctrgcn_coco", "asgcn_backbone_small"])
def test_numbers_are_the_large_fixtures(case: str) -> None:
    need(LARGE / f"{case}.npz")
    _, full = large(case)
    _, stored = small(case)
    shared = stored.keys() & full.keys()
    assert len(shared) > 10
    for key in shared:
        np.testing.assert_array_equal(stored[key], full[key], key)


def test_the_fixtures_are_small() -> None:
    assert sum(f.stat().st_size for f in FOLDER.iterdir() if f.suffix in (".npz", ".json")) < 1e6
