"""How a model wants the poses of a video to be estimated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from skelact.errors import ConfigError
from skelact.inference.ensemble import members_of
from skelact.options import PredictOptions
from skelact.pose.base import IMPORT, PoseOptions
from skelact.schemas import Checkpoint, Ensemble


def pose_options(
    model: Checkpoint | Ensemble, options: PredictOptions, poses_from: Path | None = None
) -> PoseOptions:
    """Options of the estimator that the model was trained with, for all persons in the frame
    even if the model sees one at a time, with hands and faces if the model or the user needs
    them; or for importing poses from a folder. Raises ConfigError if the model was trained on
    imported poses and no folder is given."""
    trained = [
        PoseOptions.stored(
            m.checkpoint.estimator.pose,
            options.pose_config,
            options.pose_checkpoint,
        )
        for m in members_of(model)
    ]
    persons = options.max_persons
    if persons is None:
        persons = max(PoseOptions.max_persons, *(p.max_persons for p in trained))
    pose = replace(
        trained[0],
        max_persons=persons,
        hands=trained[0].hands or options.hands,
        face=trained[0].face or options.face,
    )
    if poses_from is not None:
        if options.estimation:
            raise ConfigError(
                f"Imported poses do not support {' and '.join(options.estimation)}",
                "Leave these options out.",
            )
        return replace(pose, poses_from=str(poses_from))
    if pose.estimator == IMPORT:
        raise ConfigError("This model was trained on imported poses", "Add --poses-from FOLDER.")
    changes = {name: getattr(options, name) for name in options.estimation}
    return replace(pose, **changes)
