"""A network that is added as one file is listed, built, trained, profiled and selected by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from skelact import models
from skelact.cli import main
from skelact.models.profile import multiply_adds
from skelact.recipe import compose
from skelact.skeletons import SKELETONS

TOY = """
from torch import Tensor, nn

from skelact.models.base import Backbone
from skelact.models.specs import ModelSpec
from skelact.skeletons import Skeleton


class Toy(Backbone):
    def __init__(
        self, skeleton: Skeleton, in_channels: int = 3, persons: int = 1, width: int = 8
    ) -> None:
        super().__init__()
        self.out_channels = width
        self.conv = nn.Conv2d(in_channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.flatten(0, 1).permute(0, 3, 1, 2))
        return y.unflatten(0, x.shape[:2])


SPECS = (
    ModelSpec(
        name="toy",
        backbone=Toy,
        summary="one convolution",
        paper="none",
        accuracy="none",
        source="not published",
        clip_shape=(1, 10, 3),
        train={"epochs": 3},
    ),
)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second folder of the package `skelact.models`, with one module in it."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    monkeypatch.setattr(models, "SPECS", models.discover())
    yield
    del sys.modules["skelact.models.toy"]
    del models.toy  # type: ignore[attr-defined]


@pytest.mark.usefixtures("toy")
def test_a_network_is_one_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert list(models.SPECS) == sorted(models.SPECS) and len(models.SPECS) > 10

    recipe = compose("mads", "toy", None, {"model": {"width": 4}})
    assert recipe.model == {"name": "toy", "width": 4} and recipe.train.epochs == 3

    net = models.build("toy", 5, SKELETONS["coco-17"], persons=2, width=4)
    x, labels = torch.randn(5, 2, 12, 17, 3), torch.arange(5)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    losses = []
    for _ in range(2):
        logits, auxiliary = net.training_output(x)
        loss = F.cross_entropy(logits, labels) + auxiliary
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]

    assert main(["models", "--json", "--skeleton", "coco-17", "--runs", str(tmp_path)]) == 0
    listed = {n["name"]: n for n in json.loads(capsys.readouterr().out)["networks"]}
    assert listed["toy"]["parameters"] == (3 + 1) * 8 + (8 + 1) * 60
    assert multiply_adds(net, (1, 1, 10, 17, 3)) == 10 * 17 * 3 * 4 + 4 * 5


@pytest.mark.usefixtures("toy")
def test_two_networks_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "copy.py").write_text(TOY)
    with pytest.raises(ValueError, match="two elements of SPECS are called 'toy'"):
        models.discover()
    del sys.modules["skelact.models.copy"]
    del models.copy  # type: ignore[attr-defined]
