"""Damaged and foreign files are refused, and a failed write keeps the previous checkpoint."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import msgspec
import pytest
import torch

from skelact.errors import CheckpointError
from skelact.models.checkpoint import load_checkpoint
from skelact.schemas import save_tensors
from tests.helpers import trainer


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda p: p.write_bytes(b""), "not a checkpoint"),
        (lambda p: p.write_text("hello"), "not a checkpoint"),
        (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "not a checkpoint"),
        (lambda p: torch.save({"weights": Evil()}, p), "type \\w+.system"),
        (lambda p: torch.save({"state_dict": {}}, p), "not a checkpoint of skelact"),
        (lambda p: torch.save({"document": "checkpoint"}, p), "missing required field `model`"),
        (lambda p: torch.save({"document": "result"}, p), "is a result of skelact"),
        (lambda p: torch.save([1], p), "not a checkpoint of skelact"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, write, says: str) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(tmp_path / "x.pt")
    assert not Path("pwned").exists()


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    run = trainer(tmp_path, epochs=1)
    run.fit()
    whole = (tmp_path / "run" / "last.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "cut.pt")
    with pytest.raises(CheckpointError, match="no such"):
        load_checkpoint(tmp_path / "none.pt")


def test_a_failed_write_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoints" / "x.pt"
    path.parent.mkdir()
    first = trainer(tmp_path, epochs=1).make_checkpoint(epoch=1)
    save_tensors(path, first)
    before = path.read_bytes()

    def disk_full(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", disk_full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_tensors(path, msgspec.structs.replace(first, epoch=2))
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1
