"""Files: written whole or not at all, and read without running anything inside them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import re
import uuid
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skelact.errors import CheckpointError, InputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; leaving the block renames it to `path`, an
    exception removes it. Readers never see a half-written file. Raises OSError."""
    temporary = path.with_name(
        f".{path.stem}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp{path.suffix}"
    )
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OSError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def save_tensors(path: Path, content: Any) -> None:
    """torch.save, whole or not at all. Raises CheckpointError."""
    import torch

    try:
        with replacing(path) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"Cannot write {path}: {error}", "Is the disk full? Earlier checkpoints are kept."
        ) from error


def load_tensors(path: Path, allow: Sequence[Any] = ()) -> Any:
    """The content of a file that torch.save wrote. CheckpointError if it is missing, damaged,
    something else, or holds an object of a type that is not allowed, which is named."""
    import torch

    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint", "is the name right?")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allow)):
            warnings.simplefilter("ignore")  # about pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{path} holds an object of type {refused[1]} and was not opened",
                "it could run code of its own; only tensors and plain values are read",
            ) from error
        raise CheckpointError(f"{path} is not a checkpoint") from error
    except Exception as error:  # a damaged file can make the unpickler raise anything
        raise CheckpointError(f"{path} is damaged or not a checkpoint") from error


def load_weights(path: Path) -> dict[str, Any]:
    """The state dict of a checkpoint of another program: tensors, and metadata of harmless types
    only. CheckpointError names any other type and refuses it."""
    import torch

    content = load_tensors(path, _harmless())
    weights = content.get("state_dict", content) if isinstance(content, dict) else None
    if not weights or not all(isinstance(v, torch.Tensor) for v in weights.values()):
        raise CheckpointError(f"{path} holds no state dict", "is it a checkpoint of a network?")
    return dict(weights)


def _harmless() -> list[Any]:
    """Types that official checkpoints carry beside tensors and that run no code of the file's
    choosing."""
    import numpy as np

    reconstruct: Any = np.core.multiarray._reconstruct  # type: ignore[attr-defined]
    scalar: Any = np.core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = [
        np.ndarray,
        np.dtype,
        reconstruct,
        scalar,
        *(type(np.dtype(c)) for c in "?bBhHiIlLqQefdSU"),
    ]
    if find_spec("mmengine"):
        from mmengine.config.config import ConfigDict
        from mmengine.logging.history_buffer import HistoryBuffer

        def method(owner: Any, name: str) -> Any:
            """What a pickled HistoryBuffer asks of getattr: its own statistics, nothing else."""
            if owner is HistoryBuffer and name in ("min", "max", "current", "mean"):
                return getattr(HistoryBuffer, name)
            raise pickle.UnpicklingError(f"GLOBAL builtins.getattr of {owner!r}")

        kinds += [HistoryBuffer, ConfigDict, (method, "builtins.getattr")]
    return kinds


_PICKLE_TYPES = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("collections", "OrderedDict"),
}


class _ForbiddenType(pickle.UnpicklingError):
    pass


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PICKLE_TYPES:
            raise _ForbiddenType(f"an object of type {module}.{name}")
        return super().find_class(module.replace("numpy._core", "numpy.core"), name)


def load_pickle(path: Path) -> Any:
    """The content of a pickle of arrays and plain values; no code in it is run. Raises InputError
    if the file is damaged or holds an object of another type, which is named."""
    try:
        return _RestrictedUnpickler(io.BytesIO(path.read_bytes())).load()
    except _ForbiddenType as error:
        raise InputError(
            f"{path} was not opened: it holds {error}",
            "such an object could run code; only arrays and plain values are read",
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{path} is damaged or not a pickle", "download it again") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises InputError if it cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
