"""Recognisers in ONNX and OpenVINO files (`skelact export`): reading and running them.

A file holds the networks of one checkpoint or of all members of an ensemble in one graph: an input
`input_<i>` (N, M, T, V, C) float32 for each distinct InputSpec, an output `logits_<k>` (N, K) for
each member, and `features_<k>` (N, D) for those whose class statistics are of features. Its
metadata holds the document of the model without weights, as JSON under the key "skelact". Nothing
in this module needs torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from skelact import limits
from skelact.errors import BackendMissing, CheckpointError, reading
from skelact.schemas import Checkpoint, Ensemble
from skelact.schemas.base import parse_json
from skelact.sequence.input import InputSpec
from skelact.types import Floats

METADATA = "skelact"
ONNX, OPENVINO = ".onnx", ".xml"
GRAPH_SUFFIXES = (ONNX, OPENVINO)
_HINT = "Write one with `skelact export RUN --format onnx --out model.onnx`."


class _Session(Protocol):
    """A graph that is ready to run."""

    def metadata(self) -> str | None:
        """The JSON document; None if there is none."""

    def shapes(self) -> list[tuple[int | None, ...]]:
        """The shapes of the inputs in their order, None for an axis of any size."""

    def widths(self) -> list[int | None]:
        """The sizes of the last axes of the outputs, first the logits, then the features; None for
        any size."""

    def run(self, inputs: Sequence[Floats]) -> list[Floats]:
        """The outputs in the same order."""


class _Onnx:
    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        order = {i.name: i for i in self._session.get_inputs()}
        self._inputs = [order[name] for name in sorted(order, key=_number)]
        outputs = {o.name: o for o in self._session.get_outputs()}
        self._outputs = sorted(outputs, key=_place)
        self._widths = [(outputs[name].shape or [None])[-1] for name in self._outputs]

    def metadata(self) -> str | None:
        found: str | None = self._session.get_modelmeta().custom_metadata_map.get(METADATA)
        return found

    def shapes(self) -> list[tuple[int | None, ...]]:
        return [tuple(s if isinstance(s, int) else None for s in i.shape) for i in self._inputs]

    def widths(self) -> list[int | None]:
        return [size if isinstance(size, int) else None for size in self._widths]

    def run(self, inputs: Sequence[Floats]) -> list[Floats]:
        feeds = {i.name: x for i, x in zip(self._inputs, inputs, strict=True)}
        return list(self._session.run(self._outputs, feeds))


class _OpenVino:
    def __init__(self, path: Path) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        found = [METADATA] if model.has_rt_info([METADATA]) else None
        self._metadata = None if found is None else str(model.get_rt_info(found).value)
        self._compiled = core.compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        )
        order = {i.get_any_name(): i for i in self._compiled.inputs}
        self._inputs = [order[name] for name in sorted(order, key=_number)]
        outputs = {o.get_any_name(): o for o in self._compiled.outputs}
        self._outputs = [outputs[name] for name in sorted(outputs, key=_place)]

    def metadata(self) -> str | None:
        return self._metadata

    def shapes(self) -> list[tuple[int | None, ...]]:
        return [
            tuple(d.get_length() if d.is_static else None for d in i.get_partial_shape())
            for i in self._inputs
        ]

    def widths(self) -> list[int | None]:
        last = [list(o.get_partial_shape())[-1:] for o in self._outputs]
        return [d[0].get_length() if d and d[0].is_static else None for d in last]

    def run(self, inputs: Sequence[Floats]) -> list[Floats]:
        results = self._compiled(dict(zip(self._inputs, inputs, strict=True)))
        return [np.asarray(results[o]) for o in self._outputs]


def _number(name: str) -> int:
    """The number at the end of the name of an input or output, -1 if there is none."""
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else -1


def _place(name: str) -> tuple[bool, int]:
    """Where an output belongs: logits before features, each by number."""
    return name.startswith("features"), _number(name)


def inputs_of(specs: Sequence[InputSpec]) -> tuple[list[InputSpec], list[int]]:
    """The distinct specs of the members of a recogniser, which are the inputs of its graph, and the
    number of the input of each member."""
    distinct = list(dict.fromkeys(specs))
    return distinct, [distinct.index(spec) for spec in specs]


@dataclass(frozen=True, kw_only=True)
class GraphFile:
    """A recogniser in an ONNX or OpenVINO file: its document, without weights, and its graph."""

    model: Checkpoint | Ensemble
    session: _Session

    def run(self, inputs: Mapping[int, Floats]) -> list[Floats]:
        """The logits (N, K) of all members, then the features (N, D) of those that have such an
        output, for the inputs (N, M, T, V, C) by number. An input that is not given gets one empty
        clip; the outputs of members that use it are of no use."""
        full = []
        for n, shape in enumerate(self.session.shapes()):
            given = inputs.get(n)
            full.append(
                np.zeros([1, *(s or _ANY for s in shape[1:])], np.float32)
                if given is None
                else np.ascontiguousarray(given, np.float32)
            )
        return self.session.run(full)


@dataclass(frozen=True, kw_only=True)
class GraphNetwork:
    """One network of a graph file: the numbers of its input, of its logits among the outputs, and
    of its features if there are any."""

    file: GraphFile
    input: int
    logits: int
    features: int | None = None


_ANY = 16  # size of an empty clip along an axis of any size


def load_graph_file(path: Path) -> GraphFile:
    """The recogniser in a file of `skelact export`. Raises CheckpointError if the file is missing,
    damaged or was not written by skelact, BackendMissing if the package that runs it is not
    installed."""
    package = "onnxruntime" if path.suffix.lower() == ONNX else "openvino"
    with reading(path, CheckpointError, _HINT):
        session: _Session
        try:
            if package == "onnxruntime":
                session = _Onnx(limits.read_bytes(path))
            else:
                limits.read_bytes(path)  # refuses what is not a regular file
                session = _OpenVino(path)
        except ImportError as error:
            raise BackendMissing(
                f"{path} needs {package}, which is not installed",
                f"Run pip install 'skelact[{'onnx' if package == 'onnxruntime' else package}]'.",
            ) from error
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
        except Exception as error:  # the packages have exceptions of their own
            first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            raise CheckpointError(f"{path} cannot be used: {first}", _HINT) from error
        text = session.metadata()
        if text is None:
            raise CheckpointError(f"{path} is a graph that skelact did not write", _HINT)
        model = parse_model(text.encode(), path)
        return GraphFile(model=model, session=session)


def parse_model(content: bytes, path: Path) -> Checkpoint | Ensemble:
    """The document of a model without weights. Raises CheckpointError for anything else."""
    with reading(path, CheckpointError, _HINT):
        plain: Any = msgspec.json.decode(content)
        tag = plain.get("document") if isinstance(plain, dict) else None
        try:
            if tag == Ensemble.__struct_config__.tag:
                return parse_json(content, Ensemble, path)
            return parse_json(content, Checkpoint, path)
        except CheckpointError as error:
            raise CheckpointError(error.message, _HINT) from error
