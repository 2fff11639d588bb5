"""Initial weights from a checkpoint of another run, and frozen parts of a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.models import build
from skelact.schemas import Checkpoint, EstimatorInfo
from skelact.skeletons import SKELETONS
from skelact.training.trainer import Trainer
from skelact.training.transfer import freeze, transfer
from skelact.types import no_progress
from tests.helpers import MODEL, plan

COCO, NTU = SKELETONS["coco-17"], SKELETONS["ntu-25"]


def source_of(classes: tuple[str, ...]) -> Checkpoint:
    """A checkpoint of a small ST-GCN for COCO's joints."""
    torch.manual_seed(7)
    return Checkpoint(
        model="stgcn",
        model_kwargs=MODEL,
        weights=build("stgcn", len(classes), COCO, **MODEL).state_dict(),  # type: ignore[arg-type]
        classes=classes,
        skeleton=COCO,
        in_channels=3,
        persons=1,
        recipe={},
        estimator=EstimatorInfo(name="synthetic"),
        clip_s=2.0,
        split="abc",
    )


def test_other_classes_get_a_new_head() -> None:
    source = source_of(("a", "b", "c"))
    net = build("stgcn", 2, COCO, **MODEL)  # type: ignore[arg-type]
    found = transfer(net, COCO, ("x", "y"), source)
    assert set(found.initial) == {"cls_head.fc.weight", "cls_head.fc.bias"}
    assert "2 not loaded (cls_head.fc.weight" in found.summary()
    key = "backbone.gcn.1.tcn.conv.weight"
    torch.testing.assert_close(net.state_dict()[key], source.weights[key])
    same = build("stgcn", 3, COCO, **MODEL)  # type: ignore[arg-type]
    assert not transfer(same, COCO, ("a", "b", "c"), source).initial


def test_other_joints_are_matched_by_name() -> None:
    source = source_of(("a", "b"))
    adjacency, norm = "backbone.gcn.0.gcn.PA", "backbone.data_bn.weight"
    torch.nn.init.normal_(source.weights[adjacency])
    torch.nn.init.normal_(source.weights[norm])
    net = build("stgcn", 2, NTU, **MODEL)  # type: ignore[arg-type]
    found = transfer(net, NTU, ("a", "b"), source)
    assert adjacency in found.matched and "matched by joint names" in found.summary()
    weights = net.state_dict()
    i, j = (NTU.index(n) for n in ("left_wrist", "left_elbow"))
    a, b = (COCO.index(n) for n in ("left_wrist", "left_elbow"))
    torch.testing.assert_close(weights[adjacency][:, i, j], source.weights[adjacency][:, a, b])
    torch.testing.assert_close(weights[norm].view(25, 3)[i], source.weights[norm].view(17, 3)[a])


def test_another_network_is_refused() -> None:
    net = build("sgn", 2, COCO)
    with pytest.raises(CheckpointError, match="none of which fit"):
        transfer(net, COCO, ("a", "b"), source_of(("a", "c")))


@pytest.mark.parametrize(("part", "trained"), [("backbone", "cls_head"), ("stage:1", "gcn.1")])
def test_frozen_parts_keep_weights_and_statistics(tmp_path: Path, part: str, trained: str) -> None:
    changed = replace(plan(tmp_path, epochs=1), initialise=lambda net: freeze(net, part))
    run = Trainer(changed, tmp_path, no_progress)
    before = {k: v.clone() for k, v in run.net.state_dict().items()}
    run.fit()
    moved = [k for k, v in run.net.state_dict().items() if not torch.equal(v, before[k])]
    assert any(trained in k for k in moved)
    assert not any(k.startswith(("backbone.gcn.0", "backbone.data_bn")) for k in moved)


@pytest.mark.parametrize("part", ["stage:0", "stage:9", "stage:", "half"])
def test_parts_that_do_not_exist_are_refused(part: str) -> None:
    with pytest.raises(ConfigError, match="Cannot freeze"):
        freeze(build("stgcn", 2, COCO, **MODEL), part)  # type: ignore[arg-type]
