"""Every network on a GPU, as far as that can be tested without one: all tensors are on its device,
and nothing waits for a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from skelact.inference import networks
from skelact.inference.ensemble import MemberModel
from skelact.inference.window_outputs import window_outputs
from skelact.inference.windows import find_tracks
from skelact.models import SPECS, base, build
from skelact.models.base import ActionClassifier
from skelact.models.evaluate import mean_probabilities
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.options import AugmentOptions
from skelact.schemas.base import on_cpu
from skelact.sequence.sampling import METHODS, SamplingOptions
from skelact.skeletons import SKELETONS, Skeleton
from skelact.training import schedule
from skelact.training.augment import mixup
from skelact.training.batches import DeviceClips
from skelact.training.closed_form import solve
from tests.fake_cuda import CUDA, fake_cuda, to_fake_cuda
from tests.helpers import SMALL_NETWORKS, input_spec, poses, waves

AUGMENT = AugmentOptions(drop_joint=0.5, random_move=True, kth=0.5, noise=0.1)


def small(
    name: str, persons: int = 1, skeleton: Skeleton = SKELETONS["coco-17"]
) -> ActionClassifier:
    return build(name, 2, skeleton, persons=persons, **SMALL_NETWORKS.get(name, {}))  # type: ignore[arg-type]


def test_the_check_finds_mixed_devices_and_needed_values() -> None:
    with fake_cuda():
        x = torch.zeros(3, 4, device=CUDA)
        with pytest.raises(RuntimeError, match="device"):
            x + torch.zeros(3, 4)
        with pytest.raises(AssertionError, match="waits"):
            x[torch.zeros(2, dtype=torch.long)]
        with pytest.raises(RuntimeError):
            float(x.sum())
        assert x[None, 1:, 0].shape == (1, 2)
        assert x[..., torch.zeros(5, dtype=torch.long, device=CUDA)].shape == (3, 5)


@pytest.mark.parametrize("name", SPECS)
def test_training_and_evaluation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "is_recorded", lambda: True)  # else shapes depend on empty persons
    net = small(name, persons=2)
    with fake_cuda():
        to_fake_cuda(net)
        x = torch.zeros(3, 2, 20, 17, 3, device=CUDA)
        labels = torch.zeros(3, dtype=torch.long, device=CUDA)
        logits, extra = net.train().training_output(x)
        weights = torch.ones(2, device=CUDA)
        loss = schedule.cross_entropy(logits, labels, 0.1, weights) + extra
        assert loss.device.type == schedule.num_correct(logits, labels).device.type == "cuda"
        assert net.eval()(x).device.type == "cuda"


@pytest.mark.parametrize("method", METHODS)
def test_batches(method: str, tmp_path: Path) -> None:
    """Gathered, augmented, as streams, blended; and as they are tested."""
    data = waves(tmp_path)
    sampling = SamplingOptions(
        length=16, method=method, streams="joint+bone-motion", test_flip=True, test_clips=2
    )
    with fake_cuda():
        clips = DeviceClips(data, CUDA)
        rng = np.random.default_rng(0)
        x, labels = clips.training(np.arange(4), sampling, AUGMENT, rng)
        x, shares = mixup(x, labels, 2, 0.5, rng)
        tested, _ = clips.arrays.test_input(np.arange(4), sampling)
        assert {t.device.type for t in (x, labels, shares, tested)} == {"cuda"}


def test_the_closed_form(tmp_path: Path) -> None:
    data, net = waves(tmp_path), small("rocket")
    with fake_cuda():
        to_fake_cuda(net)
        clips, rng = DeviceClips(data, CUDA), np.random.default_rng(0)
        batch = clips.training(np.arange(8), SamplingOptions(length=16), AUGMENT, rng)
        solved = solve(net, [batch, batch], 0.1, torch.ones(2, device=CUDA))
        loss, accuracy = solved.loss, solved.accuracy
        assert loss.device.type == accuracy.device.type == "cuda"


def test_what_a_training_stores_is_in_the_memory_of_the_cpu() -> None:
    with fake_cuda():
        weight = torch.nn.Parameter(torch.zeros(3, device=CUDA))
        optimiser = torch.optim.SGD([weight], 0.1, momentum=0.9)
        optimiser.state[weight]["momentum_buffer"] = torch.zeros(3, device=CUDA)
        state = {"optimiser": optimiser.state_dict(), "losses": [1.0, weight]}
        stored = on_cpu(state)
        assert stored["optimiser"]["param_groups"] == state["optimiser"]["param_groups"]
        for value in (stored["optimiser"]["state"][0]["momentum_buffer"], stored["losses"][1]):
            assert value.device.type == "cpu" and not value.requires_grad


@pytest.mark.parametrize("name", SPECS)
def test_prediction(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = []

    def probabilities(net: torch.nn.Module, x: Tensor, draws: int) -> np.ndarray:
        mean = mean_probabilities(net, x, draws)
        devices.append(mean.device.type)
        return np.zeros(mean.shape, np.float32)

    monkeypatch.setattr(networks, "average_probabilities", probabilities)
    spec = input_spec()
    net = fuse_conv_bn(small(name, skeleton=spec.skeleton))
    tracks = find_tracks(poses(1), True, 0.0)
    with fake_cuda():
        member = MemberModel(net=to_fake_cuda(net), spec=spec, clip_s=2.0, weight=1.0)
        (found,) = window_outputs([member], tracks, [[(0, 20), (10, 30)]], 8, CUDA)
    assert found.probabilities.shape == (2, 2) and devices == ["cuda"]
