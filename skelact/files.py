"""Atomic writing of files, and reading them without running code that they contain."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import re
import sys
import tempfile
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from skelact import limits, temporary
from skelact.errors import CheckpointError, InputError, reading
from skelact.integrity import check_archive, check_tensors

J = TypeVar("J")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; leaving the block renames it to `path`, an
    exception removes it. Readers never see a half-written file, and if `path` is a link, what it
    points to stays as it is. Raises OSError."""
    temporary.sweep(path.parent)
    new = path.with_name(temporary.new_name(path.suffix))
    try:
        yield new
        new.replace(path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def output_names(videos: Sequence[Path]) -> dict[Path, Path]:
    """The name, without a suffix, of everything that is written for each video: its file name, with
    the folders that the videos do not have in common. Two videos that differ only in their suffix
    keep it, and so does a video with the name of a folder of other videos."""
    resolved = {video: video.resolve() for video in videos}
    common = Path(os.path.commonpath([p.parent for p in resolved.values()])) if resolved else Path()
    names: dict[Path, Path] = {}
    taken: set[Path] = set()
    folders = {f for path in resolved.values() for f in path.relative_to(common).parents}
    for video, path in resolved.items():
        name = path.relative_to(common).with_suffix("")
        if name in taken or name in folders:  # a.mp4 beside a.avi or a/b.mp4
            name = path.relative_to(common)
        while name in taken:  # several links to one video
            name = name.with_name(f"{name.name}-2")
        taken.add(name)
        names[video] = name
    return names


def unused_folders(inputs: Iterable[Path | str], found: Collection[Path]) -> list[Path]:
    """The folders among the inputs of a command in which nothing was found."""
    folders = [path for path in map(Path, inputs) if path.is_dir()]
    return [f for f in folders if not any(path.is_relative_to(f) for path in found)]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all. Raises OSError."""
    with replacing(path) as new:
        new.write_bytes(content)


def write_tensors(path: Path, content: Any) -> None:
    """torch.save, completely or not at all: equal content gives equal bytes. Raises
    CheckpointError."""
    import torch

    try:
        with replacing(path) as new, new.open("wb") as file:
            torch.save(content, file)  # given a path, torch would store its name in the file
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"Cannot write {path}: {error}", "Is the disk full? Earlier checkpoints are kept."
        ) from error


def read_tensors(path: Path, allow: Sequence[Any] = ()) -> Any:
    """The content of a file that torch.save wrote, read with weights_only=True. Raises
    CheckpointError if the file is missing, damaged, or holds an object of a type that is not in
    `allow`; the message names the type. Damage is found by the checksums of the file."""
    import torch

    if path.parent.is_file():
        raise CheckpointError(
            f"{path.parent} is a file, not a run folder", "Name a folder that skelact train wrote."
        )
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}", "Check the path.")
    check_archive(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allow)):
            warnings.simplefilter("ignore")  # about pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{path} holds an object of type {refused[1]} and was not opened",
                "Such an object could run code. Only tensors and plain values are read: save the "
                "state dict alone with the program that wrote the file.",
            ) from error
        raise CheckpointError(
            f"{path} is not a checkpoint",
            "Name a file or folder that skelact train wrote, or a .pt file of skelact export.",
        ) from error
    except Exception as error:  # a damaged file can make the unpickler raise anything
        raise CheckpointError(f"{path} is damaged or not a checkpoint") from error


def is_skelact_checkpoint(path: Path) -> bool:
    """Whether a file of tensors is a document of skelact's, judging by its content, not its name.
    Raises CheckpointError as `load_weights`."""
    content = read_tensors(path, _harmless_types())
    return isinstance(content, dict) and isinstance(content.get("document"), str)


def load_weights(path: Path) -> dict[str, Any]:
    """The state dict of a checkpoint of another program. Raises CheckpointError if the file holds
    anything but tensors and metadata of harmless types, or weights that are not finite."""
    import torch

    content = read_tensors(path, _harmless_types())
    found = f"{type(content).__name__}"
    if isinstance(content, dict):
        found = f"dict with the keys {', '.join(map(repr, list(content)[:4]))}"
        found += f" and {len(content) - 4} more" if len(content) > 4 else ""
        wrapper = next((k for k in _STATE_DICTS if isinstance(content.get(k), dict)), None)
        content = content[wrapper] if wrapper else content
        named = all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in content.items())
        if content and named:
            check_tensors(content, path)
            return dict(content)
    raise CheckpointError(
        f"{path} holds no state dict, but a {found}",
        "The file must hold the tensors of a network by their names, alone or under the key "
        f"{' or '.join(map(repr, _STATE_DICTS))}.",
    )


_STATE_DICTS = ("state_dict", "model_state_dict")


def _harmless_types() -> list[Any]:
    """Types that official checkpoints contain beside tensors and that cannot run code."""
    import numpy as np

    kinds: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(c)) for c in "?bBhHiIlLqQefdSU")]
    multiarray = import_module(f"{_numpy_core()}.multiarray")
    for name in ("_reconstruct", "scalar"):  # under the names of NumPy 1 and 2
        function = getattr(multiarray, name)
        kinds += [(function, f"numpy.{core}.multiarray.{name}") for core in ("core", "_core")]
    if find_spec("mmengine"):
        import_yapf()
        from mmengine.config.config import ConfigDict
        from mmengine.logging.history_buffer import HistoryBuffer

        def method(owner: Any, name: str) -> Any:
            """getattr, restricted to the statistics that a pickled HistoryBuffer refers to."""
            if owner is HistoryBuffer and name in ("min", "max", "current", "mean"):
                return getattr(HistoryBuffer, name)
            raise pickle.UnpicklingError(f"GLOBAL builtins.getattr of {owner!r}")

        kinds += [HistoryBuffer, ConfigDict, (method, "builtins.getattr")]
    return kinds


def import_yapf() -> None:
    """Import yapf, which mmengine needs, without its cache. yapf keeps its grammar as a pickle in
    the user's cache folder: a process that starts while another writes that file ends with
    EOFError, and whoever can write the file can have code executed. A package that is missing is
    left to the import of mmengine to report."""
    if "yapf" not in sys.modules:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ImportError):
            import platformdirs

            original = platformdirs.user_cache_dir
            platformdirs.user_cache_dir = lambda *_, **__: folder
            try:
                import yapf  # noqa: F401
            finally:
                platformdirs.user_cache_dir = original


def _numpy_core() -> str:
    """The package that NumPy 2 renamed."""
    return "numpy._core" if find_spec("numpy._core.numeric") else "numpy.core"


_PICKLE_TYPES = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("collections", "OrderedDict"),
}


class _ForbiddenType(pickle.UnpicklingError):
    pass


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")
        if (module, name) not in _PICKLE_TYPES:
            raise _ForbiddenType(f"an object of type {module}.{name}")
        return super().find_class(module.replace("numpy.core", _numpy_core()), name)


def load_pickle(path: Path) -> Any:
    """The content of a pickle of arrays and plain values; no code in it is run. Raises InputError
    if the file is damaged or holds an object of another type, which is named."""
    try:
        content = limits.read_bytes(path, limits.PICKLE_BYTES)
        with limits.memory(limits.GB + 4 * len(content)):
            return _RestrictedUnpickler(io.BytesIO(content)).load()
    except _ForbiddenType as error:
        raise InputError(
            f"{path} was not opened: it holds {error}",
            "Such an object could run code. Only arrays and plain values are read.",
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{path} is damaged or not a pickle", "Download it again.") from error


def parse_pickle(content: bytes) -> Any:
    """As `load_pickle`, of a pickle inside a file of another format. Raises ValueError."""
    try:
        return _RestrictedUnpickler(io.BytesIO(content)).load()
    except _ForbiddenType as error:
        raise ValueError(f"a pickle in it holds {error}") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError("a pickle in it is damaged") from error


def read_foreign_json(path: Path, kind: type[J]) -> J:
    """The content of a JSON file of another program as the type `kind` (see msgspec.json.decode),
    in UTF-8, 16 or 32; `schemas.load_json` reads the documents of skelact. Raises InputError if it
    cannot be read, is not JSON (which has no NaN), or has another structure."""
    with reading(path, InputError):
        content = limits.read_bytes(path)
        encoding = json.detect_encoding(content)
        if encoding != "utf-8":
            content = content.decode(encoding).encode()
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not JSON: {error}") from error
