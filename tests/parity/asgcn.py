"""AS-GCN's cases: its backbone, its forecast and its link inference are separate programs in the
published code."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skelact.models import build
from skelact.models.asgcn import ASGCN
from skelact.models.base import ActionClassifier
from skelact.models.link_inference import LinkInference
from skelact.skeletons import SKELETONS
from tests.parity.networks import Fixture, bare, draw, fill, network_input, renamed

SMALL, FULL, AIM = "asgcn_backbone_small", "fullsize_asgcn_backbone", "asgcn_aim"
SIZE = {SMALL: (8, 12), FULL: (64, 60)}  # base channels, classes


def published_name(ours: str) -> str:
    """The name in AS-GCN's code, which keeps masks separate from the blocks."""
    parts = bare(ours).split(".")
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
    inner = renamed(inner, pairs)
    if inner.startswith("conv."):
        inner = "tcn.2." + inner[5:]
    elif inner.startswith("bn."):
        inner = "tcn.3." + inner[3:]
    if recon and number == 6:
        inner = inner.replace("gcn.conv.", "gcn_recon.deconv.").replace("tcn.", "tcn_recon.")
    return f"{'recon' if recon else 'class'}_layer_{number}.{inner}"


def as_ours(theirs: str, value: Tensor, shape: torch.Size | None = None) -> Tensor:
    """A tensor in skelact's form: the weight of a transposed convolution has its axes swapped."""
    if theirs.endswith(("deconv.weight", "tcn_recon.2.weight")):
        value = value.transpose(0, 1)
    return value if shape is None else value.reshape(shape)


def asgcn(case: str) -> tuple[ActionClassifier, dict[str, str]]:
    """The network of a case, and the mapping from skelact's names to the published ones, except
    those of the link inference."""
    width, classes = SIZE[case]
    skeleton = SKELETONS["ntu-25-thumb"]
    net = build(
        "asgcn", classes, skeleton, persons=2, base_channels=width, mixed_layout=case == SMALL
    )
    return net, {k: published_name(k) for k in net.state_dict() if ".aim." not in k}


def asgcn_with_weights(case: str, fixture: Fixture) -> ActionClassifier:
    """The network with the published weights, from the fixture or by the fill rule."""
    net, names = asgcn(case)
    state = net.state_dict()
    for ours, theirs in names.items():
        value = state[ours]
        if f"sd/{theirs}" in fixture:
            stored = torch.from_numpy(fixture[f"sd/{theirs}"])
        else:
            stored = fill(case, theirs, as_ours(theirs, value))
        state[ours] = as_ours(theirs, stored, value.shape)
    net.load_state_dict(state)
    return net.eval()


def aim_with_weights(fixture: Fixture) -> LinkInference:
    """The link inference with the published weights."""
    aim = LinkInference(3).eval()
    state = aim.state_dict()
    for name, value in state.items():
        stored = fixture.get(f"sd/{name}")
        state[name] = fill(AIM, name, value) if stored is None else torch.from_numpy(stored)
    aim.load_state_dict(state)
    return aim


def actional_by_rule() -> np.ndarray:
    """The actional links that are an input of the backbone's cases."""
    return draw("A_act").uniform(0, 0.1, (4, 2, 25, 25)).astype(np.float32)


def compare_aim(aim: LinkInference, fixture: Fixture) -> None:
    tensor = {k: torch.from_numpy(v) for k, v in fixture.items()}
    x = aim.sampled(network_input(fixture, AIM))
    if "out/x_nodes" in tensor:
        torch.testing.assert_close(x, tensor["out/x_nodes"])
    off = ~torch.eye(25, dtype=torch.bool)
    noise = torch.full((4, 25, 25, 3), 0.5)
    noise[:, off] = tensor["in/gumbel_uniform"]
    with torch.no_grad():
        logits, links = aim(x, noise)
        forecast = aim.decoder(x, links)
    torch.testing.assert_close(logits[:, off], tensor["out/logits"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(links[:, off], tensor["out/edges_onehot"])
    torch.testing.assert_close(aim.graph(links), tensor["out/A_batch"])
    torch.testing.assert_close(forecast, tensor["out/decoder"], rtol=1e-4, atol=1e-5)
    likelihood, divergence = aim.likelihood(x, forecast), aim.divergence(logits)
    np.testing.assert_allclose(likelihood, fixture["out/nll"], rtol=1e-5)
    np.testing.assert_allclose(divergence, fixture["out/kl"], rtol=1e-5)


def compare_backbone_and_forecast(net: ActionClassifier, fixture: Fixture) -> Tensor:
    """Returns the last block's output, (N·M, C, T, V)."""
    backbone = net.backbone
    assert isinstance(backbone, ASGCN)
    x, actional = network_input(fixture, SMALL), torch.from_numpy(fixture["in/A_act"])
    with torch.no_grad():
        features = backbone._features(x, actional)
        logits = net.cls_head(features)
        features = features.flatten(0, 1)
        last = torch.from_numpy(fixture["in/x_last"]).permute(0, 4, 1, 2, 3).flatten(0, 1)
        poses = backbone.foreteller(features, last, actional)[::2]
    np.testing.assert_allclose(logits, fixture["out/logits"], rtol=1e-4, atol=1e-5)
    expected = fixture["out/pred_published_layout"]
    np.testing.assert_allclose(poses.permute(0, 3, 1, 2), expected, rtol=1e-3, atol=1e-4)
    return features


def compare_full_size(net: ActionClassifier, fixture: Fixture) -> None:
    backbone = net.backbone
    assert isinstance(backbone, ASGCN)
    x, actional = network_input(fixture, FULL), torch.from_numpy(actional_by_rule())
    with torch.no_grad():
        logits = net.cls_head(backbone._features(x, actional))
    np.testing.assert_allclose(logits, fixture["out/logits"], rtol=1e-4, atol=1e-5)
