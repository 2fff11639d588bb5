"""Files as the reference implementations write them: names and shapes of their own state dicts,
weights by the fill rule, statistics as calibrated there (tests/parity). None is made from a state
dict of skelact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from skelact.errors import CheckpointError
from skelact.interop.architectures import identify_architecture
from skelact.interop.checkpoints import foreign_checkpoint
from skelact.options import ForeignOptions
from skelact.skeletons import SKELETONS, load_skeleton
from tests.parity.fixtures import small, state_dicts
from tests.parity.networks import INIT, LAYOUTS, fill, network_input
from tests.parity.numbers import reference

PYSKL = {
    "pyskl_stgcn_importance_coco": ("stgcn", "coco-17"),
    "pyskl_stgcn_offset_coco": ("stgcn", "coco-17"),
    "pyskl_stgcn_init_coco": ("stgcn", "coco-17"),
    "pyskl_stgcn_fixedA_coco": ("stgcn", "coco-17"),
    "pyskl_stgcn_importance_openpose": ("stgcn", "openpose-18"),
    "pyskl_stgcnpp_coco": ("stgcnpp", "coco-17"),
    "pyskl_aagcn_coco": ("aagcn", "coco-17"),
    "pyskl_ctrgcn_coco": ("ctrgcn", "coco-17"),
    "pyskl_msg3d_coco": ("msg3d", "coco-17"),
    "pyskl_sgn_V25": ("sgn", "ntu-25"),
    "fullsize_stgcn_V17": ("stgcn", "coco-17"),
    "fullsize_msg3d_V17": ("msg3d", "coco-17"),
}
AUTHORS = {
    "orig_stgcn_ntu-rgb+d_uniform": ("stgcn", "ntu-25-thumb"),
    "orig_stgcn_ntu-rgb+d_distance": ("stgcn", "ntu-25-thumb"),
    "orig_stgcn_ntu-rgb+d_spatial": ("stgcn", "ntu-25-thumb"),
    "orig_agcn_V25": ("agcn", "ntu-25-thumb"),
    "orig_ctrgcn_V25": ("ctrgcn", "ntu-25-thumb"),
    "orig_msg3d_V18": ("msg3d", "openpose-18"),
}
REFUSED = {
    "asgcn_aim": "link inference of AS-GCN",
    "asgcn_backbone_small": "AS-GCN in its authors' form",
    "fullsize_asgcn_backbone": "AS-GCN in its authors' form",
    "kth_uni_plain": "ST-GCN of the KTH report",
    "kth_distance_plain": "ST-GCN of the KTH report",
    "kth_spatial_plain": "ST-GCN of the KTH report",
    "kth_symmetrical_plain": "ST-GCN of the KTH report",
    "kth_uni_res": "ST-GCN of the KTH report",
    "kth_spatial_res": "ST-GCN of the KTH report",
}
# the file does not tell that its fifth stage widens without halving the frame rate
UNDECIDABLE = "pyskl_stgcn_mvc_post_6stage_coco"


def graph(case: str, name: str, shape: list[int]) -> np.ndarray:
    """The constant, or the start of a learnt graph, that the reference stores under a name."""
    about, graphs = small(case)[0], reference("graphs")
    if case.startswith("orig_stgcn"):
        strategy = about["args"]["graph_args"]["strategy"]
        return graphs[f"yysijie/ntu-rgb+d/{strategy}/max_hop1"]
    if case.startswith("orig"):
        return graphs["yysijie/ntu-rgb+d/spatial/max_hop1"] if "agcn" in case else _digraph(shape)
    layout = about["args"]["graph_cfg"]["layout"] if isinstance(about["args"], dict) else "coco"
    key = f"pyskl/{layout}/"
    if "msg3d" not in case:
        spatial = any(n in case for n in ("stgcnpp", "aagcn", "ctrgcn"))
        return graphs[key + ("spatial" if spatial else "stgcn_spatial")]
    if name == "backbone.A":
        return graphs[key + "binary_adj"].reshape(shape)
    if "gcn3d.1" in name:
        return graphs[f"{key}g3d_window{shape[1] // 17}_scales6_norm"]
    return graphs[key + "k_adjacency_with_self_norm"]


def _digraph(shape: list[int]) -> np.ndarray:
    """The spatial graph of NTU through the thumbs: self, inward and outward links."""
    from skelact.models.graph import adjacency

    return adjacency(SKELETONS["ntu-25-thumb"], "spatial").reshape(shape)


def published(case: str) -> dict[str, Tensor]:
    """The file of a case as its program would write it."""
    fixture = small(case)[1]
    state = {}
    for name, shape in state_dicts()[case].items():
        stored = fixture.get(f"sd/{name}")
        last = name.rsplit(".", 1)[-1]
        value = torch.zeros(shape)
        if last == "A" or (last == "PA" and case == "orig_ctrgcn_V25"):
            value = torch.from_numpy(np.asarray(graph(case, name, shape), np.float32))
            assert list(value.shape) == shape, name
            if name == "backbone.A" and case in INIT:
                state[name] = value
                continue
        state[name] = fill(case, name, value) if stored is None else torch.from_numpy(stored)
    return state


@pytest.mark.parametrize("case", [*PYSKL, *AUTHORS])
def test_a_published_file_gives_the_published_numbers(case: str) -> None:
    name, layout = (PYSKL | AUTHORS)[case]
    found = identify_architecture(published(case))
    fixture = small(case)[1]
    assert (found.name, found.skeleton.name) == (name, layout)
    assert found.classes == fixture["out/logits"].shape[1]
    assert bool(found.format.authors) == (case in AUTHORS)
    with torch.no_grad():
        logits = found.net(network_input(fixture, case))
    np.testing.assert_allclose(logits, fixture["out/logits"], rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_loaded_is_named(case: str) -> None:
    state = {name: torch.zeros(shape) for name, shape in state_dicts()[case].items()}
    with pytest.raises(CheckpointError, match=REFUSED[case]):
        identify_architecture(state)


def test_every_state_dict_was_tried() -> None:
    assert {*PYSKL, *AUTHORS, *REFUSED, UNDECIDABLE} == set(state_dicts())
    assert identify_architecture(published(UNDECIDABLE)).kwargs["num_stages"] == 6


@pytest.mark.parametrize(
    "case",
    ["pyskl_aagcn_coco", "pyskl_ctrgcn_coco", "pyskl_msg3d_coco", "pyskl_stgcn_importance_coco"],
)
def test_another_graph_is_noticed(case: str, tmp_path: Path) -> None:
    state = published(case)
    for name in [k for k in state if k.endswith(".A") and k not in ("backbone.net.0.gcn1.A",)]:
        state[name] = state[name].flip(-1)
    with pytest.raises(CheckpointError, match="trained on another graph than that of coco-17"):
        identify_architecture(state)


def test_the_graph_selects_the_layout(tmp_path: Path) -> None:
    """25 joints are NTU's or OpenPose's: the constant graph tells them apart."""
    state = published("orig_stgcn_ntu-rgb+d_spatial")
    found = identify_architecture(state)
    assert found.skeleton.name == "ntu-25-thumb" and not found.assumed_layout
    with pytest.raises(CheckpointError, match=r"another graph than that of body-25 \(gcn.0.gcn.A"):
        identify_architecture(state, load_skeleton("body-25"))


def test_an_assumed_layout_is_said_and_the_others_are_offered(tmp_path: Path) -> None:
    torch.save(published("pyskl_sgn_V25"), file := tmp_path / "sgn.pth")
    checkpoint, notes = foreign_checkpoint(file, ForeignOptions())
    assert checkpoint.skeleton.name == "ntu-25"
    assert "sgn, 60 classes, ntu-25 in 3-D" in notes[0]
    assert "ntu-25 is assumed" in notes[1] and "body-25" in notes[1] and "--skeleton" in notes[1]
    _, notes = foreign_checkpoint(file, ForeignOptions(skeleton="ntu-25"))
    assert len(notes) == 2 and "actions of NTU RGB+D 60" in notes[1]


def test_an_authors_file_says_that_its_input_is_prepared_differently(tmp_path: Path) -> None:
    torch.save(published("orig_ctrgcn_V25"), file := tmp_path / "runs-65.pt")
    checkpoint, notes = foreign_checkpoint(file, ForeignOptions(skeleton="ntu-25-thumb"))
    assert checkpoint.recipe["sampling"]["length"] == 64 and checkpoint.persons == 2
    assert checkpoint.recipe["normalise"]["mode"] == "kinect"
    assert "the authors of CTR-GCN" in notes[0] and "lower accuracy" in notes[-1]


def test_a_layout_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(CheckpointError, match="sgn with 25 joints, 3 channels and 60") as error:
        identify_architecture(published("pyskl_sgn_V25"), SKELETONS["coco-17"])
    assert "ntu-25" in error.value.hint and "body-25" in error.value.hint
    assert LAYOUTS["nturgb+d"] in error.value.hint
