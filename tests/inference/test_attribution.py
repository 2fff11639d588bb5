"""Contributions of joints: their sums, the way back from the input of a network to joints and
frames, every network, and whether the joint that decides comes first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skelact.analysis_options import METHODS, ExplainOptions
from skelact.errors import ConfigError
from skelact.inference.attribution import ClipInput, attribute, resolve_method
from skelact.inference.faithfulness import MOTION, RANDOM, curves
from skelact.models import SPECS, build
from skelact.models.base import ActionClassifier, Backbone
from skelact.sequence.clean import SequenceOptions
from skelact.sequence.input import InputSpec, window_cells, window_values
from skelact.sequence.normalise import NormaliseOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.types import Floats
from tests.helpers import COCO, SMALL_NETWORKS, input_spec, poses

FRAMES = 14
CPU = torch.device("cpu")
WRIST = COCO.index("left_wrist")


def spec(persons: int = 1, minmax: bool = False, **sampling: object) -> InputSpec:
    options = {"length": 10, "method": "linspace", **sampling}
    return InputSpec(
        skeleton=COCO,
        persons=persons,
        sequence=SequenceOptions(persons=persons),
        normalise=NormaliseOptions(mode="body", dims=2, minmax=minmax),
        sampling=SamplingOptions(**options),  # type: ignore[arg-type]
    )


def clip(persons: int = 1, seed: int = 0) -> Floats:
    """(M, 14, 17, 3); the left wrist moves, a joint is missing for some frames."""
    rng = np.random.default_rng(seed)
    x = np.repeat(rng.normal(size=(persons, 1, 17, 3)), FRAMES, axis=1).astype(np.float32)
    x[..., 2] = 0.9
    x[:, 6:10, WRIST, 0] += 2
    x[0, 3:5, 4, :2], x[0, 3:5, 4, 2] = np.nan, 0
    return x


def network(name: str, persons: int = 1) -> ActionClassifier:
    torch.manual_seed(0)
    net = build(name, 3, COCO, 3, persons, **SMALL_NETWORKS[name])  # type: ignore[arg-type]
    nn.init.normal_(net.cls_head.fc.weight)
    return net.eval().requires_grad_(False)


class OneJoint(Backbone):
    """The features are the squared horizontal distance of the left wrist from the nose in one part
    of the time, and something that does not depend on the input."""

    out_channels = 2

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self.part = slice(start, end)

    def forward(self, x: Tensor) -> Tensor:
        moved = x[:, :, self.part, WRIST, 0].square().mean(dim=2)
        return torch.stack([moved, torch.ones_like(moved)], dim=2)[..., None, None]


def one_joint(start: int, end: int) -> ActionClassifier:
    net = ActionClassifier(OneJoint(start, end), 2).eval()
    with torch.no_grad():
        net.cls_head.fc.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
    return net.requires_grad_(False)


@pytest.mark.parametrize("method", ["integrated-gradients", "gradient-input", "occlusion"])
@pytest.mark.parametrize("flip", [False, True])
def test_the_joint_that_decides_comes_first(method: str, flip: bool) -> None:
    """Also through mirrored draws: those show the wrist at the place of the other one."""
    net = one_joint(4, 7)  # of the 10 frames that the network sees
    sampling = spec(method="linspace", test_flip=flip)
    options = ExplainOptions(method=method, stage=0 if method == "gradient-input" else None)
    values = attribute(net, clip(), sampling, 0, options).values
    totals = values.sum(axis=(0, 1))
    assert values.shape == (1, FRAMES, 17)
    expected = {WRIST, COCO.index("right_wrist")} if flip else {WRIST}
    assert set(np.flatnonzero(np.abs(totals) > 1e-6)) <= expected
    assert totals[WRIST] > 0 and (flip or totals.argmax() == WRIST)
    seen = np.flatnonzero(np.abs(values[0, :, WRIST]) > 1e-6)
    if method != "occlusion":  # frames 4 to 6 of 10 lie between frames 5 and 9 of 14
        assert set(seen) <= set(range(5, 10))


def test_bones_and_motion_lead_back_to_their_joints() -> None:
    """The bone of the left wrist is what the network sees: its ends are the wrist and the elbow;
    with motion, the frame after the last one counts too."""
    net, elbow = one_joint(0, 3), COCO.index("left_elbow")
    for streams, last in (("bone", 2), ("bone-motion", 3)):
        sampling = spec(method="edge", length=FRAMES, streams=streams)
        x = clip(seed=3)
        x[:, 1:3, WRIST, 0] += 1
        options = ExplainOptions(method="integrated-gradients")
        found = attribute(net, x, sampling, 0, options)
        assert found.gap is not None and found.gap < 1e-4
        joints = np.flatnonzero(np.abs(found.values).sum(axis=(0, 1)) > 1e-7)
        frames = np.flatnonzero(np.abs(found.values).sum(axis=(0, 2)) > 1e-7)
        assert set(joints) == {WRIST, elbow} and frames.max() <= last


def test_a_repeated_clip_leads_back_to_its_frames() -> None:
    net = one_joint(FRAMES, FRAMES + 2)  # the first two frames, the second time
    values = attribute(net, clip(), spec(method="wrap", length=2 * FRAMES), 0, _METHOD).values
    assert set(np.flatnonzero(values.any(axis=(0, 2)))) == {0, 1}


_METHOD = ExplainOptions(method="integrated-gradients")


@pytest.mark.parametrize(
    ("persons", "minmax", "sampling"),
    [
        (1, False, {"test_clips": 2, "test_flip": True}),
        (2, False, {"streams": "joint+bone-motion", "method": "uniform"}),
        (1, True, {"test_clips": 2}),
        (1, False, {"method": "zero", "length": 20}),
    ],
)
def test_integrated_gradients_are_complete(
    persons: int, minmax: bool, sampling: dict[str, object]
) -> None:
    """The sum is the difference of the scores; with `minmax` too, which counts as constant."""
    own = spec(persons, minmax, **sampling)
    channels = 3 * len(own.sampling.streams.split("+"))
    torch.manual_seed(0)
    net = build("stgcn", 3, COCO, channels, persons, **SMALL_NETWORKS["stgcn"])  # type: ignore[arg-type]
    nn.init.normal_(net.cls_head.fc.weight)
    net.eval()
    found = attribute(net, clip(persons), own, 1, replace(_METHOD, steps=64))
    assert found.gap is not None and found.gap < 0.02
    assert found.reference is not None and found.score != found.reference


@pytest.mark.parametrize("streams", ["joint", "bone", "joint-motion"])
def test_the_decomposition_is_exact(streams: str) -> None:
    net = network("rocket")
    own = spec(streams=streams, test_flip=True, test_clips=2)
    clip_input = ClipInput(clip(), own, CPU)
    net.backbone.fit_scaler([clip_input.build(clip_input.values)])
    found = attribute(net, clip(), own, 2, ExplainOptions(method="decomposition"))
    assert found.gap is not None and found.gap < 1e-4
    assert found.values.shape == (1, FRAMES, 17)


@pytest.mark.parametrize("name", SPECS)
def test_every_network_can_be_explained(name: str) -> None:
    """By every method, with two persons, the second one never seen."""
    net, x = network(name, 2), clip(2)
    x[1] = np.nan
    x[1, ..., 2] = 0
    own = spec(2, length=8)
    for method in METHODS:
        if method == "decomposition" and name != "rocket":
            with pytest.raises(ConfigError, match="closed-form"):
                resolve_method(net, ExplainOptions(method=method))
            continue
        if method in ("auto", "occlusion") and name != "stgcn":
            continue  # occlusion needs nothing of a network but its result
        steps = {"steps": 4} if method == "integrated-gradients" else {}
        found = attribute(net, x, own, 0, ExplainOptions(method=method, **steps))
        assert found.values.shape == (2, FRAMES, 17) and np.isfinite(found.values).all()
        assert found.values[0].any() and not found.values[1].any()


def test_stages() -> None:
    net, own = network("stgcn"), spec()
    for stage in (0, 1, 4):
        for method in ("gradient-input", "feature-norm"):
            options = ExplainOptions(method=method, stage=stage)
            values = attribute(net, clip(), own, 0, options).values
            assert values.any() and (method == "gradient-input" or (values >= 0).all())
    with pytest.raises(ConfigError, match="has 4 stages, not 5"):
        attribute(net, clip(), own, 0, ExplainOptions(method="feature-norm", stage=5))
    with pytest.raises(ConfigError, match="has no stages"):
        attribute(net, clip(), own, 0, ExplainOptions(method="integrated-gradients", stage=1))
    with pytest.raises(ConfigError, match="occlusion has no steps"):
        attribute(net, clip(), own, 0, ExplainOptions(steps=5))
    with pytest.raises(ConfigError, match="no stages with joints"):
        attribute(network("ddnet"), clip(), own, 0, ExplainOptions(method="feature-norm", stage=1))


def test_a_clip_without_joints_has_no_contributions() -> None:
    empty = np.full((1, FRAMES, 17, 3), np.nan, np.float32)
    empty[..., 2] = 0
    for own in (spec(), spec(minmax=True)):
        assert not attribute(network("stgcn"), empty, own, 0, _METHOD).values.any()


def test_a_missing_joint_is_missing_for_the_network() -> None:
    """`masked` builds the input that a clip without these joints gives."""
    own, x = spec(streams="bone", test_flip=True), clip()
    known = np.ones((1, FRAMES, 1, 17), bool)
    known[0, 4:9, 0, WRIST] = False
    without = x.copy()
    without[0, 4:9, WRIST] = (np.nan, np.nan, 0)
    other = ClipInput(without, own, CPU)
    torch.testing.assert_close(ClipInput(x, own, CPU).masked(known), other.build(other.values))


def test_the_curves_know_the_joint_that_decides() -> None:
    methods = ("integrated-gradients", MOTION, RANDOM)
    found = curves(one_joint(0, 10), clip(), spec(), methods)
    best, motion, chance = (found[m] for m in methods)
    assert best.deletion_area < chance.deletion_area and best.insertion_area > chance.insertion_area
    assert best.deletion[0] == best.insertion[-1] and best.deletion[-1] == best.insertion[0]
    assert motion.deletion_area <= chance.deletion_area  # only the wrist moves


@pytest.mark.parametrize("mode", ["body", "kinect", "kinect-frame"])
@pytest.mark.parametrize("flatten", [False, True])
def test_the_cells_of_a_window_are_its_persons_and_frames(mode: str, flatten: bool) -> None:
    """The score of every joint is a number that tells its person and frame, and passes through all
    steps (2-D); or the place of the visible cells is compared (3-D)."""
    sequence = poses(persons=2, missing=0.0)
    dims = 2 if mode == "body" else 3
    own = replace(
        input_spec(2, mode=mode, dims=dims, flatten_persons=flatten),
        sequence=SequenceOptions(persons=2, min_score=0.0, max_gap_s=0.0),
    )
    number = np.arange(2 * 40).reshape(2, 40, 1)
    marked = replace(sequence, score=np.float32(0.2 + np.broadcast_to(number, (2, 40, 25)) / 100))
    (values,) = window_values(marked, [(3, 33)], own, as_stored=True)
    persons, frames = window_cells(marked, (3, 33), own, as_stored=True)
    assert values.shape[:2] == persons.shape == frames.shape
    missing = np.isnan(values[..., 0]).all(axis=-1)
    source = marked.xyz if dims == 3 else marked.xy
    assert source is not None
    there = np.isnan(source[persons, frames, :, 0]).all(axis=-1)
    assert (missing == there).all()
    if dims == 2:
        expected = marked.score[persons, frames, 0]
        np.testing.assert_allclose(values[..., 0, 2], np.where(there, values[..., 0, 2], expected))
