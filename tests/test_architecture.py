"""Rules for the code that can be checked: imports, names, exports."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import skelact
from skelact.analysis_options import ExplainOptions, ForecastOptions
from skelact.datasets.base import Collection, DatasetOptions
from skelact.datasets.packed import Packed
from skelact.live.options import LiveOptions
from skelact.options import AugmentOptions, ForeignOptions, PredictOptions, TrainOptions
from skelact.pose.base import PoseOptions
from skelact.pose.track import TrackOptions
from skelact.recipe import Recipe
from skelact.sequence.clean import SequenceOptions
from skelact.sequence.normalise import NormaliseOptions
from skelact.sequence.sampling import SamplingOptions
from skelact.training.trainer import Plan
from skelact.types import PoseSequence
from skelact.video.cut import ClipOptions, CodingOptions
from tests.conftest import ROOT

PACKAGE = ROOT / "skelact"
# a module imports from its own package and from lower layers only
LAYERS = (
    ("escaping",),
    ("errors", "discovery", "limits", "pace", "processes"),
    ("skeletons",),
    ("types", "config_data", "integrity", "temporary"),
    ("config", "files", "metrics", "open_set_metrics", "sandbox", "segment_metrics"),
    ("schemas", "outputs"),
    ("analysis_options", "cache", "options", "device"),
    ("video", "sequence"),
    ("pose",),
    ("readers",),
    ("datasets", "models"),
    ("recipe",),
    ("interop", "stages"),
    ("training", "inference", "report"),
    ("runs", "live"),
    ("app",),
    ("cli",),
    ("__main__", "__init__"),
)
LAYER = {name: n for n, names in enumerate(LAYERS) for name in names}
# heavy third-party packages and the only modules that import them
ADAPTERS = {
    "mediapipe": set(),
    "ai_edge_litert": {"pose/blazepose/network.py"},
    "flatbuffers": {"pose/blazepose/network.py"},
    "mmengine": {"pose/mmpose.py", "files.py"},
    "mmpose": {"pose/mmpose.py"},
    "mmdet": {"pose/mmpose.py"},
    "mmcv": {"pose/mmpose.py"},
    "matplotlib": {"report/plots.py", "report/text.py"},
    "PIL": {"report/text.py"},
    "ffmpeg": {"video/cut.py"},
    "c3d": {"readers/c3d.py", "interop/poses/c3d.py"},
    "h5py": {"readers/h5.py"},
    "sleap_io": {"interop/poses/sleap.py"},
    "pynwb": {"interop/poses/nwb.py"},
    "ndx_pose": {"interop/poses/nwb.py"},
    "ray": {"stages/ray_connection.py"},
    "yaml": {"config_data.py"},
    "fsspec": {"cache/remote.py"},
}
NO_TORCH = (
    *("video/", "sequence/", "readers/", "datasets/", "stages/", "schemas/"),
    *("types.py", "cache/", "config.py", "skeletons/", "errors.py", "metrics.py"),
    *("options.py", "recipe.py"),
    *(f"pose/{n}.py" for n in ("base", "importers", "mirrored", "store", "track")),
    "pose/blazepose/",
    *("pose/weights.py", "discovery.py"),
)


# dataclasses that are built by keyword only
KEYWORD_ONLY = (
    AugmentOptions,
    CodingOptions,
    Collection,
    DatasetOptions,
    ExplainOptions,
    ForecastOptions,
    ForeignOptions,
    LiveOptions,
    NormaliseOptions,
    Packed,
    Plan,
    PoseOptions,
    PoseSequence,
    PredictOptions,
    Recipe,
    SamplingOptions,
    SequenceOptions,
    ClipOptions,
    TrackOptions,
    TrainOptions,
)


@cache
def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path) -> list[str]:
    """Names of the modules that a file imports, inside functions too. Of `from package import name`
    it is `package.name` where that is a module of skelact."""
    names = {dotted(p) for p in modules()}
    imported = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = [f"{node.module}.{a.name}" for a in node.names]
            imported += [name if name in names else node.module for name in full]
    return imported


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def graph() -> dict[str, set[str]]:
    """Module -> modules of skelact that it imports."""
    names = {dotted(path): path for path in modules()}
    return {n: {i for i in imports_of(p) if i in names and i != n} for n, p in names.items()}


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_to_lower_layers(path: Path) -> None:
    own = package_of(path)
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "skelact" and len(parts) > 1 and parts[1] in LAYER and parts[1] != own:
            assert LAYER[parts[1]] < LAYER[own], f"{path.name} imports {name}"


def test_no_import_cycle() -> None:
    """Imports inside functions count too."""
    edges, done = graph(), set[str]()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for other in sorted(edges[module]):
                visit(other, (*above, module))
            done.add(module)

    for module in edges:
        visit(module, ())


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_adapter(path: Path) -> None:
    here = path.relative_to(PACKAGE).as_posix()
    for name in imports_of(path):
        top = name.split(".")[0]
        assert here in ADAPTERS.get(top, {here}), f"{here} imports {name}"
        if here.startswith(NO_TORCH):
            assert top != "torch", f"{here} imports torch"


def test_files_are_short() -> None:
    lines = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {name: n for name, n in lines.items() if n > 400} == {}


def test_no_two_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(dotted(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_test_modules_do_not_import_each_other() -> None:
    """Shared helpers are in conftest.py, helpers.py and parity/."""
    for path in (ROOT / "tests").rglob("*.py"):
        for name in imports_of(path):
            assert not name.split(".")[-1].startswith("test_"), f"{path.name} imports {name}"


def test_exports() -> None:
    assert all(hasattr(skelact, name) for name in skelact.__all__)


@pytest.mark.parametrize(
    "what",
    [
        "import skelact",
        "import skelact.cli",
        "import skelact.stages.sequences",
        "import skelact.datasets.registry as r; r.dataset_specs()",
        "import skelact.pose.base as b; b.estimator_specs()",
    ],
)
def test_light_imports_load_no_heavy_package(what: str) -> None:
    heavy = ["torch", "mediapipe", "ai_edge_litert", "mmpose", "matplotlib", "cv2", "scipy"]
    heavy += ["mmengine", "fsspec"]
    code = f"{what}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", KEYWORD_ONLY, ids=lambda k: k.__name__)
def test_value_objects_are_built_by_keyword(kind: type) -> None:
    assert all(f.kw_only for f in dataclasses.fields(kind))
