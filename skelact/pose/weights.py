"""Weights of the mmpose networks: download, local folder, checksums.

OpenMMLab writes the first eight hex digits of a file's SHA-256 into its name. A download whose
checksum differs is deleted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from skelact.errors import EstimatorError, PathMissing, WeightsMissing, lookup
from skelact.files import load_weights, replacing

WEIGHTS_VARIABLE = "SKELACT_MODELS"
_SOURCE = "https://download.openmmlab.com/mmpose/v1/projects"
_RTMO, _RTMPOSE = "configs/body_2d_keypoint/rtmo/body7", "configs/body_2d_keypoint/rtmpose/coco"
INSTALL = (
    "pip install 'skelact[mmpose]' && "
    "pip install --no-deps mmpose==1.3.2 mmdet==3.3.0 mmcv-lite==2.1.0 mmengine==0.10.7"
)


@dataclass(frozen=True)
class Weights:
    """A published checkpoint: the path of its config inside mmpose's package, its address below
    _SOURCE, and the person detector that a top-down network needs."""

    config: str
    address: str
    detector: str = field(default="", kw_only=True)

    @property
    def sha256(self) -> str:
        """The first eight hex digits of the checksum, as in the file name."""
        stem = Path(self.address).stem
        return next(
            p
            for p in reversed(stem.replace("_", "-").split("-"))
            if len(p) == 8 and not p.startswith("202")
        )


NETWORKS = {
    "rtmo-s": Weights(
        f"{_RTMO}/rtmo-s_8xb32-600e_body7-640x640.py",
        "rtmo/rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.pth",
    ),
    "rtmo-m": Weights(
        f"{_RTMO}/rtmo-m_16xb16-600e_body7-640x640.py",
        "rtmo/rtmo-m_16xb16-600e_body7-640x640-39e78cc4_20231211.pth",
    ),
    "rtmo-l": Weights(
        f"{_RTMO}/rtmo-l_16xb16-600e_body7-640x640.py",
        "rtmo/rtmo-l_16xb16-600e_body7-640x640-b37118ce_20231211.pth",
    ),
    "rtmpose-t": Weights(
        f"{_RTMPOSE}/rtmpose-t_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-tiny_simcc-aic-coco_pt-aic-coco_420e-256x192-cfc8f33d_20230126.pth",
        detector="rtmdet-nano",
    ),
    "rtmpose-s": Weights(
        f"{_RTMPOSE}/rtmpose-s_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-s_simcc-aic-coco_pt-aic-coco_420e-256x192-fcb2599b_20230126.pth",
        detector="rtmdet-nano",
    ),
    "rtmpose-m": Weights(
        f"{_RTMPOSE}/rtmpose-m_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-m_simcc-aic-coco_pt-aic-coco_420e-256x192-63eb25f7_20230126.pth",
        detector="rtmdet-m",
    ),
    "rtmpose-l": Weights(
        f"{_RTMPOSE}/rtmpose-l_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-l_simcc-aic-coco_pt-aic-coco_420e-256x192-f016ffe0_20230126.pth",
        detector="rtmdet-m",
    ),
}
DETECTORS = {
    "rtmdet-nano": Weights(
        "demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py",
        "rtmpose/rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e.pth",
    ),
    "rtmdet-m": Weights(
        "demo/mmdetection_cfg/rtmdet_m_640-8xb32_coco-person.py",
        "rtmpose/rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth",
    ),
}
TABLE = NETWORKS | DETECTORS


def weights_folder() -> Path:
    """The folder of downloaded checkpoints: $SKELACT_MODELS, else ~/.cache/skelact/models."""
    return Path(os.environ.get(WEIGHTS_VARIABLE) or Path.home() / ".cache" / "skelact" / "models")


def local_path(name: str) -> Path:
    """The path of the named weights, whether or not they exist."""
    return weights_folder() / f"{name}.pth"


def require(name: str) -> Path:
    """The path of the named weights. Raises WeightsMissing if they do not exist."""
    path = local_path(name)
    if not path.is_file():
        raise WeightsMissing(
            f"The weights of {name} are not in {path.parent}", f"skelact models pull {name}"
        )
    return path


def is_installed() -> bool:
    """Whether mmpose, mmdet, mmcv and mmengine are installed."""
    return all(find_spec(m) is not None for m in ("mmpose", "mmdet", "mmcv", "mmengine"))


def missing(name: str) -> list[str]:
    """Which weights of a network, including its detector's, have to be downloaded."""
    return [n for n in (name, TABLE[name].detector) if n and not local_path(n).is_file()]


def pull(name: str, source: Path | None) -> Iterator[str]:
    """Download the weights of `name` and of its detector, or copy the file `source` as the weights
    of `name`. Yields one line for each file.

    Raises ConfigError for an unknown name, EstimatorError if a download fails or its checksum
    differs, CheckpointError if `source` cannot be read safely."""
    official = lookup("network of mmpose", name, TABLE)
    target = local_path(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EstimatorError(
            f"Cannot create {target.parent}: {error.strerror}",
            f"Set {WEIGHTS_VARIABLE} to a writable folder.",
        ) from error
    if source is not None:
        if not source.is_file():
            raise PathMissing(f"{source}: no such file")
        load_weights(source)  # refuse a file that could not be loaded later
        _copy(source, target)
        note = f" (not the official file: its SHA-256 does not begin with {official.sha256})"
        is_official = sha256(target).startswith(official.sha256)
        yield f"{name}: copied to {target}" + ("" if is_official else note)
        return
    for part in (name, official.detector):
        if part and local_path(part).is_file():
            yield f"{part}: already downloaded: {local_path(part)}"
        elif part:
            _download(part)
            yield f"{part}: downloaded to {local_path(part)}, SHA-256 checked"


def _copy(source: Path, target: Path) -> None:
    try:
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    except OSError as error:
        raise EstimatorError(
            f"Cannot write {target}: {error.strerror}", "Check the free space of the disk."
        ) from error


def _download(name: str) -> None:
    import urllib.error
    import urllib.request

    address, expected = f"{_SOURCE}/{TABLE[name].address}", TABLE[name].sha256
    try:
        with replacing(local_path(name)) as temporary:
            with (
                urllib.request.urlopen(address, timeout=60) as answer,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(answer, file)
            digest = sha256(temporary)
            if not digest.startswith(expected):
                raise EstimatorError(
                    f"{address}: SHA-256 {digest[:16]}… does not begin with {expected}",
                    "The file was deleted. Try again.",
                )
    except (urllib.error.URLError, OSError) as error:
        raise EstimatorError(
            f"Cannot download {address}: {getattr(error, 'reason', error)}",
            f"Download it on another machine, then run: skelact models pull {name} --from FILE",
        ) from error


@cache
def sha256(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
