from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from skelact.errors import ConfigError
from skelact.models import SPECS, build
from skelact.models.asgcn import ASGCN
from skelact.models.base import ActionClassifier
from skelact.models.esan import KINDS
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.models.graph import PARTITIONS
from skelact.models.profile import multiply_adds
from skelact.models.reference import published_order
from skelact.skeletons import SKELETONS, Skeleton
from tests.helpers import SMALL_NETWORKS


def net(name: str = "stgcn", skeleton: str = "coco-17", **kwargs: object) -> ActionClassifier:
    torch.manual_seed(0)
    return build(name, 5, SKELETONS[skeleton], **{**SMALL_NETWORKS.get(name, {}), **kwargs})  # type: ignore[arg-type]


# persons and frames; layouts with hands or a face are slow, and get one size
SIZES = [
    (name, *size)
    for name, skeleton in SKELETONS.items()
    for size in ((1, 1), (2, 20), (3, 33))
    if len(skeleton.joints) <= 33 or size == (1, 1)
]


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(("skeleton", "persons", "frames"), SIZES)
def test_contract(name: str, skeleton: str, persons: int, frames: int) -> None:
    model = net(name, skeleton, persons=persons)
    x = torch.randn(2, persons, frames, len(SKELETONS[skeleton].joints), 3)
    features = model.features(x)
    assert features.shape[:2] == (2, persons) and features.dim() == 5
    model.eval()
    with torch.no_grad():
        assert model(x).shape == (2, 5)
        torch.testing.assert_close(model(x), model(x))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("training", [False, True])
def test_the_published_order_gives_the_same_numbers(name: str, training: bool) -> None:
    model = net(name, persons=2).train(training)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(3, 2, 20, 17, 3)
    published = published_order(copy.deepcopy(model))
    assert published.state_dict().keys() == model.state_dict().keys()
    torch.testing.assert_close(model(x), published(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("frames", [1, 2, 300])
def test_clips_of_any_length(name: str, frames: int) -> None:
    with torch.no_grad():
        assert net(name).eval()(torch.randn(2, 1, frames, 17, 3)).isfinite().all()


@pytest.mark.parametrize("name", SPECS)
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = net(name)
    for parameter in model.parameters():
        if not parameter.any():  # a zero weight stops the gradient
            torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(4, 1, 20, 17, 3)
    logits, extra = model.training_output(x)
    loss = F.cross_entropy(logits, torch.arange(4)) + extra
    if model.backbone.has_pretraining:
        loss = loss + model.backbone.pretraining_loss(x)
    loss.backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert not [n for n, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("name", SPECS)
def test_the_order_of_samples_and_persons_does_not_matter(name: str) -> None:
    model = net(name, persons=2).eval()
    x = torch.randn(3, 2, 20, 17, 3)
    with torch.no_grad():
        torch.testing.assert_close(model(x.flip(0)), model(x).flip(0), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(x.flip(1)), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPECS)
def test_stages_are_disjoint_parts_of_the_backbone(name: str) -> None:
    backbone = net(name).backbone
    parts = [p for stage in backbone.stages() for module in stage for p in module.parameters()]
    assert len(set(parts)) == len(parts) and set(parts) <= set(backbone.parameters())
    assert bool(parts) == (name not in ("ddnet", "rocket"))


@pytest.mark.parametrize("name", SPECS)
def test_a_state_dict_matches_no_other_network(name: str) -> None:
    state = {k.removeprefix("backbone."): v for k, v in net(name).state_dict().items()}
    matches = {s.name for s in SPECS.values() if any(f.matches(state) for f in s.foreign)}
    architecture = {"stgcn_small": "stgcn"}.get(name, name)
    # some networks are only known in the names of their authors
    own_names = any(not f.authors for f in SPECS[architecture].foreign)
    assert matches == ({architecture} if own_names else set())


@pytest.mark.parametrize(
    ("name", "coco", "ntu"),
    [
        ("stgcn", 3_088_704, 3_098_832),
        ("stgcnpp", 1_393_016, 1_403_144),
        ("2s-agcn", 3_459_344, 3_469_520),
        ("aagcn", 3_760_228, 3_781_668),
        ("msg3d", 2_975_763, 3_194_595),
        ("ctrgcn", 1_436_496, 1_446_672),
        ("sgn", None, 691_048),
    ],
)
def test_published_size(name: str, coco: int | None, ntu: int) -> None:
    """Parameters for 17 and 25 joints, two persons, 60 classes."""
    for skeleton, count in (("coco-17", coco), ("ntu-25", ntu)):
        if count is not None:
            assert size(build(name, 60, SKELETONS[skeleton], persons=2)) == count


def size(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("kwargs", "count"),
    [
        ({}, 888_596),
        ({"directed": True}, 995_604),
        ({"bones": False}, 887_528),
        ({"kind": "ST"}, 614_676),
        ({"kind": "T1"}, 934_164),
    ],
)
def test_size_of_esan(kwargs: dict[str, object], count: int) -> None:
    assert size(build("esan", 60, SKELETONS["ntu-25"], **kwargs)) == count  # type: ignore[arg-type]


def test_size_of_the_kth_network() -> None:
    assert size(build("stgcn-kth", 6, SKELETONS["body-25"], in_channels=2)) == 3_083_528


@pytest.mark.parametrize("name", SPECS)
def test_half_precision(name: str) -> None:
    model, x = net(name).eval(), torch.randn(1, 1, 20, 17, 3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert model(x).isfinite().all()
    with torch.no_grad():
        assert model.bfloat16()(x.bfloat16()).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_attention(kind: str) -> None:
    model = net("esan", kind=kind, directed=True).eval()
    with torch.no_grad():
        assert model.features(torch.randn(2, 1, 11, 17, 3)).shape == (2, 1, 16, 6, 17)


@pytest.mark.parametrize(
    "kwargs",
    [
        *({"partition": p} for p in PARTITIONS),
        {"norm": "row"},
        {"norm": "published"},
        {"residual": False, "bn": "first", "layer_dropout": 0.5},
        {"residual": False, "bn": "swapped"},
        {"final_relu": False, "depth": 12, "edge_importance": False},
        {"distances": [float(v) for v in range(17)]},
    ],
)
def test_every_form_of_the_kth_network(kwargs: dict[str, object]) -> None:
    model = net("stgcn-kth", **kwargs)
    F.cross_entropy(model(torch.randn(4, 1, 20, 17, 3)), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_edge_importance_of_the_kth_network_learns() -> None:
    model = net("stgcn-kth")
    F.cross_entropy(model(torch.randn(4, 1, 20, 17, 3)), torch.arange(4)).backward()
    layer = model.backbone.layers[3]  # type: ignore[index]
    assert layer.M.grad.abs().sum() > 0 and not layer.A.requires_grad  # type: ignore[union-attr]


def test_links_are_sampled_in_training_and_fixed_in_evaluation() -> None:
    x = torch.randn(2, 1, 20, 17, 3)
    model = net("asgcn").backbone
    assert isinstance(model, ASGCN)
    with torch.no_grad():
        assert torch.equal(model.eval().links(x), model.links(x))
        drawn = net("asgcn", noise_in_eval=True).eval().backbone
        assert not torch.equal(drawn.links(x), drawn.links(x))  # type: ignore[operator]


def test_forecast() -> None:
    model = net("asgcn").eval().backbone
    assert isinstance(model, ASGCN)
    for frames in (15, 290):
        assert model.forecast(torch.randn(2, 1, frames, 17, 3)).shape == (2, 1, 10, 17, 3)
    features, cost = model.forward_train(torch.randn(2, 1, 30, 17, 3))
    assert features.shape[:3] == (2, 1, 32) and cost is not None and cost > 0
    assert model.forward_train(torch.randn(2, 1, 8, 17, 3))[1] is None


@pytest.mark.parametrize(
    "flag", ["finetune_aim", "active_aim", "repeat_block", "mixed_layout", "noise_in_eval"]
)
def test_flags_of_the_published_asgcn_do_something(flag: str) -> None:
    x, outputs = torch.randn(2, 1, 30, 17, 3), []
    for on in (False, True):
        model = net("asgcn", **{flag: on})
        model.eval() if flag in ("mixed_layout", "noise_in_eval") else model.train()
        backbone = model.backbone
        assert isinstance(backbone, ASGCN)
        torch.manual_seed(1)
        y, extra = model.training_output(x)
        (y.sum() + extra).backward()
        state = [b.clone() for _, b in model.named_buffers()]
        grads = [p.grad for p in backbone.aim.parameters()]
        outputs.append((y.detach(), extra.detach(), state, any(g is not None for g in grads)))
    (y0, e0, s0, g0), (y1, e1, s1, g1) = outputs
    same_state = all(torch.equal(a, b) for a, b in zip(s0, s1, strict=True))
    assert not (torch.equal(y0, y1) and torch.equal(e0, e1) and same_state and g0 == g1)


def test_learnt_importance_changes_the_result() -> None:
    model = net().eval()
    x = torch.randn(1, 1, 20, 17, 3)
    with torch.no_grad():
        before = model(x)
        model.backbone.gcn[0].gcn.PA.mul_(0.5)  # type: ignore[union-attr, index, operator]
        assert not torch.allclose(before, model(x))


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="did you mean 'stgcn'"):
        build("stgnc", 5, SKELETONS["coco-17"])
    with pytest.raises(ConfigError, match="unexpected keyword"):
        build("stgcn", 5, SKELETONS["coco-17"], widht=3)
    with pytest.raises(ConfigError, match="graph mode"):
        build("stgcn", 5, SKELETONS["coco-17"], graph_mode="ring")


@pytest.mark.parametrize(
    ("name", "skeleton", "shape", "gmacs"),
    [
        ("stgcn", "coco-17", (2, 100), 3.822),
        ("stgcn", "ntu-25", (2, 100), 5.713),
        ("stgcn", "ntu-25", (2, 300), 17.139),
        ("stgcnpp", "coco-17", (2, 100), 1.948),
        ("stgcnpp", "ntu-25", (2, 100), 2.956),
        ("2s-agcn", "coco-17", (2, 100), 4.349),
        ("2s-agcn", "ntu-25", (2, 100), 6.488),
        ("aagcn", "coco-17", (2, 100), 4.351),
        ("aagcn", "ntu-25", (2, 100), 6.491),
        ("msg3d", "coco-17", (2, 100), 6.840),
        ("msg3d", "ntu-25", (2, 100), 10.968),
        ("ctrgcn", "coco-17", (2, 100), 1.952),
        ("ctrgcn", "ntu-25", (2, 100), 2.996),
        ("sgn", "ntu-25", (1, 20), 0.180),
    ],
)
def test_published_cost(name: str, skeleton: str, shape: tuple[int, int], gmacs: float) -> None:
    layout = SKELETONS[skeleton]
    model = build(name, 60, layout, persons=shape[0])
    count = multiply_adds(model, (1, *shape, len(layout.joints), 3))
    assert count / 1e9 == pytest.approx(gmacs, abs=6e-4)


def test_cost_of_esan() -> None:
    """The paper's table has 0.335, without batch norm."""
    model = build("esan", 60, SKELETONS["ntu-25"])
    normed = sum(m.num_features for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d))
    assert multiply_adds(model, (1, 1, 20, 25, 3)) / 1e9 == pytest.approx(0.335, abs=2e-3)
    assert normed == 2 * 150


@pytest.mark.parametrize("name", SPECS)
def test_fused_batch_norm_changes_nothing(name: str) -> None:
    model = net(name, persons=2)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    x = torch.randn(3, 2, 20, 17, 3)
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(fuse_conv_bn(model)(x), model(x), rtol=1e-4, atol=1e-4)
    if name != "rocket":  # which has no batch norm; the original network is unchanged
        assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize("form", [{"with_res": True, "adaptive": "init"}, {"conv_pos": "post"}])
def test_fusing_the_forms_of_stgcn(form: dict[str, object]) -> None:
    model = net("stgcn", **form).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias)
    x = torch.randn(3, 1, 20, 17, 3)
    with torch.no_grad():
        torch.testing.assert_close(fuse_conv_bn(model)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["stgcn", "aagcn", "ctrgcn", "stgcn-kth"])
def test_empty_persons_are_computed_once_with_the_same_result(name: str) -> None:
    model = net(name, persons=3).eval()
    x = torch.randn(4, 3, 20, 17, 3)
    x[1, 1:] = x[2, 2] = x[3] = 0
    rows: list[int] = []
    block = model.backbone.stages()[0][0]
    block.register_forward_hook(lambda m, i, y: rows.append(len(y)))
    with torch.no_grad():
        skipping = model(x)
        torch.testing.assert_close(skipping, published_order(model)(x), rtol=1e-4, atol=1e-5)
    assert rows == [3 * 4 - 6 + 3, 12]  # six are empty, with three person indices


@pytest.mark.parametrize("name", ["stgcn", "stgcnpp", "2s-agcn", "ctrgcn", "msg3d", "stgcn-kth"])
def test_the_order_of_the_joints_does_not_matter(name: str) -> None:
    """A fresh network distinguishes joints only by their edges, so their order has no effect."""
    skeleton = SKELETONS["coco-17"]
    order = torch.randperm(17, generator=torch.Generator().manual_seed(3)).tolist()
    description = skeleton.as_dict()
    parents = dict(zip(skeleton.joints, skeleton.parents, strict=True))
    joints = [skeleton.joints[i] for i in order]
    shuffled = Skeleton.from_dict(description | {"joints": joints, "parents": parents})
    x = torch.randn(2, 1, 20, 17, 3)
    outputs = []
    for layout, values in ((skeleton, x), (shuffled, x[:, :, :, order])):
        torch.manual_seed(0)
        model = build(name, 5, layout, **SMALL_NETWORKS[name])  # type: ignore[arg-type]
        for key, parameter in model.named_parameters():
            if "weight" in key and not parameter.any():
                torch.nn.init.constant_(parameter, 0.5)
            if key.endswith("PA") and name == "msg3d":
                torch.nn.init.zeros_(parameter)
        with torch.no_grad():
            outputs.append(model.train()(values))
    torch.testing.assert_close(*outputs, rtol=1e-3, atol=1e-4)
