"""ONNX files with weights as 8-bit integers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skelact.errors import BackendMissing
from skelact.files import write_bytes
from skelact.inference.graph_files import ONNX
from skelact.types import Floats


def quantised(file: Path) -> Path:
    """A copy of an ONNX file with large weights as 8-bit integers and a scale for each of their
    rows or columns, whichever fits better. What is computed stays in single precision: with
    activations in 8 bits too, the features of `rocket`, whose ranges differ, lose their meaning."""
    with needs("onnx"):
        import onnx
        from onnx import helper, numpy_helper
    model = onnx.load(file)
    graph, nodes = model.graph, []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < _SMALLEST_QUANTISED:
            continue
        axis, integers, scales = min(
            (_rounded(values, axis) for axis in (0, 1)),
            key=lambda found: _relative_error(values, *found),
        )
        parts: dict[str, npt.NDArray[Any]] = {
            "int8": integers,
            "scale": scales,
            "zero": np.zeros(len(scales), np.int8),
        }
        names = [f"{tensor.name}_{part}" for part in parts]
        graph.initializer.remove(tensor)
        for name, part in zip(names, parts.values(), strict=True):
            graph.initializer.append(numpy_helper.from_array(part, name))
        nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
    for node in nodes:
        graph.node.insert(0, node)
    out = file.with_name(f"int8{ONNX}")
    write_bytes(out, model.SerializeToString())
    return out


_SMALLEST_QUANTISED = 1024  # numbers of a weight


def _rounded(values: Floats, axis: int) -> tuple[int, npt.NDArray[np.int8], Floats]:
    """The axis, the values as integers, and their scales along the axis."""
    others = tuple(n for n in range(values.ndim) if n != axis)
    scales = np.maximum(np.abs(values).max(axis=others), 1e-12) / 127
    shape = [-1 if n == axis else 1 for n in range(values.ndim)]
    integers = np.rint(values / scales.reshape(shape)).astype(np.int8)
    return axis, integers, scales.astype(np.float32)


def _relative_error(
    values: Floats, axis: int, integers: npt.NDArray[np.int8], scales: Floats
) -> float:
    """The median relative error of the integers."""
    shape = [-1 if n == axis else 1 for n in range(values.ndim)]
    error = np.abs(integers * scales.reshape(shape) - values)
    return float(np.median(error / np.maximum(np.abs(values), 1e-12)))


@contextlib.contextmanager
def needs(*packages: str) -> Iterator[None]:
    """Raises BackendMissing if one of the packages, which the block imports, is missing."""
    try:
        yield
    except ImportError as error:
        raise BackendMissing(
            f"Exporting needs {', '.join(packages)}: {error.name or error} is not installed",
            f"Run pip install 'skelact[{'openvino' if 'openvino' in packages else 'export'}]'.",
        ) from error
