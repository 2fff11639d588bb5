"""Recognisers in files for other programs and machines: ONNX, OpenVINO, or a small checkpoint."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from msgspec import structs
from scipy.special import softmax
from torch import Tensor, nn

from skelact import limits, outputs
from skelact.errors import CheckpointError, ConfigError, InputError
from skelact.files import write_bytes
from skelact.inference.ensemble import MemberModel, by_window_length, members_of
from skelact.inference.graph_files import (
    METADATA,
    ONNX,
    OPENVINO,
    GraphFile,
    inputs_of,
    load_graph_file,
)
from skelact.inference.networks import load_members
from skelact.inference.rejection import Rejection
from skelact.inference.zoo import find
from skelact.models.base import ActionClassifier
from skelact.models.checkpoint import load_model
from skelact.options import PredictOptions
from skelact.runs.quantise import needs, quantised
from skelact.schemas import (
    CALIBRATION,
    Calibration,
    Checkpoint,
    Ensemble,
    load_json,
    save_tensors,
)
from skelact.sequence.input import InputSpec
from skelact.types import Floats

FORMATS = {"torch": (".pt", ".pth"), "onnx": (ONNX,), "openvino": (OPENVINO,)}
MAX_DIFFERENCE = 1e-4  # of probabilities, between torch and the written file
MAX_RELATIVE = 1e-3  # of logits and features, of the largest one


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """A written file: its size in bytes, the axes of any size of each input, and the largest
    difference of a probability to that of torch, on random clips."""

    file: Path
    size: int
    dynamic: tuple[tuple[str, ...], ...] = ()
    difference: float = 0.0


class _Networks(nn.Module):
    """The networks of a recogniser as one module: inputs (N, M, T, V, C) -> logits (N, K) of each
    member, then the features (N, D) of those whose class statistics are of features. `uses` is the
    number of the input of each member."""

    def __init__(self, members: tuple[MemberModel, ...], uses: list[int]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(m.net for m in members)
        self.uses = uses
        self.with_features = [
            n
            for n, member in enumerate(members)
            if member.statistics is not None and member.statistics.basis == "features"
        ]

    def forward(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        logits, features = [], []
        for n, net in enumerate(self.nets):
            assert isinstance(net, ActionClassifier)
            pooled = net.cls_head.pool(net.features(inputs[self.uses[n]]))
            logits.append(net.cls_head.classify(pooled))
            if n in self.with_features:
                features.append(pooled)
        return (*logits, *features)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs in the graph."""
        names = [f"logits_{n}" for n in range(len(self.nets))]
        return names + [f"features_{n}" for n in self.with_features]


def export_model(
    run: Path | str,
    out: Path,
    form: str = "onnx",
    *,
    calibration: Path | None = None,
    min_confidence: float | None = None,
    int8: bool = False,
    overwrite: bool = False,
) -> ExportResult:
    """Write the recogniser of a run folder, a checkpoint or a shipped model.

    `form` torch is a checkpoint in half precision; onnx and openvino are graphs in single
    precision (openvino: a second file with the suffix .bin beside it). `int8` stores the weights of
    an ONNX file as 8-bit integers. `calibration` is another run whose calibration is used, for a
    run that was trained on all data. `min_confidence` replaces that of the training when the file
    is used for prediction: a dataset may need a lower one than footage in which nobody may be.

    A graph is read again, and its probabilities are compared with those of torch. Raises
    ConfigError for a wrong option, OutputError as `outputs.check`, BackendMissing if a package is
    missing, CheckpointError or InputError if a file cannot be read or written, if a network cannot
    be exported, or if the written graph gives other probabilities."""
    if form not in FORMATS:
        raise ConfigError(f"There is no format {form!r}", f"Use {', '.join(FORMATS)}.")
    if int8 and form != "onnx":
        raise ConfigError("Only ONNX files can have 8-bit weights", "Leave out --int8.")
    PredictOptions(min_confidence=min_confidence)  # checks the range
    source = find(run)
    sources = [source, *([calibration / CALIBRATION] if calibration is not None else [])]
    weights = out.with_suffix(".bin")
    outputs.check(out, inputs=sources, overwrite=overwrite, suffixes=FORMATS[form])
    if form == "openvino":
        outputs.check(weights, inputs=sources, overwrite=overwrite)
    model = load_model(source)
    if calibration is not None:
        model = _calibrated(model, calibration)
    model = _portable(model, min_confidence)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot create the folder {out.parent}: {error.strerror}") from error
    if form == "torch":
        save_tensors(out, _each(model, _in_half_precision))
        return ExportResult(file=out, size=out.stat().st_size)
    return _export_graph(model, out, int8)


def _calibrated(model: Checkpoint | Ensemble, run: Path) -> Checkpoint | Ensemble:
    """The model with the calibration of a run. Raises InputError if it uses a score that the model
    cannot give."""
    values = load_json(run / CALIBRATION, Calibration)
    groups = by_window_length(load_members(model, torch.device("cpu"))).values()
    try:
        Rejection.of(values, PredictOptions(), list(groups))
    except CheckpointError as error:
        raise InputError(
            f"The calibration of {run} does not fit: {error.message}",
            f"Choose another score: skelact calibrate {run} negatives/ --score probability --apply",
        ) from error
    return structs.replace(model, calibration=values)


def _export_graph(model: Checkpoint | Ensemble, out: Path, int8: bool) -> ExportResult:
    members = load_members(model, torch.device("cpu"))
    if isinstance(model, Ensemble):
        used = tuple(m for m in model.members if m.weight > 0)
        model = structs.replace(model, members=used)
    specs, uses = inputs_of([m.spec for m in members])
    channels = [m.checkpoint.in_channels for m in members_of(model)]
    rng = np.random.default_rng(0)
    clips = [
        _clips(spec, channels[uses.index(n)], 3, spec.sampling.length, rng)
        for n, spec in enumerate(specs)
    ]
    networks = _Networks(members, uses).eval()
    document = msgspec.json.encode(_for_graph(model))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{ONNX}"
        _write_onnx(networks, clips, file, document)
        if int8:
            file = quantised(file)
        if out.suffix.lower() == OPENVINO:
            file = _write_openvino(file, document)
        found = load_graph_file(file)
        dynamic = tuple(_dynamic(shape) for shape in found.session.shapes())
        differences = [
            _differences(networks, found, [c[:count, :, : limit(c.shape[2])] for c in clips])
            for count, limit in _SIZES
            if limit(100) == 100 or all("frames" in d for d in dynamic)
        ]
        difference, relative = (max(column) for column in zip(*differences, strict=True))
        if not int8 and not (difference <= MAX_DIFFERENCE and relative <= MAX_RELATIVE):
            raise CheckpointError(
                f"The exported graph differs from torch: probabilities by {difference:.1e}, other "
                f"outputs by {relative:.1e} of their largest value",
                "Use --format torch, and report this together with the version of torch.",
            )
        content = limits.read_bytes(file)
        size = len(content)
        if out.suffix.lower() == OPENVINO:
            values = limits.read_bytes(file.with_suffix(".bin"))
            write_bytes(out.with_suffix(".bin"), values)
            size += len(values)
        write_bytes(out, content)
    return ExportResult(file=out, size=size, dynamic=dynamic, difference=difference)


_SIZES: tuple[tuple[int, Callable[[int], int]], ...] = (  # clips and frames of a comparison
    (1, lambda frames: frames),
    (3, lambda frames: frames),
    (2, lambda frames: max(8, frames * 2 // 3)),
)


def _write_onnx(networks: _Networks, clips: list[Floats], file: Path, document: bytes) -> None:
    """Write an ONNX file. Raises CheckpointError that names what cannot be exported."""
    with needs("onnx", "onnxscript", "onnxruntime"):
        import onnx
        import onnxscript  # noqa: F401  # torch.onnx needs it
    axes = dict.fromkeys((0, 1, 2), torch.export.Dim.AUTO)
    with _silence():
        try:
            program = torch.onnx.export(
                networks,
                ([torch.from_numpy(c[:2]) for c in clips],),
                dynamo=True,
                dynamic_shapes=([axes] * len(clips),),
                input_names=[f"input_{n}" for n in range(len(clips))],
                output_names=networks.output_names,
                verbose=False,
            )
        except Exception as error:  # torch.onnx has errors of its own, all of which mean the same
            names = ", ".join(type(net.backbone).__name__ for net in networks.nets)
            reason = str(error).strip().splitlines() or ["no reason given"]
            raise CheckpointError(
                f"{names} cannot be written as ONNX: {reason[0]}", "Use --format torch."
            ) from error
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {METADATA: document.decode()})
    write_bytes(file, proto.SerializeToString())


def _write_openvino(file: Path, document: bytes) -> Path:
    """Convert an ONNX file; the weights are in a file beside the returned one."""
    with needs("openvino"):
        import openvino
    model = openvino.convert_model(str(file))
    model.set_rt_info(document.decode(), [METADATA])
    out = file.with_suffix(OPENVINO)
    openvino.save_model(model, str(out), compress_to_fp16=False)
    return out


def _dynamic(shape: tuple[int | None, ...]) -> tuple[str, ...]:
    """The names of the axes of an input (N, M, T, V, C) that have any size."""
    axes = {"clips": shape[0], "frames": shape[2]}
    return tuple(name for name, size in axes.items() if size is None)


def _clips(
    spec: InputSpec, channels: int, count: int, frames: int, rng: np.random.Generator
) -> Floats:
    """Random clips (N, M, T, V, C): walks, as joints do not jump."""
    shape = (count, spec.persons, frames, len(spec.skeleton.joints), channels)
    return np.asarray(np.cumsum(0.1 * rng.standard_normal(shape), axis=2), np.float32)


def _differences(networks: _Networks, graph: GraphFile, clips: list[Floats]) -> tuple[float, float]:
    """The largest difference of a probability of the same clips, and that of a logit or feature
    relative to the largest one of its network: probabilities of 0 and 1 hide differences."""
    with torch.inference_mode():
        outputs = networks([torch.from_numpy(np.ascontiguousarray(c)) for c in clips])
    probability, relative = 0.0, 0.0
    results = graph.run(dict(enumerate(clips)))
    for n, (tensor, found) in enumerate(zip(outputs, results, strict=True)):
        expected = tensor.numpy()
        scale = max(float(np.abs(expected).max()), 1e-6)
        relative = max(relative, float(np.abs(expected - found).max()) / scale)
        if n < len(networks.nets):
            change = softmax(expected, axis=1) - softmax(found, axis=1)
            probability = max(probability, float(np.abs(change).max()))
    return probability, relative


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without the progress and the warnings of the exporters, which no user can act on."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _portable(model: Checkpoint | Ensemble, min_confidence: float | None) -> Checkpoint | Ensemble:
    """The model without the folders of the machine that it was trained on, and with another
    `min_confidence` if given."""

    def change(checkpoint: Checkpoint) -> Checkpoint:
        pose = _without_folders(checkpoint.estimator.pose)
        if min_confidence is not None:
            pose["min_confidence"] = min_confidence
        recipe = dict(checkpoint.recipe)
        if "pose" in recipe:
            recipe["pose"] = _without_folders(recipe["pose"])
        estimator = structs.replace(checkpoint.estimator, pose=pose)
        return structs.replace(checkpoint, estimator=estimator, recipe=recipe)

    return _each(model, change)


def _in_half_precision(checkpoint: Checkpoint) -> Checkpoint:
    weights = {name: _half(value) for name, value in checkpoint.weights.items()}
    enrolment = checkpoint.enrolment
    if enrolment is not None:
        classes = [structs.replace(c, embeddings=_half(c.embeddings)) for c in enrolment.classes]
        enrolment = structs.replace(enrolment, classes=tuple(classes))
    return structs.replace(checkpoint, weights=weights, enrolment=enrolment)


def _for_graph(model: Checkpoint | Ensemble) -> Checkpoint | Ensemble:
    """The document of a graph: without weights, enrolled classes as any others, and class
    statistics as lists of numbers."""

    def change(checkpoint: Checkpoint) -> Checkpoint:
        found = checkpoint.statistics
        if found is not None:
            lists = {"projection": found.projection.tolist(), "means": found.means.tolist()}
            found = structs.replace(found, **lists)
        return structs.replace(
            checkpoint, weights={}, statistics=found, features=None, enrolment=None
        )

    return _each(model, change)


def _each(
    model: Checkpoint | Ensemble, change: Callable[[Checkpoint], Checkpoint]
) -> Checkpoint | Ensemble:
    if isinstance(model, Checkpoint):
        return change(model)
    members = tuple(structs.replace(m, checkpoint=change(m.checkpoint)) for m in model.members)
    return structs.replace(model, members=members)


def _half(value: Tensor) -> Tensor:
    """In half precision, unless a value is above its limit of 65504, such as a variance of pixels
    in a batch norm."""
    half = value.to(torch.float16) if value.is_floating_point() else value
    return half if bool(half.isfinite().all()) else value


def _without_folders(pose: dict[str, Any]) -> dict[str, Any]:
    """The options of pose estimation with file names in place of paths."""
    paths = ("poses_from", "config", "checkpoint")
    return {k: Path(v).name if k in paths and v else v for k, v in pose.items()}
