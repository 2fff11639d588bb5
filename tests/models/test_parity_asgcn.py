"""AS-GCN against the numbers of its published code."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from torch import Tensor

from skelact.models import build
from skelact.models.aim import LinkInference
from skelact.models.asgcn import ASGCN
from skelact.models.recogniser import Recogniser
from skelact.skeletons import SKELETONS
from tests.models.test_parity import _bare, _renamed, filled, load, network_input


def test_link_inference() -> None:
    _, f = load("asgcn_aim")
    tensor = {k: torch.from_numpy(v) for k, v in f.items()}
    aim = LinkInference(3).eval()
    aim.load_state_dict({k: tensor[f"sd/{k}"] for k in aim.state_dict()})
    assert sum(p.numel() for p in aim.parameters()) == 417_798
    x = aim.sampled(network_input(f, "asgcn_aim"))
    torch.testing.assert_close(x, tensor["out/x_nodes"])
    off = ~torch.eye(25, dtype=torch.bool)
    noise = torch.full((4, 25, 25, 3), 0.5)
    noise[:, off] = tensor["in/gumbel_uniform"]
    with torch.no_grad():
        logits, links = aim(x, noise)
        foretold = aim.decoder(x, links)
    torch.testing.assert_close(logits[:, off], tensor["out/logits"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(links[:, off], tensor["out/edges_onehot"])
    torch.testing.assert_close(aim.graph(links), tensor["out/A_batch"])
    torch.testing.assert_close(foretold, tensor["out/decoder"], rtol=1e-4, atol=1e-5)
    assert float(aim.likelihood(x, foretold)) == pytest.approx(float(f["out/nll"]), rel=1e-5)
    assert float(aim.divergence(logits)) == pytest.approx(float(f["out/kl"]), rel=1e-5)


def _asgcn_name(ours: str) -> str:
    """Our names -> AS-GCN's; a mask and a block are two things there."""
    parts = _bare(ours).split(".")
    if parts[0] == "fc":
        return f"fcn.{parts[1]}"
    if parts[0] == "data_bn":
        return ".".join(parts)
    places = {"blocks": 0, "down": 0, "collapse": 5, "gcn": 6, "conv": 6, "bn": 6}
    recon = parts[0] == "foreteller"
    parts = parts[1:] if recon else parts
    numbered = parts[0] in ("blocks", "down")
    number = int(parts[1]) if numbered else places[parts[0]]
    inner = ".".join(parts[2:] if numbered else parts[1:] if parts[0] == "collapse" else parts)
    if inner.endswith("gcn.mask"):
        return f"edge_importance{'_recon' if recon else ''}.{number}"
    pairs = (("gcn.bn.", "tcn.0."), ("residual.conv.", "residual.0."))
    pairs += (("residual.bn.", "residual.1."),)
    inner = _renamed(inner, pairs)
    if inner.startswith("conv."):
        inner = "tcn.2." + inner[5:]
    elif inner.startswith("bn."):
        inner = "tcn.3." + inner[3:]
    if recon and number == 6:
        inner = inner.replace("gcn.conv.", "gcn_recon.deconv.").replace("tcn.", "tcn_recon.")
    return f"{'recon' if recon else 'class'}_layer_{number}.{inner}"


def asgcn(width: int, classes: int, **flags: bool) -> tuple[Recogniser, list[str]]:
    """AS-GCN at a width, and its names without the link inference's."""
    skeleton = SKELETONS["ntu-25-thumb"]
    net = build("asgcn", classes, skeleton, persons=2, base_channels=width, **flags)
    return net, [k for k in net.state_dict() if ".aim." not in k]


def _as_ours(theirs: str, value: Tensor, shape: torch.Size) -> Tensor:
    """A transposed convolution's weight is stored the other way round."""
    if theirs.endswith(("deconv.weight", "tcn_recon.2.weight")):
        value = value.transpose(0, 1)
    return value.reshape(shape)


def test_asgcn_backbone_and_forecast() -> None:
    _, f = load("asgcn_backbone_small")
    net, names = asgcn(8, 12, mixed_layout=True)
    state = net.state_dict()
    for k in names:
        theirs = _asgcn_name(k)
        state[k] = _as_ours(theirs, torch.from_numpy(f[f"sd/{theirs}"]), state[k].shape)
    net.load_state_dict(state)
    net.eval()
    backbone = net.backbone
    assert isinstance(backbone, ASGCN)
    x, actional = network_input(f, "asgcn"), torch.from_numpy(f["in/A_act"])
    with torch.no_grad():
        features = backbone._features(x, actional)
        np.testing.assert_allclose(net.cls_head(features), f["out/logits"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            features.flatten(0, 1), f["stage/class_layer_8"], rtol=1e-3, atol=1e-4
        )
        last = torch.from_numpy(f["in/x_last"]).permute(0, 4, 1, 2, 3).flatten(0, 1)
        poses = backbone.foreteller(features.flatten(0, 1), last, actional)[::2]
    np.testing.assert_allclose(
        poses.permute(0, 3, 1, 2), f["out/pred_published_layout"], rtol=1e-3, atol=1e-4
    )


def test_asgcn_full_size() -> None:
    _, f = load("fullsize_asgcn_backbone")
    net, names = asgcn(64, 60)
    state = net.state_dict()
    # two masks of the published code are never used, and are not here
    unused = 2 * 9 * 25 * 25
    assert sum(p.numel() for n, p in net.named_parameters() if n in names) == 6_987_478 - unused
    for k in names:
        theirs, value = _asgcn_name(k), state[k]
        value = value[:, :, None, None] if theirs == "fcn.weight" else value
        if theirs.endswith(("deconv.weight", "tcn_recon.2.weight")):
            value = value.transpose(0, 1)
        state[k] = _as_ours(theirs, filled(theirs, value, f), state[k].shape)
    net.load_state_dict(state)
    draw = np.random.RandomState(zlib.crc32(b"A_act") & 0x7FFFFFFF).uniform(0, 0.1, (4, 2, 25, 25))
    backbone = net.eval().backbone
    assert isinstance(backbone, ASGCN)
    with torch.no_grad():
        x, actional = network_input(f, "asgcn"), torch.from_numpy(draw).float()
        logits = net.cls_head(backbone._features(x, actional))
    np.testing.assert_allclose(logits, f["out/logits"], rtol=1e-4, atol=1e-5)
