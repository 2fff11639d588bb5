"""Weights of the mmpose estimators: where they come from, where they lie, and reading them without
running what is inside.

OpenMMLab writes the first eight hex digits of a file's SHA-256 into its name; a file that does not
match is not kept.
"""

from __future__ import annotations

import hashlib
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from skelact.errors import ConfigError, EstimatorError, PathMissing, WeightsMissing
from skelact.files import load_weights
from skelact.pose.base import BLAZEPOSE, RTMO, RTMPOSE
from skelact.pose.registry import weights_folder
from skelact.types import nearest

_SOURCE = "https://download.openmmlab.com/mmpose/v1/projects"
_RTMO, _RTMPOSE = "configs/body_2d_keypoint/rtmo/body7", "configs/body_2d_keypoint/rtmpose/coco"
INSTALL = (
    "pip install json-tricks munkres pycocotools shapely six terminaltables tqdm xtcocotools && "
    "pip install --no-deps mmpose==1.3.2 mmdet==3.3.0 mmcv-lite==2.1.0"
)


@dataclass(frozen=True)
class Weights:
    """A published checkpoint: its config inside mmpose's package, its address, and the person
    detector that a top-down network needs."""

    config: str
    address: str
    detector: str = ""

    @property
    def sha256(self) -> str:
        """The eight hex digits in the name."""
        stem = Path(self.address).stem
        return next(
            p
            for p in reversed(stem.replace("_", "-").split("-"))
            if len(p) == 8 and not p.startswith("202")
        )


TABLE = {
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
        "rtmdet-nano",
    ),
    "rtmpose-s": Weights(
        f"{_RTMPOSE}/rtmpose-s_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-s_simcc-aic-coco_pt-aic-coco_420e-256x192-fcb2599b_20230126.pth",
        "rtmdet-nano",
    ),
    "rtmpose-m": Weights(
        f"{_RTMPOSE}/rtmpose-m_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-m_simcc-aic-coco_pt-aic-coco_420e-256x192-63eb25f7_20230126.pth",
        "rtmdet-m",
    ),
    "rtmpose-l": Weights(
        f"{_RTMPOSE}/rtmpose-l_8xb256-420e_aic-coco-256x192.py",
        "rtmposev1/rtmpose-l_simcc-aic-coco_pt-aic-coco_420e-256x192-f016ffe0_20230126.pth",
        "rtmdet-m",
    ),
    "rtmdet-nano": Weights(
        "demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py",
        "rtmpose/rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e.pth",
    ),
    "rtmdet-m": Weights(
        "demo/mmdetection_cfg/rtmdet_m_640-8xb32_coco-person.py",
        "rtmpose/rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth",
    ),
}


def names() -> list[str]:
    """The estimators, blazepose first, and the detectors."""
    return [BLAZEPOSE, *RTMO, *RTMPOSE, "rtmdet-nano", "rtmdet-m"]


def local(name: str) -> Path:
    """Where the named weights lie, or would."""
    return weights_folder() / f"{name}.pth"


def required(name: str) -> Path:
    """Where the named weights lie; WeightsMissing if they do not."""
    path = local(name)
    if not path.is_file():
        raise WeightsMissing(
            f"the weights of {name} are not on this machine (looked in {path.parent})",
            f"skelact models pull {name}",
        )
    return path


def installed() -> bool:
    """Whether mmpose and its two companions can be imported."""
    return all(find_spec(m) is not None for m in ("mmpose", "mmdet", "mmcv"))


def state(name: str) -> str:
    """One line: ready, or what is missing."""
    if name == BLAZEPOSE:
        return (
            "ready (weights inside mediapipe)"
            if find_spec("mediapipe")
            else "mediapipe is not installed"
        )
    if not installed():
        return "mmpose is not installed"
    wanted = [n for n in (name, TABLE[name].detector) if n]
    missing = [n for n in wanted if not local(n).is_file()]
    return f"weights missing: {', '.join(missing)}" if missing else f"ready ({local(name)})"


def mend(name: str) -> str:
    """The one command that makes the estimator ready."""
    return INSTALL if not installed() else f"skelact models pull {name}"


def pull(name: str, source: Path | None) -> Iterator[str]:
    """Fetch the weights of `name` (and of its detector), or take the file `source` for `name`
    alone. Yields what it did, line by line.

    ConfigError for an unknown name, EstimatorError if a download fails or its checksum does not
    match."""
    if name not in TABLE:
        raise ConfigError(
            f"no weights are called {name!r}{nearest(name, TABLE)}", f"one of {', '.join(TABLE)}"
        )
    target = local(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EstimatorError(
            f"cannot make {target.parent}: {error.strerror}",
            "set SKELACT_MODELS to a folder you may write",
        ) from error
    if source is not None:
        if not source.is_file():
            raise PathMissing(f"{source}: no such file")
        load_weights(source)  # refuse what we could not load later
        _keep(source, target)
        official = sha256(target).startswith(TABLE[name].sha256)
        yield f"{name}: copied to {target}" + (
            ""
            if official
            else f" (not the official file: its SHA-256 does not begin with {TABLE[name].sha256})"
        )
        return
    for part in (name, TABLE[name].detector):
        if part and local(part).is_file():
            yield f"{part}: already there, {local(part)}"
        elif part:
            _download(part)
            yield f"{part}: downloaded to {local(part)}, SHA-256 checked"


def _keep(source: Path, target: Path) -> None:
    temporary = target.with_suffix(".part")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise EstimatorError(
            f"cannot write {target}: {error.strerror}", "is the disk full?"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _download(name: str) -> None:
    address, target = f"{_SOURCE}/{TABLE[name].address}", local(name)
    temporary = target.with_suffix(".part")
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, temporary.open("wb") as file:
            shutil.copyfileobj(answer, file)
        found = sha256(temporary)
        if not found.startswith(TABLE[name].sha256):
            raise EstimatorError(
                f"{address}: SHA-256 {found[:16]}… does not begin with {TABLE[name].sha256}",
                "try again; it was not kept",
            )
        temporary.replace(target)
    except (urllib.error.URLError, OSError) as error:
        raise EstimatorError(
            f"cannot download {address}: {getattr(error, 'reason', error)}",
            f"fetch it elsewhere, then: skelact models pull {name} --from FILE",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@cache
def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
