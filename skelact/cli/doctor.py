"""Check the installation and report how to fix what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass

import typer

from skelact import __version__
from skelact.cli import console
from skelact.cli.options import Json
from skelact.errors import SkelactError

EXAMPLES = (
    "skelact doctor",
    "skelact doctor --json",
)
REQUIRED = ("torch", "numpy", "scipy", "ai-edge-litert", "typer", "rich", "imageio-ffmpeg")
OPTIONAL = ("mmpose", "mmdet", "mmcv-lite", "mmengine")
# all packages of OpenCV install the same module, so another one has to go first
_OPENCV = (
    "pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless && "
    "pip install opencv-python-headless"
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The state of one component and the command that fixes it. Extract, train and predict with
    the default options need the components that are `needed`."""

    what: str
    ok: bool
    state: str
    fix: str = ""
    needed: bool = True


def command(json: Json = False) -> None:
    """Check everything that skelact needs (packages, ffmpeg, GPU, pose estimators, shipped files)
    and print the commands that fix what is missing. The exit code is 1 if a required component is
    missing."""
    findings = [*_packages(), _ffmpeg(), _opencv(), _torch(), *_estimators(), _data()]
    missing = [f for f in findings if f.needed and not f.ok]
    if json:
        console.as_json(
            {"skelact": __version__, "ok": not missing, "findings": [vars(f) for f in findings]}
        )
    else:
        title = (
            f"skelact {__version__}, Python {platform.python_version()}, {platform.system()} "
            f"{platform.machine()}"
        )
        rows = [
            ("ok" if f.ok else "!!" if f.needed else "-", f.what, f.state, f.fix) for f in findings
        ]
        console.table(title, ("", "", "state", "how to fix it"), rows)
        console.say(
            "a required component is missing" if missing else "extract, train and predict are ready"
        )
    if missing:
        raise typer.Exit(1)


def _packages() -> list[Finding]:
    findings = []
    for name in (*REQUIRED, *OPTIONAL):
        try:
            version = importlib.metadata.version(name)
            findings.append(Finding(what=name, ok=True, state=version, needed=False))
        except importlib.metadata.PackageNotFoundError:
            needed = name in REQUIRED
            fix = f"pip install {name}" if needed else ""
            findings.append(
                Finding(what=name, ok=False, state="not installed", fix=fix, needed=needed)
            )
    return findings


def _ffmpeg() -> Finding:
    from skelact.video import ffmpeg

    try:
        state = f"{ffmpeg.version()} ({ffmpeg.ffmpeg()})"
    except (SkelactError, OSError) as error:
        return Finding(what="ffmpeg", ok=False, state=str(error), fix="pip install imageio-ffmpeg")
    return Finding(what="ffmpeg", ok=True, state=state)


def _opencv() -> Finding:
    try:
        import cv2
    except ImportError as error:
        state = f"OpenCV cannot be imported: {error}"
        return Finding(what="video decoding", ok=False, state=state, fix=_OPENCV)
    decodes = "FFMPEG" in cv2.getBuildInformation()
    state = f"OpenCV {cv2.__version__}" + ("" if decodes else " was built without FFmpeg")
    return Finding(what="video decoding", ok=decodes, state=state, fix="" if decodes else _OPENCV)


def _torch() -> Finding:
    try:
        import torch
    except ImportError as error:
        state = f"torch cannot be imported: {error}"
        return Finding(what="device", ok=False, state=state, fix="pip install torch")
    if torch.cuda.is_available():
        state = f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
        return Finding(what="device", ok=True, state=state)
    return Finding(what="device", ok=True, state="CPU (torch finds no GPU)")


def _estimators() -> list[Finding]:
    """The state of every estimator. The default one of a machine without a GPU is also run, because
    the presence of its packages does not prove that it works."""
    from skelact.pose import registry
    from skelact.pose.base import EstimatorSpec, estimator_specs

    default = registry.fallback()

    def finding(spec: EstimatorSpec) -> Finding:
        status = spec.status()
        if spec is default and status.ready:
            return _run_estimator(spec.name)
        return Finding(
            what=spec.name,
            ok=status.ready,
            state=status.text,
            fix=status.fix,
            needed=spec is default,
        )

    return [finding(spec) for spec in estimator_specs().values()]


def _run_estimator(name: str) -> Finding:
    """Run an estimator on an empty frame."""
    import numpy as np

    from skelact.pose.base import FrameRef, PoseOptions
    from skelact.pose.registry import open_estimator

    frame = FrameRef(video=0, frame=0, fps=15.0, image=np.zeros((64, 64, 3), np.uint8))
    try:
        estimator = open_estimator(PoseOptions(estimator=name, max_persons=1))
        frames = list(estimator.run([frame]))
    except SkelactError as error:
        return Finding(what=name, ok=False, state=error.message, fix=error.hint)
    except ImportError as error:  # of OpenCV, which has a line of its own
        return Finding(what=name, ok=False, state=f"{name} cannot be imported: {error}")
    return Finding(what=name, ok=len(frames) == 1, state=f"runs; weights {estimator.fingerprint}")


def _data() -> Finding:
    from skelact.config import recipes, shipped

    try:
        names, videos = recipes(), shipped("sample_videos")
    except SkelactError as error:
        return Finding(what="shipped files", ok=False, state=error.message, fix=error.hint)
    state = f"{len(names)} recipes, sample videos in {videos}"
    return Finding(what="shipped files", ok=bool(names), state=state)
