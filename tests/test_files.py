"""Reading files that NumPy 1 or NumPy 2 wrote: they name the same functions differently."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.files import load_pickle, load_weights

CORES = (b"numpy.core.", b"numpy._core.")
pytestmark = pytest.mark.parametrize("core", CORES)


def written_by(content: bytes, core: bytes) -> bytes:
    """A pickle of protocol 2 or 3, as the NumPy with that name of its core writes it."""
    for name in CORES:
        content = content.replace(b"c" + name, b"c" + core)
    return content


def test_pickles(core: bytes, tmp_path: Path) -> None:
    file, values = tmp_path / "values.pkl", {"a": np.arange(3.0), "b": np.float32(0.5)}
    content = pickle.dumps(values, protocol=3)
    assert any(b"c" + name in content for name in CORES)
    file.write_bytes(written_by(content, core))
    loaded = load_pickle(file)
    assert np.array_equal(loaded["a"], values["a"]) and loaded["b"] == 0.5


def test_arrays_in_buffers(core: bytes, tmp_path: Path) -> None:
    """What NumPy writes in protocol 5."""
    arguments = pickle.dumps((bytes(8), np.dtype("f8"), (1,), "C"), protocol=3)[2:-1]
    file = tmp_path / "array.pkl"
    file.write_bytes(b"\x80\x03c" + core + b"numeric\n_frombuffer\n" + arguments + b"R.")
    assert np.array_equal(load_pickle(file), [0.0])


def test_checkpoints(core: bytes, tmp_path: Path) -> None:
    file, changed = tmp_path / "a.pth", tmp_path / "b.pth"
    content = {"state_dict": {"w": torch.ones(2)}, "meta": {"a": np.arange(3), "b": np.float64(1)}}
    torch.save(content, file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, written_by(source.read(name), core))
    assert torch.equal(load_weights(changed)["w"], torch.ones(2))
