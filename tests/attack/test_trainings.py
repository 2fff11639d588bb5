"""Trainings that diverge: no checkpoint of them is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact.errors import DatasetError
from skelact.schemas import (
    BEST,
    LAST,
    Checkpoint,
    TrainingState,
    load_tensors,
)
from tests.helpers import trainer


@pytest.mark.parametrize("lr", [100.0, 1000.0])
def test_a_diverging_training_says_so_and_leaves_no_useless_checkpoint(
    lr: float, tmp_path: Path
) -> None:
    diverging = trainer(tmp_path, epochs=2, lr=lr, max_grad_norm=1e9, warmup=0)
    try:
        with np.errstate(all="ignore"):
            diverging.fit()
    except DatasetError as error:
        assert "diverged" in error.message + error.hint
    else:  # it may survive, but then its weights are usable
        assert lr < 1e30
    for file in (BEST, LAST):
        if (tmp_path / "run" / file).is_file():
            load_tensors(tmp_path / "run" / file, Checkpoint, TrainingState)


def test_a_training_that_spoils_the_weights_in_its_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of every step is finite: it is computed before the weights change."""
    last = trainer(tmp_path, epochs=1, patience=0)
    step, steps = last.optimiser.step, last.batches.steps
    done = 0

    def spoil(*arguments: Any) -> Any:
        nonlocal done
        step(*arguments)
        done += 1
        if done == steps:
            last.parameters[0].data[0] = float("nan")

    monkeypatch.setattr(last.optimiser, "step", spoil)
    with pytest.raises(DatasetError, match=r"Training diverged: .* is not finite"):
        last.fit()
    assert not (tmp_path / "run" / BEST).exists()
