"""Look at everything skelact needs, with the command that mends what is broken."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass

import typer

from skelact import __version__
from skelact.cli import console
from skelact.cli.options import Json
from skelact.errors import SkelactError

PACKAGES = (
    "torch",
    "numpy",
    "opencv-python",
    "mediapipe",
    "mmengine",
    "mmpose",
    "mmdet",
    "mmcv-lite",
    "typer",
    "rich",
    "imageio-ffmpeg",
)
_LIBRARIES = (
    "apt-get install libgl1 libegl1 libgles2   (or your system's packages of these libraries)"
)


@dataclass
class Finding:
    """One thing looked at: `ok`, what was found, what mends it; `needed` if the default road runs
    over it."""

    what: str
    ok: bool
    state: str
    mend: str = ""
    needed: bool = True


def command(json: Json = False) -> None:
    """Look at everything skelact needs: versions, ffmpeg, GPU, each estimator; with the one command
    that mends what is broken."""
    findings = [*_packages(), _ffmpeg(), _opencv(), _torch(), *_estimators(), _data()]
    broken = [f for f in findings if f.needed and not f.ok]
    if json:
        console.as_json(
            {"skelact": __version__, "ok": not broken, "findings": [vars(f) for f in findings]}
        )
    else:
        title = (
            f"skelact {__version__}, Python {platform.python_version()}, {platform.system()} "
            f"{platform.machine()}"
        )
        marks = {True: "ok", False: "-"}
        rows = [("!!" if f in broken else marks[f.ok], f.what, f.state, f.mend) for f in findings]
        console.table(title, ("", "", "state", "to mend it"), rows)
        console.say(
            "the default road is broken" if broken else "extract, train and predict are ready"
        )
    if broken:
        raise typer.Exit(1)


def _packages() -> list[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(Finding(name, True, importlib.metadata.version(name), needed=False))
        except importlib.metadata.PackageNotFoundError:
            optional = name in ("mmpose", "mmdet", "mmcv-lite")
            found.append(
                Finding(
                    name,
                    False,
                    "not installed",
                    "" if optional else f"pip install {name}",
                    needed=not optional,
                )
            )
    return found


def _ffmpeg() -> Finding:
    from skelact.video import ffmpeg

    try:
        return Finding("ffmpeg", True, f"{ffmpeg.version()} ({ffmpeg.ffmpeg()})")
    except (SkelactError, OSError) as error:
        return Finding("ffmpeg", False, str(error), "pip install imageio-ffmpeg")


def _opencv() -> Finding:
    try:
        import cv2

        return Finding(
            "reading video", "FFMPEG" in cv2.getBuildInformation(), f"OpenCV {cv2.__version__}"
        )
    except ImportError as error:
        return Finding("reading video", False, f"OpenCV does not load: {error}", _LIBRARIES)


def _torch() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("device", False, f"torch does not load: {error}", "pip install torch")
    if torch.cuda.is_available():
        return Finding(
            "device", True, f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
        )
    return Finding("device", True, "CPU (no GPU that torch can use)")


def _estimators() -> list[Finding]:
    """The state of every estimator. The one that needs neither a GPU nor downloads is run as well,
    because an import alone proves little."""
    from skelact.pose import registry
    from skelact.pose.base import EstimatorSpec, estimator_specs

    default = registry.fallback()

    def finding(spec: EstimatorSpec) -> Finding:
        status = spec.status()
        if spec is default and status.ready:
            return _run_estimator(spec.name)
        return Finding(spec.name, status.ready, status.text, status.fix, needed=spec is default)

    return [finding(spec) for spec in estimator_specs().values()]


def _run_estimator(name: str) -> Finding:
    """Run an estimator on an empty frame."""
    import numpy as np

    from skelact.pose.base import FrameRef, PoseOptions
    from skelact.pose.registry import open_estimator

    frame = FrameRef(video=0, frame=0, fps=15.0, image=np.zeros((64, 64, 3), np.uint8))
    try:
        estimator = open_estimator(PoseOptions(estimator=name, max_persons=1))
        people = list(estimator.run([frame]))
        return Finding(name, len(people) == 1, f"runs; weights {estimator.fingerprint}")
    except SkelactError as error:
        return Finding(
            name,
            False,
            error.message,
            error.hint if error.hint != "skelact doctor" else _LIBRARIES,
        )
    except (ImportError, OSError) as error:
        return Finding(name, False, f"{name} cannot be imported: {error}", _LIBRARIES)


def _data() -> Finding:
    from skelact.config import recipes, shipped

    try:
        return Finding(
            "shipped files",
            bool(recipes()),
            f"{len(recipes())} recipes, sample videos in {shipped('sample_videos')}",
        )
    except SkelactError as error:
        return Finding("shipped files", False, error.message, error.hint)
