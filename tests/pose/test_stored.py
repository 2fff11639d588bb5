"""Options of an estimator in a checkpoint never name a file that is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.errors import ConfigError
from skelact.inference.predictor import Predictor
from skelact.inference.zoo import find
from skelact.models.checkpoint import load_model
from skelact.options import PredictOptions
from skelact.pose.base import PoseOptions
from skelact.schemas import Ensemble


@pytest.mark.parametrize("estimator", ["custom", "rtmo-s", "blazepose"])
@pytest.mark.parametrize("name", ["config", "checkpoint"])
def test_a_stored_path_is_refused(estimator: str, name: str) -> None:
    with pytest.raises(ConfigError, match="can run code") as error:
        PoseOptions.stored({"estimator": estimator, name: "evil.py"})
    assert f"--pose-{name}" in error.value.hint


def test_the_users_own_files_replace_stored_ones() -> None:
    stored = {"estimator": "custom", "config": "evil.py", "checkpoint": "evil.pth"}
    options = PoseOptions.stored(stored, "mine.py", "mine.pth")
    assert (options.config, options.checkpoint) == ("mine.py", "mine.pth")


def test_a_stored_folder_of_poses_is_not_read() -> None:
    assert PoseOptions.stored({"poses_from": "/somewhere"}).poses_from is None


def test_files_for_a_model_without_its_own_estimator_are_an_error() -> None:
    with pytest.raises(ConfigError, match="blazepose as it is"):
        PoseOptions.stored({"estimator": "blazepose"}, "mine.py", None)


def test_a_model_with_a_stored_config_does_not_predict(tmp_path: Path) -> None:
    model = load_model(find("everyday"))
    assert isinstance(model, Ensemble)
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    files = {"estimator": "custom", "config": str(evil), "checkpoint": str(evil)}
    members = tuple(replace_pose(m, files) for m in model.members)
    import msgspec

    changed = msgspec.structs.replace(model, members=members)
    with pytest.raises(ConfigError, match="can run code"):
        Predictor(changed, PredictOptions()).pose()
    assert not (tmp_path / "executed").exists()


def replace_pose(member: object, pose: dict[str, object]) -> object:
    import msgspec

    checkpoint = member.checkpoint  # type: ignore[attr-defined]
    estimator = msgspec.structs.replace(checkpoint.estimator, pose=pose)
    checkpoint = msgspec.structs.replace(checkpoint, estimator=estimator)
    return msgspec.structs.replace(member, checkpoint=checkpoint)
