"""Checks of files of tensors for damage that torch.load does not notice: the checksums of the
archive, and values that no intact file holds."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skelact.errors import CheckpointError, reading, reason

MAX_DEPTH = 64  # of nested dicts and lists in a document with tensors
_MAGIC = b"PK\x03\x04"  # of the archives of torch.save
_BLOCK = 1 << 20  # bytes that are read at once
_AGAIN = "Copy it again from where it came from, or train again."


def check_archive(path: Path) -> None:
    """Compare every part of a file that torch.save wrote with its CRC-32. Raises CheckpointError
    that names the part. Files in the format of torch before 1.6 have no checksums."""
    with reading(path, CheckpointError, _AGAIN):
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return
        try:
            _check_parts(path)
        except zipfile.BadZipFile as error:
            raise CheckpointError(
                f"{path} is damaged or not a checkpoint: {reason(error)}", _AGAIN
            ) from error


def _check_parts(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if len({part.filename for part in parts}) < len(parts):
            raise CheckpointError(f"{path} is damaged: it holds two parts of one name", _AGAIN)
        for part in parts:
            if part.compress_type != zipfile.ZIP_STORED:
                raise CheckpointError(
                    f"{path} is compressed, which torch.save never does", "Save it with torch.save."
                )
            with archive.open(part) as file:  # reading to the end compares the checksum
                while file.read(_BLOCK):
                    pass


def check_tensor(value: Any, name: str, path: Path) -> None:
    """Raises CheckpointError if `value` is not a dense tensor of finite numbers or truth values in
    the memory of the CPU, or has more elements than the file stores."""
    import torch

    problem = ""
    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        problem = f"is a {type(value).__name__}, not a tensor"
    elif value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        problem = "is not a dense tensor"
    elif value.dtype.is_complex or value.dtype.itemsize > 8:
        problem = f"has the type {value.dtype}"
    elif value.numel() * value.element_size() > value.untyped_storage().nbytes():
        problem = f"has the shape {tuple(value.shape)}, more than the file stores"
    elif value.is_floating_point() and not _is_finite(value):
        problem = "holds values that are not finite numbers"
    if problem:
        raise CheckpointError(f"{path} cannot be used: {name} {problem}", _AGAIN)


def _is_finite(value: Any) -> bool:
    return bool(value.isfinite().all())


def check_tensors(tensors: Mapping[str, Any], path: Path) -> None:
    """`check_tensor` for every value of a state dict."""
    for name, value in tensors.items():
        check_tensor(value, name, path)


def check_content(content: Any, path: Path) -> None:
    """Raises CheckpointError if the content of a file that skelact wrote holds anything but dicts,
    lists, tensors and plain values, a number that is not finite or has more than 64 bits, or a
    container in two places."""
    import torch

    seen: set[int] = set()
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    while pending:
        name, value, depth = pending.pop()
        problem = ""
        if isinstance(value, dict | list | tuple):
            if value and id(value) in seen:
                problem = "is stored in two places"
            elif depth > MAX_DEPTH:
                problem = "is nested too deeply"
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            pending += [(f"{name}.{key}".lstrip("."), inner, depth + 1) for key, inner in items]
        elif isinstance(value, torch.Tensor):
            check_tensor(value, name, path)
        elif isinstance(value, float):
            problem = "" if math.isfinite(value) else f"is {value}"
        elif isinstance(value, int):
            problem = "" if abs(value) < 1 << 63 else "is too large"
        elif value is not None and not isinstance(value, str):
            problem = f"is a {type(value).__name__}"
        if problem:
            raise CheckpointError(f"{path} cannot be used: {name or 'it'} {problem}", _AGAIN)
