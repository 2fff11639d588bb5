"""The forecast of a network in the coordinates of the video."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.inference.forecast import NetworkForecaster, undo_normalisation
from skelact.models import build
from skelact.models.asgcn import ASGCN
from skelact.recipe import Recipe
from skelact.schemas import Checkpoint, EstimatorInfo
from skelact.sequence.stack import take_frames
from skelact.skeletons import SKELETONS
from tests.helpers import poses

NTU = SKELETONS["ntu-25"]
SMALL: dict[str, Any] = {"base_channels": 4, "horizon": 4, "aim_hidden": 4, "aim_frames": 5}
CPU = torch.device("cpu")


def checkpoint(
    dims: int = 3, model: str = "asgcn", persons: int = 1, moves: bool = False, **changes: Any
) -> Checkpoint:
    """An AS-GCN whose new head forecasts the last pose; or, with `moves`, a motion of 0.5 along the
    first axis of its input."""
    kwargs = {**SMALL, "dims": dims, "fps": 10.0, "recentre": True, **changes.pop("kwargs", {})}
    kwargs = kwargs if model == "asgcn" else {"base_channels": 8}
    sections = {
        "dataset": {"name": "mads-3d"},
        "sequence": {"persons": persons},
        "normalise": {"mode": "body", "dims": dims, **changes.pop("normalise", {})},
        "sampling": {"length": 12, "method": "recent", **changes.pop("sampling", {})},
        "model": {"name": model, **kwargs},
    }
    torch.manual_seed(0)
    net = build(model, 3, NTU, 3, persons, **kwargs)
    if moves:
        assert isinstance(net.backbone, ASGCN)
        bias = torch.zeros(4, 3)
        bias[:, 0] = 0.5
        net.backbone.foreteller.bn.bias.data = bias.flatten()
    return Checkpoint(
        model=model,
        model_kwargs=kwargs,
        weights=net.state_dict(),
        classes=("a", "b", "c"),
        skeleton=NTU,
        in_channels=3,
        persons=persons,
        recipe=Recipe.from_dict(sections).as_dict(),
        estimator=EstimatorInfo(name="synthetic"),
        clip_s=0.0,
        split="",
        **changes,
    )


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("minmax", [False, True])
@pytest.mark.parametrize("persons", [1, 2])
def test_a_new_head_forecasts_the_last_pose(dims: int, minmax: bool, persons: int) -> None:
    model = checkpoint(dims, persons=persons, normalise={"minmax": minmax})
    forecaster = NetworkForecaster(model, CPU)
    assert (forecaster.frames, forecaster.horizon, forecaster.fps) == (8, 4, 10.0)
    sequence = poses(1, 20)
    pasts = [take_frames(sequence, 0, end) for end in (5, 12, 20)]
    ahead = forecaster(pasts, 3)
    assert ahead.shape == (3, 3, 25, dims)
    points = sequence.xyz if dims == 3 else sequence.xy
    assert points is not None
    for row, end in enumerate((5, 12, 20)):
        last = np.broadcast_to(points[0, end - 1], (3, 25, dims))
        np.testing.assert_allclose(ahead[row], last, atol=1e-3 * float(np.abs(points).max()))


def test_a_forecast_is_brought_back_to_the_size_of_the_person() -> None:
    sequence = poses(1, 12)
    tall = replace(sequence, xy=sequence.xy * 3)
    ahead = NetworkForecaster(checkpoint(2, moves=True), CPU)([sequence, tall], 4)
    moved = ahead[0] - sequence.xy[0, -1]
    assert moved[..., 0].min() > 1 and np.abs(moved[..., 1]).max() < 0.1
    np.testing.assert_allclose(ahead[1] - tall.xy[0, -1], 3 * moved, rtol=0.01, atol=0.5)


def test_missing_joints() -> None:
    sequence = poses(1, 12)
    sequence.xy[0, 8:, 3] = sequence.xy[0, :, 4] = np.nan
    sequence.score[0, 8:, 3] = sequence.score[0, :, 4] = 0
    (ahead,) = NetworkForecaster(checkpoint(2), CPU)([sequence], 4)
    assert (ahead[:, 3] == sequence.xy[0, 7, 3]).all() and np.isnan(ahead[:, 4]).all()
    np.testing.assert_allclose(ahead[0, :3], sequence.xy[0, -1, :3], atol=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "stgcn"}, "stgcn has no forecast head"),
        ({"sampling": {"method": "uniform"}}, "not consecutive"),
        ({"sampling": {"streams": "bone"}}, "no positions"),
        ({"normalise": {"mode": "body-frame"}}, "cannot be undone"),
        ({"sampling": {"length": 4}}, "learnt no forecast"),
    ],
)
def test_networks_that_cannot_forecast(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        NetworkForecaster(checkpoint(3, **changes), CPU)
    assert error.value.hint


def test_a_checkpoint_without_a_frame_rate() -> None:
    with pytest.raises(CheckpointError, match="frame rate"):
        NetworkForecaster(checkpoint(3, kwargs={"fps": 0.0}), CPU)


def test_a_map_that_is_not_affine_is_refused() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(50, 2)).astype(np.float32)
    b = 3 * a + 1
    np.testing.assert_allclose(undo_normalisation(a, b, a), b, rtol=1e-5)
    b[25:] += 1
    with pytest.raises(ConfigError, match="cannot be undone"):
        undo_normalisation(a, b, a)


def test_forecast_loss_ignores_joints_that_are_missing() -> None:
    net = ASGCN(NTU, recentre=True, recent_frames=3, **SMALL).train()
    x = torch.randn(2, 1, 12, 25, 3)
    x[:, :, -4:, 5] = 0
    torch.manual_seed(0)
    _, loss = net.forward_train(x)
    x[:, 0, :-4] += 7  # the origin does not matter
    x[:, 0, -4:] += 7
    x[:, :, -4:, 5] = 0
    torch.manual_seed(0)
    _, moved = net.forward_train(x)
    assert loss is not None and moved is not None and float(loss.detach()) > 0
    torch.testing.assert_close(loss, moved, rtol=1e-3, atol=1e-6)
