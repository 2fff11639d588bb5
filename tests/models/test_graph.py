from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.models.graph import (
    MODES,
    PARTITIONS,
    adjacency,
    hop_distance,
    k_adjacency,
    kth_normalise,
    kth_partition,
    normalise_columns,
    window_graph,
)
from skelact.skeletons import SKELETONS, Skeleton
from tests.parity.numbers import reference

LAYOUTS = {
    "coco": "coco-17",
    "openpose": "openpose-18",
    "nturgb+d": "ntu-25",
    "handmp": "hand-21",
}


def test_graph_of_a_chain() -> None:
    links = [(0, 1), (1, 2)]
    assert hop_distance(links, 3, 1)[0].tolist() == [0, 1, np.inf]
    assert hop_distance(links, 3, 2)[0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(
        normalise_columns(np.array([[1.0, 0], [3, 0]])), [[0.25, 0], [0.75, 0]]
    )


def test_true_centre_splits_towards_and_away() -> None:
    published = adjacency(SKELETONS["coco-17"], "stgcn_spatial")
    true = adjacency(SKELETONS["coco-17"], "stgcn_spatial", true_centre=True)
    np.testing.assert_allclose(published.sum(0), true.sum(0), atol=1e-6)
    assert (true[1] > 0).sum() == (true[2] > 0).sum() == 16


@pytest.mark.parametrize("skeleton", SKELETONS)
@pytest.mark.parametrize("mode", MODES)
def test_every_joint_receives_something(skeleton: str, mode: str) -> None:
    a = adjacency(SKELETONS[skeleton], mode)
    assert np.isfinite(a).all() and (a.sum(axis=(0, 1)) > 0).all()


@pytest.mark.parametrize("skeleton", SKELETONS)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_kth_partitions_of_every_skeleton(skeleton: str, partition: str) -> None:
    for norm in ("report", "row", "published"):
        a = kth_normalise(kth_partition(SKELETONS[skeleton], partition), norm)  # type: ignore[arg-type]
        assert np.isfinite(a).all()


def test_unknown_names() -> None:
    skeleton = SKELETONS["coco-17"]
    with pytest.raises(ConfigError, match="partition"):
        kth_partition(skeleton, "ring")
    with pytest.raises(ConfigError, match="Expected 17 mean distances"):
        kth_partition(skeleton, "spatial", [1.0])
    with pytest.raises(ConfigError, match="normalisation"):
        kth_normalise(kth_partition(skeleton, "uni"), "max")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="normalisation"):
        k_adjacency(np.eye(3), 2, "max")  # type: ignore[arg-type]


# --- against the reference implementations ---


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pyskl(layout: str) -> None:
    graphs = reference("graphs")
    skeleton = SKELETONS[LAYOUTS[layout]]
    for mode in ("spatial", "stgcn_spatial", "binary_adj"):
        expected = graphs[f"pyskl/{layout}/{mode}"]
        ours = adjacency(skeleton, mode)
        np.testing.assert_allclose(ours, expected.reshape(ours.shape), atol=1e-6)
    for hop in (2, 3):
        expected = graphs[f"pyskl/{layout}/stgcn_spatial/max_hop{hop}"]
        np.testing.assert_allclose(adjacency(skeleton, "stgcn_spatial", hop), expected, atol=1e-6)
    links = adjacency(skeleton, "binary_adj")[0].astype(float)
    expected = graphs[f"pyskl/{layout}/k_adjacency_with_self_norm"]
    np.testing.assert_allclose(k_adjacency(links, 13), expected, atol=1e-6)
    for window in (3, 5):
        expected = graphs[f"pyskl/{layout}/g3d_window{window}_scales6_norm"]
        ours = k_adjacency(window_graph(links, window), 6)
        np.testing.assert_allclose(ours, expected, atol=1e-6)


_EDGES = (
    "1-2 3-2 4-3 5-2 6-5 7-6 8-7 9-2 10-9 11-10 12-11 13-1 14-13 15-14 16-15 17-1 18-17 19-18 "
    "20-19 21-22 22-8 23-24 24-12"
)
NTU_EDGE = Skeleton.from_dict(
    {
        "name": "ntu-edge-24",
        "joints": [str(n) for n in range(1, 25)],
        "centre": "2",
        "parents": {},
        "edges": [link.split("-") for link in _EDGES.split()],
    }
)


@pytest.mark.parametrize("layout", ["openpose", "ntu-rgb+d", "ntu_edge"])
@pytest.mark.parametrize("hop", [1, 2, 4])
def test_original_stgcn(layout: str, hop: int) -> None:
    graphs = reference("graphs")
    skeleton = {
        "openpose": SKELETONS["openpose-18"],
        "ntu-rgb+d": SKELETONS["ntu-25-thumb"],
        "ntu_edge": NTU_EDGE,
    }[layout]
    if layout == "ntu_edge":  # its centre is joint index 2
        skeleton = Skeleton.from_dict(skeleton.as_dict() | {"centre": "3"})
    for theirs, ours in (
        ("uniform", "uniform"),
        ("distance", "distance"),
        ("spatial", "stgcn_spatial"),
    ):
        expected = graphs[f"yysijie/{layout}/{theirs}/max_hop{hop}"]
        np.testing.assert_allclose(adjacency(skeleton, ours, hop), expected, atol=1e-6)


@pytest.mark.parametrize(("layout", "ours"), [("ntu", "ntu-25-thumb"), ("kinetics", "openpose-18")])
def test_original_msg3d(layout: str, ours: str) -> None:
    graphs = reference("graphs")
    links = adjacency(SKELETONS[ours], "binary_adj")[0].astype(float)
    np.testing.assert_allclose(links, graphs[f"msg3d_orig/{layout}/A_binary"])
    expected = graphs[f"msg3d_orig/{layout}/k_adjacency_with_self_symnorm"]
    np.testing.assert_allclose(k_adjacency(links, 13, "sym"), expected, atol=1e-6)


@pytest.mark.parametrize("partition", PARTITIONS)
def test_kth_report(partition: str) -> None:
    graphs = reference("graphs")
    distances = graphs["kth/example_mean_distances"].tolist()
    a = kth_partition(SKELETONS["body-25"], partition, distances)
    # rows are receivers there
    np.testing.assert_allclose(a.transpose(0, 2, 1), graphs[f"kth/{partition}/binary"])
    for norm, theirs in (
        ("report", "norm_report_formula"),
        ("published", "norm_published_code"),
    ):
        ours = kth_normalise(a, norm).transpose(0, 2, 1)  # type: ignore[arg-type]
        np.testing.assert_allclose(ours, graphs[f"kth/{partition}/{theirs}"], rtol=1e-5)
