"""Which estimator runs: names, the automatic choice, where weights lie."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from skelact.errors import ConfigError
from skelact.pose import blazepose
from skelact.pose.base import BLAZEPOSE, IMPORT, RTMO, RTMPOSE, Estimator, PoseOptions
from skelact.pose.mirrored import Mirrored

WEIGHTS_VARIABLE = "SKELACT_MODELS"


def weights_folder() -> Path:
    """Where pulled checkpoints lie: $SKELACT_MODELS, else ~/.cache/skelact/models."""
    return Path(os.environ.get(WEIGHTS_VARIABLE) or Path.home() / ".cache" / "skelact" / "models")


def resolve(options: PoseOptions) -> PoseOptions:
    """'auto' becomes the best estimator whose weights are on this machine: a pulled mmpose model if
    there is a GPU, else blazepose. ConfigError for imported poses: nothing estimates them."""
    if options.estimator == IMPORT:
        raise ConfigError("imported poses come from a folder", "give --poses-from FOLDER")
    if options.estimator != "auto":
        return options
    return replace(options, estimator=_best())


@cache
def _best() -> str:
    pulled = [
        n
        for n in (*reversed(RTMO), *reversed(RTMPOSE))
        if (weights_folder() / f"{n}.pth").is_file()
    ]
    if pulled:
        import torch

        if torch.cuda.is_available():
            return pulled[0]
    return BLAZEPOSE


def fingerprint_of(options: PoseOptions) -> str:
    """Hash of the weights that a resolved estimator would use; BackendMissing or WeightsMissing if
    it could not run."""
    if options.estimator == BLAZEPOSE:
        return blazepose.fingerprint()
    from skelact.pose import mmpose

    return mmpose.fingerprint(options)


def open_estimator(options: PoseOptions) -> Estimator:
    """A running estimator for this process."""
    if options.mirrored:
        return Mirrored(open_estimator(replace(options, mirrored=False)))
    if options.estimator == BLAZEPOSE:
        return blazepose.BlazePose(options)
    if options.estimator == "auto":
        raise ConfigError("resolve the estimator first")
    from skelact.pose import mmpose

    return mmpose.MMPose(options)
