"""The cases of the reference implementations, built with skelact's networks, and the comparison
with the reference's numbers.

A fixture is a dict of arrays with the keys of the large fixtures (`in/x`, `out/logits`, `sd/…`,
`train/…`, …): the complete one, or what `tests.parity.fixtures` reads from this folder.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelact.models import build
from skelact.models.base import ActionClassifier
from skelact.skeletons import SKELETONS

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
AUTHORS = ["orig_agcn_V25", "orig_ctrgcn_V25", "orig_msg3d_V18", *ORIGINAL]
CASES = [*STGCN, *OTHERS, "pyskl_sgn_V25", *AUTHORS, *KTH]

FULL_SIZE = ["fullsize_stgcn_V17", "fullsize_msg3d_V17"]

# How the learnt graphs of a case are initialised, if not as importances of about 1.
INIT = [f"pyskl_{n}_coco" for n in ("stgcn_init", "stgcnpp", "aagcn", "ctrgcn")] + KTH
OFFSET = ["pyskl_stgcn_offset_coco", "orig_agcn_V25", "pyskl_msg3d_coco", "orig_msg3d_V18"]
OFFSET += ["fullsize_msg3d_V17"]

# Relative to the norm. Compared in float64, where most cases agree to 1e-6. In these cases some
# inputs of ReLU are within rounding of 0 and had the other sign in the reference's float32; outputs
# and losses agree nevertheless.
GRADIENT_TOLERANCE = {
    "pyskl_stgcn_offset_coco": 1e-2,
    "pyskl_stgcnpp_coco": 3e-2,
    "orig_agcn_V25": 2e-3,
    "orig_ctrgcn_V25": 3e-3,
}

Fixture = dict[str, np.ndarray]


def pyskl(case: str, about: dict[str, Any]) -> tuple[ActionClassifier, Callable[[str], str]]:
    """The network of a PYSKL case, and the mapping from skelact's names to PYSKL's."""
    name, args = case.split("_")[1], about["args"]
    if case in FULL_SIZE:
        return build(name, 60, SKELETONS["coco-17"], persons=2), without_head
    if name == "sgn":
        return build(name, 60, SKELETONS["ntu-25"], persons=2), without_head
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
    return build(name, classes, skeleton, persons=persons, **kwargs), without_head


def without_head(ours: str) -> str:
    return ours.removeprefix("cls_head.")


def original(case: str, about: dict[str, Any]) -> tuple[ActionClassifier, Callable[[str], str]]:
    """The network of another repository's case, and the mapping from skelact's names to its own."""
    args = about["args"]
    if case.startswith("kth"):
        kwargs = {"partition": args["partitioning"], "residual": args["residual"]}
        kwargs |= {"edge_importance": False, "learn_adjacency": True, "base_channels": 8}
        kwargs |= {"distances": about.get("distances")}
        net = build("stgcn-kth", 6, SKELETONS["body-25"], in_channels=2, **kwargs)
        return net, _kth_name
    if "agcn" in case:
        net = build("agcn", 12, SKELETONS["ntu-25-thumb"], persons=2, base_channels=8)
        return net, _agcn_name
    if "ctrgcn" in case:
        kwargs = {"base_channels": 16, "original": True}
        net = build("ctrgcn", 12, SKELETONS["ntu-25-thumb"], persons=2, **kwargs)
        return net, _ctrgcn_name
    if "msg3d" in case:
        kwargs = {"base_channels": 12, "gcn_scales": 8, "g3d_scales": 8, "norm": "sym"}
        net = build("msg3d", 12, SKELETONS["openpose-18"], persons=2, **kwargs)
        return net, lambda k: bare(k).replace(".PA", ".A_res")
    mode = {"spatial": "stgcn_spatial"}.get(strategy := args["graph_args"]["strategy"], strategy)
    skeleton = SKELETONS[LAYOUTS[args["graph_args"]["layout"]]]
    return build("stgcn", 12, skeleton, persons=2, base_channels=8, graph_mode=mode), _stgcn_name


def as_ours(theirs: str, value: Tensor, shape: torch.Size) -> Tensor:
    """A tensor of the reference in skelact's form, or the other way round."""
    value = value.reshape(shape)
    graph = theirs.endswith((".A_res", "spatialConv.A"))
    return value.transpose(-1, -2) if graph else value  # the reference has receivers as rows


def bare(ours: str) -> str:
    return ours.removeprefix("backbone.").removeprefix("cls_head.")


def renamed(ours: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for mine, theirs in pairs:
        ours = ours.replace(mine, theirs)
    return ours


def _kth_name(ours: str) -> str:
    pairs = (("layers.", "conv."), (".bn1.", ".batch_n."), (".bn2.", ".batch_n_2."))
    pairs += ((".graph.", ".spatialConv.W."), (".temporal.", ".temporalConv."))
    pairs += ((".A", ".spatialConv.A"), (".shortcut.", ".apply_residual."), ("fc.", "fc_layer."))
    return renamed(bare(ours), pairs)


def _agcn_name(ours: str) -> str:
    head, _, rest = bare(ours).partition("gcn.")
    if not rest:
        return head
    number, _, rest = rest.partition(".")
    return f"l{int(number) + 1}." + renamed(
        "." + rest, ((".gcn.", "gcn1."), (".tcn.", "tcn1."))
    ).lstrip(".")


def _ctrgcn_name(ours: str) -> str:
    return re.sub(r"^net\.(\d+)", lambda m: f"l{int(m[1]) + 1}", bare(ours))


def _stgcn_name(ours: str) -> str:
    pairs = ((".gcn.bn.", ".tcn.0."), (".tcn.conv.", ".tcn.2."), (".tcn.bn.", ".tcn.3."))
    pairs += ((".residual.conv.", ".residual.0."), (".residual.bn.", ".residual.1."))
    name = renamed(bare(ours), pairs)
    if name.startswith("fc."):
        return "fcn." + name[3:]
    if name.endswith(".gcn.A"):
        return "A"
    if name.endswith(".gcn.PA"):
        return f"edge_importance.{name.split('.')[1]}"
    return name.replace("gcn.", "st_gcn_networks.", 1)


def network_of(case: str, about: dict[str, Any]) -> tuple[ActionClassifier, dict[str, str]]:
    """The network of a case, and the mapping from skelact's names to the reference's."""
    own = case.startswith(("pyskl", "fullsize"))
    net, rename = (pyskl if own else original)(case, about)
    return net, {k: rename(k) for k in net.state_dict()}


def draw(name: str) -> np.random.RandomState:
    """The fill rule's random numbers for a name."""
    return np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)


def fill(case: str, name: str, value: Tensor) -> Tensor:
    """The reference's value, by the fill rule (README.md), of the state-dict entry that it calls
    `name`; `value` is that of a freshly built network of skelact."""
    shape, r = tuple(value.shape), draw(name)
    last = name.rsplit(".", 1)[-1]
    if (last == "A" and case not in INIT) or last == "num_batches_tracked":
        return value
    if last == "A" or (last == "PA" and case == "orig_ctrgcn_V25"):
        if case in KTH:  # the layers share one graph there, which was filled last under this name
            r = draw("conv.9.spatialConv.A")
        new = value.numpy() + 0.02 * r.standard_normal(shape)
    elif last == "alpha":
        new = r.uniform(0.2, 0.8, shape)
    elif last == "A_res" or (last == "PA" and case in OFFSET):
        new = 0.02 * r.standard_normal(shape)
    elif last == "PA" or "edge_importance" in name:
        new = 1 + 0.1 * r.standard_normal(shape)
    elif last == "bias":
        new = 0.1 * r.standard_normal(shape)
    elif len(shape) == 1:
        new = r.uniform(0.5, 1.5, shape)
    else:
        new = r.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(new, np.float32))


def with_weights(
    case: str, about: dict[str, Any], fixture: Fixture
) -> tuple[ActionClassifier, dict[str, str]]:
    """The network with the reference's weights, from the fixture or, where it has none, by the fill
    rule; and the mapping from skelact's names to the reference's."""
    net, theirs = network_of(case, about)
    state = net.state_dict()
    for ours, value in state.items():
        name = theirs[ours]
        if f"sd/{name}" in fixture:
            stored = torch.from_numpy(fixture[f"sd/{name}"])
            state[ours] = as_ours(name, stored, value.shape)
        else:
            own = as_ours(name, value, value.shape).clone()
            state[ours] = as_ours(name, fill(case, name, own), value.shape)
    net.load_state_dict(state)
    return net, theirs


def input_by_rule(shape: Iterable[int]) -> np.ndarray:
    """A case's input by the fill rule."""
    size = tuple(shape)
    return draw(f"input:x{size}").standard_normal(size).astype(np.float32)


def network_input(fixture: Fixture, case: str) -> Tensor:
    """The fixture's input as (N, M, T, V, C)."""
    x = torch.from_numpy(fixture["in/x"])
    if case.startswith("orig") or "asgcn" in case:
        return x.permute(0, 4, 2, 3, 1)
    return x[:, None] if case.startswith("kth") else x


# --- the comparison ---


def train_without_dropout(net: nn.Module) -> None:
    net.train()
    for module in net.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()


def compare_outputs(
    net: ActionClassifier, fixture: Fixture, x: Tensor, theirs: dict[str, str]
) -> None:
    """Logits in evaluation and, where the fixture has them, logits, loss and running statistics of
    a forward pass in training."""
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(net(x), fixture["out/logits"], rtol=1e-4, atol=1e-5)
    if "train/label" not in fixture:
        return
    train_without_dropout(net)
    with torch.no_grad():
        logits = net(x)
    np.testing.assert_allclose(logits, fixture["train/logits"], rtol=1e-3, atol=1e-3)
    loss = F.cross_entropy(logits, torch.from_numpy(fixture["train/label"]))
    np.testing.assert_allclose(loss, fixture["train/loss"], rtol=1e-4)
    for name, value in net.named_buffers():
        if "running" in name and f"after_train_step_bn/{theirs[name]}" in fixture:
            expected = fixture[f"after_train_step_bn/{theirs[name]}"]
            np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=name)


def gradients(
    net: ActionClassifier, fixture: Fixture, x: Tensor, theirs: dict[str, str]
) -> dict[str, np.ndarray]:
    """The gradients of the loss in training, computed in float64, with the reference's names and
    in its form."""
    train_without_dropout(net)
    net.double()
    F.cross_entropy(net(x.double()), torch.from_numpy(fixture["train/label"])).backward()
    out = {}
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        out[theirs[name]] = as_ours(theirs[name], parameter.grad, parameter.shape).numpy()
    return out


def compare_gradients(case: str, ours: dict[str, np.ndarray], fixture: Fixture) -> None:
    """All gradients as one vector."""
    gap = size = 0.0
    for name, value in ours.items():
        if f"grad/{name}" in fixture:
            expected = fixture[f"grad/{name}"].reshape(value.shape)
            gap += float(np.square(value - expected).sum())
            size += float(np.square(expected).sum())
    assert size > 0
    assert (gap / size) ** 0.5 < GRADIENT_TOLERANCE.get(case, 1e-3)


def stage_names(case: str, reference: Iterable[str]) -> dict[str, str]:
    """The reference's stages (names of its sub-modules) that the backbone has too, mapped to
    skelact's names."""
    out = {}
    for theirs in reference:
        name = theirs.removeprefix("backbone.")
        if name == "backbone":
            ours = "" if "sgn" in case else None
        elif case.startswith("orig_stgcn"):
            ours = name.replace("st_gcn_networks.", "gcn.")
        elif case.startswith("kth"):
            ours = name.replace("conv.", "layers.")
        elif case in ("orig_agcn_V25", "orig_ctrgcn_V25"):
            ours = f"{'gcn' if 'agcn' in case else 'net'}.{int(name[1:]) - 1}"
        else:  # PYSKL's names; inputs of MS-G3D's stages and data_bn have another form
            ours = None if name == "data_bn" or name.startswith("sgcn1.") else name
        if ours is not None:
            out[theirs] = ours
    return out


def stages(net: ActionClassifier, x: Tensor, names: dict[str, str]) -> dict[str, Tensor]:
    """Outputs of the backbone's sub-modules in evaluation, by the reference's names."""
    outputs: dict[str, Tensor] = {}
    for theirs, ours in names.items():
        net.backbone.get_submodule(ours).register_forward_hook(
            lambda _m, _i, y, name=theirs: outputs.update({name: y})
        )
    with torch.no_grad():
        net.eval()(x)
    assert outputs.keys() == names.keys()
    return outputs


def compare_full_size(
    net: ActionClassifier, fixture: Fixture, x: Tensor, theirs: dict[str, str]
) -> None:
    """Logits, loss and the norms of all gradients."""
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(net(x), fixture["out/logits"], rtol=1e-3, atol=1e-4)
    net.train()
    logits = net(x)
    np.testing.assert_allclose(logits.detach(), fixture["train/logits"], rtol=1e-2, atol=2e-3)
    loss = F.cross_entropy(logits, torch.from_numpy(fixture["train/label"]))
    np.testing.assert_allclose(loss.item(), fixture["train/loss"], rtol=1e-4)
    loss.backward()
    expected = {k: float(fixture[f"gradnorm/{theirs[k]}"]) for k, _ in net.named_parameters()}
    largest = max(expected.values())
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None
        np.testing.assert_allclose(
            float(parameter.grad.norm()), expected[key], rtol=2e-2, atol=1e-3 * largest, err_msg=key
        )
