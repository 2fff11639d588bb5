"""The graphs that networks have learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.errors import ConfigError
from skelact.models import SPECS, build
from skelact.models.asgcn import ASGCN
from skelact.models.learned_graphs import learned_graphs
from skelact.models.link_inference import LinkInference
from tests.helpers import COCO, SMALL_NETWORKS

FIXED = ("stgcn", "stgcn_small", "stgcnpp", "stgcn-kth", "msg3d")
DEPENDENT = ("2s-agcn", "aagcn", "agcn", "ctrgcn", "asgcn", "sgn", "esan")


@pytest.mark.parametrize("name", SPECS)
def test_every_network_has_a_graph_or_says_that_it_has_none(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, 3, COCO, 3, 1, **SMALL_NETWORKS[name]).eval()  # type: ignore[arg-type]
    if name not in FIXED + DEPENDENT:
        with pytest.raises(ConfigError, match=f"{name} has no learned graph"):
            learned_graphs(net, name, 17)
        return
    for parameter in net.parameters():
        if not parameter.any():  # the part that depends on the input starts at 0
            torch.nn.init.normal_(parameter, std=0.5)
    graphs = learned_graphs(net, name, 17)
    assert graphs.depends_on_input == (name in DEPENDENT)
    first, second = (graphs.of(torch.randn(1, 1, 12, 17, 3)) for _ in range(2))
    assert first.shape[1:] == (17, 17) and len(first) >= 2 and (first >= 0).all()
    assert np.isfinite(first).all()
    if name in FIXED:
        assert (first == second).all()
    elif name != "asgcn":  # links of random weights are often none
        assert (first != second).any()


def test_the_mask_of_st_gcn_is_in_its_graph() -> None:
    net = build("stgcn", 3, COCO, **SMALL_NETWORKS["stgcn"]).eval()  # type: ignore[arg-type]
    elbow, wrist = COCO.index("left_elbow"), COCO.index("left_wrist")
    before = learned_graphs(net, "stgcn", 17).of(None)
    with torch.no_grad():
        net.backbone.stages()[1][0].gcn.PA[:, elbow, wrist] *= 10  # type: ignore[union-attr, index]
    after = learned_graphs(net, "stgcn", 17).of(None)
    changed = np.argwhere(~np.isclose(before, after))
    assert changed.tolist() == [[1, elbow, wrist]]
    np.testing.assert_allclose(after[1, elbow, wrist], 10 * before[1, elbow, wrist], rtol=1e-5)


def test_a_mask_that_is_not_learned_is_no_graph() -> None:
    net = build("stgcn", 3, COCO, adaptive="none", **SMALL_NETWORKS["stgcn"])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no learned graph"):
        learned_graphs(net, "stgcn", 17)


def test_the_actional_links_are_those_of_the_network() -> None:
    torch.manual_seed(0)
    net = build("asgcn", 3, COCO, **SMALL_NETWORKS["asgcn"]).eval()  # type: ignore[arg-type]
    assert isinstance(net.backbone, ASGCN)
    x = torch.randn(1, 1, 12, 17, 3)
    links = net.backbone.links(x).mean(dim=(0, 1)).numpy()
    found = learned_graphs(net, "asgcn", 17).of(x)
    assert len(found) == len(net.backbone.stages())  # without the forecast head
    np.testing.assert_allclose(found[0], links, rtol=1e-5)


@pytest.mark.parametrize(
    ("length", "frames"), [(7, [0, 1, 2, 4, 5]), (9, [0, 1, 3, 5, 7]), (3, [0, 1, 2, 0, 1])]
)
def test_frames_for_link_inference(length: int, frames: list[int]) -> None:
    """A long clip is sampled at equal distances, a short one repeated."""
    x = torch.arange(length, dtype=torch.float32).view(1, 1, length, 1, 1)
    assert LinkInference(1, frames=5, hidden=4).sampled(x).flatten().tolist() == frames
