"""Our networks with the reference implementations' weights against what those computed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from skelact.models import build
from skelact.models.recogniser import Recogniser
from skelact.skeletons import SKELETONS
from tests.conftest import SHARED, need

PARITY = SHARED / "parity"
LAYOUTS = {
    "coco": "coco-17",
    "openpose": "openpose-18",
    "nturgb+d": "ntu-25",
    "ntu-rgb+d": "ntu-25-thumb",
}
STGCN = [
    f"pyskl_stgcn_{case}"
    for case in (
        "importance_coco",
        "offset_coco",
        "init_coco",
        "fixedA_coco",
        "importance_openpose",
        "mvc_post_6stage_coco",
    )
]
ORIGINAL = [f"orig_stgcn_ntu-rgb+d_{s}" for s in ("uniform", "distance", "spatial")]
KTH = [
    f"kth_{case}"
    for case in (
        "uni_plain",
        "distance_plain",
        "spatial_plain",
        "symmetrical_plain",
        "uni_res",
        "spatial_res",
    )
]
OTHERS = [f"pyskl_{n}_coco" for n in ("stgcnpp", "aagcn", "ctrgcn", "msg3d")]
CASES = [*STGCN, *OTHERS, "pyskl_sgn_V25", "orig_agcn_V25", "orig_msg3d_V18", *ORIGINAL, *KTH]

# Norm-relative. Compared in float64, where most agree to 1e-6. In these some ReLU inputs lie within
# rounding of 0 and fell on the other side in the reference's float32; outputs and losses agree all
# the same.
GRADIENT_TOLERANCE = {
    "pyskl_stgcn_offset_coco": 1e-2,
    "pyskl_stgcnpp_coco": 3e-2,
    "orig_agcn_V25": 2e-3,
}

Fixture = dict[str, np.ndarray]


def load(case: str) -> tuple[dict[str, Any], Fixture]:
    file = need(PARITY / f"{case}.json")
    return json.loads(file.read_text()), dict(np.load(file.with_suffix(".npz")))


def pyskl(case: str, about: dict[str, Any]) -> tuple[Recogniser, Callable[[str], str]]:
    """The network of a PYSKL case, and our names -> its names."""
    name, args = case.split("_")[1], about["args"]
    if name == "sgn":
        return build(name, 60, SKELETONS["ntu-25"], persons=2), _without_head
    same = ("base_channels", "data_bn_type", "num_stages", "inflate_stages", "down_stages")
    kwargs = {k: args[k] for k in same if k in args}
    if name == "stgcn":
        kwargs["graph_mode"] = args["graph_cfg"]["mode"]
        if "gcn_adaptive" in args:
            kwargs["adaptive"] = args["gcn_adaptive"] or "none"
        if "gcn_conv_pos" in args:
            kwargs["conv_pos"] = args["gcn_conv_pos"]
    skeleton = SKELETONS[LAYOUTS[args["graph_cfg"]["layout"]]]
    classes, persons = about["logits"][1], about["input"][1]
    return build(name, classes, skeleton, persons=persons, **kwargs), _without_head


def _without_head(ours: str) -> str:
    return ours.removeprefix("cls_head.")


def original(case: str, about: dict[str, Any]) -> tuple[Recogniser, Callable[[str], str]]:
    """The network of another repository's case, and our names -> its names."""
    args = about["args"]
    if case.startswith("kth"):
        kwargs = {"partition": args["partitioning"], "residual": args["residual"]}
        kwargs |= {"edge_importance": False, "learn_adjacency": True, "base_channels": 8}
        net = build("stgcn-kth", 6, SKELETONS["body-25"], in_channels=2, **kwargs)
        return net, _kth_name
    if "agcn" in case:
        net = build("agcn", 12, SKELETONS["ntu-25-thumb"], persons=2, base_channels=8)
        return net, _agcn_name
    if "msg3d" in case:
        kwargs = {"base_channels": 12, "gcn_scales": 8, "g3d_scales": 8, "norm": "sym"}
        net = build("msg3d", 12, SKELETONS["openpose-18"], persons=2, **kwargs)
        return net, lambda k: _bare(k).replace(".PA", ".A_res")
    mode = {"spatial": "stgcn_spatial"}.get(strategy := args["graph_args"]["strategy"], strategy)
    skeleton = SKELETONS[LAYOUTS[args["graph_args"]["layout"]]]
    return build("stgcn", 12, skeleton, persons=2, base_channels=8, graph_mode=mode), _stgcn_name


def as_ours(theirs: str, value: Tensor, shape: torch.Size) -> Tensor:
    value = value.reshape(shape)
    graph = theirs.endswith((".A_res", "spatialConv.A"))
    return value.transpose(-1, -2) if graph else value  # rows are receivers there


def _bare(ours: str) -> str:
    return ours.removeprefix("backbone.").removeprefix("cls_head.")


def _renamed(ours: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for mine, theirs in pairs:
        ours = ours.replace(mine, theirs)
    return ours


def _kth_name(ours: str) -> str:
    pairs = (("layers.", "conv."), (".bn1.", ".batch_n."), (".bn2.", ".batch_n_2."))
    pairs += ((".graph.", ".spatialConv.W."), (".temporal.", ".temporalConv."))
    pairs += ((".A", ".spatialConv.A"), (".shortcut.", ".apply_residual."), ("fc.", "fc_layer."))
    return _renamed(_bare(ours), pairs)


def _agcn_name(ours: str) -> str:
    head, _, rest = _bare(ours).partition("gcn.")
    if not rest:
        return head
    number, _, rest = rest.partition(".")
    return f"l{int(number) + 1}." + _renamed(
        "." + rest, ((".gcn.", "gcn1."), (".tcn.", "tcn1."))
    ).lstrip(".")


def _stgcn_name(ours: str) -> str:
    pairs = ((".gcn.bn.", ".tcn.0."), (".tcn.conv.", ".tcn.2."), (".tcn.bn.", ".tcn.3."))
    pairs += ((".residual.conv.", ".residual.0."), (".residual.bn.", ".residual.1."))
    name = _renamed(_bare(ours), pairs)
    if name.startswith("fc."):
        return "fcn." + name[3:]
    if name.endswith(".gcn.A"):
        return "A"
    if name.endswith(".gcn.PA"):
        return f"edge_importance.{name.split('.')[1]}"
    return name.replace("gcn.", "st_gcn_networks.", 1)


def with_weights(case: str) -> tuple[Recogniser, Fixture, dict[str, str]]:
    """Our network with the reference's weights, its fixture, and our names -> its names."""
    about, fixture = load(case)
    net, rename = (pyskl if case.startswith("pyskl") else original)(case, about)
    theirs = {k: rename(k) for k in net.state_dict()}
    kept = {  # constants that the reference does not store
        k: v for k, v in net.state_dict().items() if f"sd/{theirs[k]}" not in fixture
    }
    assert all(k.endswith(".A") for k in kept), list(kept)
    state = {k: torch.from_numpy(fixture[f"sd/{t}"]) for k, t in theirs.items() if k not in kept}
    shapes = {k: v.shape for k, v in net.state_dict().items()}
    net.load_state_dict(kept | {k: as_ours(theirs[k], v, shapes[k]) for k, v in state.items()})
    return net, fixture, theirs


def network_input(fixture: Fixture, case: str) -> Tensor:
    """The fixture's input as (N, M, T, V, C)."""
    x = torch.from_numpy(fixture["in/x"])
    if case.startswith("orig") or "asgcn" in case:
        return x.permute(0, 4, 2, 3, 1)
    return x[:, None] if case.startswith("kth") else x


@pytest.mark.parametrize("case", CASES)
def test_network(case: str) -> None:
    net, fixture, theirs = with_weights(case)
    x = network_input(fixture, case)
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(net(x), fixture["out/logits"], rtol=1e-4, atol=1e-5)
    if "train/label" not in fixture:
        return
    net.train()
    for module in net.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.eval()
    logits = net(x)
    np.testing.assert_allclose(logits.detach(), fixture["train/logits"], rtol=1e-3, atol=1e-3)
    loss = F.cross_entropy(logits, torch.from_numpy(fixture["train/label"]))
    assert loss.item() == pytest.approx(float(fixture["train/loss"]), rel=1e-4)
    for name, value in net.named_buffers():
        if "running" in name and f"after_train_step_bn/{theirs[name]}" in fixture:
            expected = fixture[f"after_train_step_bn/{theirs[name]}"]
            np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=name)
    net.double()
    F.cross_entropy(net(x.double()), torch.from_numpy(fixture["train/label"])).backward()
    gap = size = 0.0
    for name, parameter in net.named_parameters():
        if f"grad/{theirs[name]}" not in fixture:
            continue
        assert parameter.grad is not None, name
        given = torch.from_numpy(fixture[f"grad/{theirs[name]}"])
        expected = as_ours(theirs[name], given, parameter.shape)
        gap += float((parameter.grad - expected).square().sum())
        size += float(expected.square().sum())
    assert size > 0
    assert (gap / size) ** 0.5 < GRADIENT_TOLERANCE.get(case, 1e-3)


STAGES = {
    **dict.fromkeys(ORIGINAL, ("st_gcn_networks.{}", "gcn.{}", 10)),
    **dict.fromkeys(KTH, ("conv.{}", "layers.{}", 10)),
    "orig_agcn_V25": ("l{}", "gcn.{}", 10),
}


@pytest.mark.parametrize("case", STAGES)
def test_stages(case: str) -> None:
    """Every block's output, in evaluation."""
    net, fixture, _ = with_weights(case)
    seen: dict[str, Tensor] = {}
    theirs, ours, count = STAGES[case]
    shift = int(case == "orig_agcn_V25")
    for n in range(count):
        module = net.backbone.get_submodule(ours.format(n))
        name = theirs.format(n + shift)
        module.register_forward_hook(lambda _m, _i, y, name=name: seen.update({name: y}))
    with torch.no_grad():
        net.eval()(network_input(fixture, case))
    for name, value in seen.items():
        np.testing.assert_allclose(value, fixture[f"stage/{name}"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", ["pyskl_msg3d_coco", "orig_msg3d_V18"])
def test_stages_of_msg3d(case: str) -> None:
    net, fixture, _ = with_weights(case)
    seen: dict[str, Tensor] = {}
    for stage in (f"{p}{n}" for p in ("sgcn", "gcn3d", "tcn") for n in (1, 2, 3)):
        module = net.backbone.get_submodule(stage)
        module.register_forward_hook(lambda _m, _i, y, name=stage: seen.update({name: y}))
    with torch.no_grad():
        net.eval()(network_input(fixture, case))
    prefix = "backbone." if case.startswith("pyskl") else ""
    for name, value in seen.items():
        expected = fixture[f"stage/{prefix}{name}"]
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=name)


# --- full size, weights by the fill rule of the fixtures' README ---


def filled(name: str, value: Tensor, fixture: Fixture) -> Tensor:
    if f"sd/{name}" in fixture:
        return torch.from_numpy(fixture[f"sd/{name}"])
    shape = tuple(value.shape)
    r = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    last = name.rsplit(".", 1)[-1]
    if last == "A" or "num_batches" in last:
        return value
    if (last == "PA" and "gcn3d" not in name and "sgcn" not in name) or "edge_importance" in name:
        new = 1 + 0.1 * r.standard_normal(shape)
    elif last == "PA":
        new = 0.02 * r.standard_normal(shape)
    elif last == "bias":
        new = 0.1 * r.standard_normal(shape)
    elif len(shape) == 1:
        new = r.uniform(0.5, 1.5, shape)
    else:
        new = r.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(new, np.float32))


@pytest.mark.parametrize("name", ["stgcn", "msg3d"])
def test_full_size(name: str) -> None:
    _, fixture = load(f"fullsize_{name}_V17")
    net = build(name, 60, SKELETONS["coco-17"], persons=2)
    state = {k: filled(_without_head(k), v, fixture) for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    net.eval()
    x = torch.from_numpy(fixture["in/x"])
    with torch.no_grad():
        np.testing.assert_allclose(net(x), fixture["out/logits"], rtol=1e-3, atol=1e-4)
    net.train()
    logits = net(x)
    np.testing.assert_allclose(logits.detach(), fixture["train/logits"], rtol=1e-2, atol=2e-3)
    loss = F.cross_entropy(logits, torch.from_numpy(fixture["train/label"]))
    assert loss.item() == pytest.approx(float(fixture["train/loss"]), rel=1e-4)
    loss.backward()
    expected = {
        k: float(fixture[f"gradnorm/{_without_head(k)}"]) for k, _ in net.named_parameters()
    }
    largest = max(expected.values())
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None
        close = pytest.approx(expected[key], rel=2e-2, abs=1e-3 * largest)
        assert float(parameter.grad.norm()) == close, key
