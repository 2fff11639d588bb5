"""Files that would block for ever, fill the memory or never end."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skelact import limits
from skelact.datasets import registry
from skelact.datasets.skeleton_files import source
from skelact.errors import InputError, SkelactError
from skelact.files import load_pickle, read_foreign_json
from skelact.interop.checkpoints import class_names
from skelact.pose import importers
from skelact.pose.track import TrackOptions
from skelact.readers import description
from skelact.readers.find import find_files, sequence_file
from skelact.skeletons import load_skeleton
from tests.conftest import ROOT
from tests.readers import motion

# these read files that come with skelact, or of the kernel, or check the file themselves
OPENS = {
    *(
        "limits.py",
        "cli/__init__.py",
        "inference/zoo.py",
        "datasets/ntu.py",
        "datasets/ntu_names.py",
        "cache/hashes.py",
    ),
    *("pose/blazepose/face.py", "pose/blazepose/network.py", "pose/blazepose/hands.py"),
}
POINTS = motion.sequence("wave", 0, frames=12)


def test_only_one_module_opens_files_of_others() -> None:
    for path in (ROOT / "skelact").rglob("*.py"):
        name = path.relative_to(ROOT / "skelact").as_posix()
        if name in OPENS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                is_limits = isinstance(node.func.value, ast.Name) and node.func.value.id == "limits"
                assert is_limits or node.func.attr not in ("read_text", "read_bytes"), (
                    f"{name}, line {node.lineno}: use limits.{node.func.attr}"
                )


def read_file(path: Path) -> None:
    file = sequence_file(path)
    if file is None:
        raise InputError(f"{path} is no skeleton file")
    source([file], path.parent).sequence(file)


READERS = {
    **dict.fromkeys(("npy", "npz", "csv", "txt", "bvh", "skeleton", "jsonl"), read_file),
    "labels.csv": lambda path: registry.get_spec("labels").find(path),
    "pkl": load_pickle,
    "json": lambda path: read_foreign_json(path, dict),
    "toml": load_skeleton,
    "names": lambda path: class_names(path, 2),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "zero", "link to a pipe"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str, kind: str) -> None:
    """In this process: a reader that waits for a pipe would never return."""
    path = tmp_path / (name if "." in name else f"a.{name}")
    if kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    if kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(SkelactError):
        READERS[name](path)
    assert find_files(tmp_path) == []


def test_links_to_folders_above(tmp_path: Path) -> None:
    (tmp_path / "a" / ".hidden").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / "a" / name).symlink_to(tmp_path)
        (tmp_path / name).symlink_to(tmp_path / "a")
    for name in ("a/x.npy", "a/.hidden/y.npy"):
        np.save(tmp_path / name, POINTS)
    assert [f.path.name for f in find_files(tmp_path)] == ["x.npy"]
    found = limits.expand(f"{tmp_path}/**/*.npy")
    assert tmp_path / "a" / "x.npy" in found and len(found) < 10
    assert limits.expand(f"{tmp_path}/a/.hidden/*.npy") == [tmp_path / "a/.hidden/y.npy"]
    assert limits.expand(f"{tmp_path}/none*") == [] == limits.expand(f"{tmp_path}/**a/*")
    assert limits.expand(str(tmp_path / "a" / "x.npy")) == [tmp_path / "a" / "x.npy"]


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    buffer = io.BytesIO()
    content = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content, says",
    [
        (header((10**12, 20, 3)), "limit"),
        (header((10**4, 20, 3)), "header states"),
        (header((-1, 20, 3)), "shape"),
        (header((2**62, 2**62)), "limit"),
        (header((3, 20, 3), "|V1000000000"), "limit|numbers"),
    ],
)
def test_headers_of_arrays_are_checked(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.npy").write_bytes(content + b"\0" * 100)
    with pytest.raises(InputError, match=says):
        read_file(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("data.npy", content + b"\0" * 100)
    with pytest.raises(InputError, match=says):
        read_file(tmp_path / "a.npz")


BOMBS = """
import resource, sys
from pathlib import Path
from tests.test_limits import read_file
from skelact.errors import SkelactError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_file(Path(sys.argv[1]))
except SkelactError as error:
    print(error.message)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def in_child(path: Path) -> tuple[str, int]:
    """What reading a file says in a process of its own, and the memory it takes [MB]."""
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=ROOT,
    )
    message, kilobytes = done.stdout.strip().split("\n")
    return message, int(kilobytes) // 1024


def test_a_small_archive_does_not_become_large(tmp_path: Path) -> None:
    """4 MB that unpack to 4 GB."""
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("data.npy", "w") as member,
    ):
        member.write(header((2**30, 1)))
        for _ in range(4):  # the rest is stated, not written
            member.write(bytes(1 << 24))
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = (2**32 - 2).to_bytes(4, "little")  # the size in the directory
    path.write_bytes(content)
    message, megabytes = in_child(path)
    assert "limit" in message or "size" in message
    assert megabytes < 100


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.toml", "labels.json", "a.csv"])
def test_deep_nesting_and_long_cells(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    texts = {
        "a.json": b'[{"keypoints": ' + b"[" * 100_000 + b', "image_id"',
        "a.jsonl": b'{"people":' + b"[" * 100_000,
        "a.toml": b"a = " + b"[" * 100_000,
        "labels.json": b"[" * 100_000,
        "a.csv": b"nose_x,nose_y,eye_x,eye_y\n" + b"1" * 200_000 + b",2,3,4\n",
    }
    path.write_bytes(texts[name])
    with pytest.raises(SkelactError):
        (load_skeleton if name == "a.toml" else read_file)(path)
    (tmp_path / description.FILE_NAME).write_bytes(texts["a.toml"])
    with pytest.raises(SkelactError):
        description.find(tmp_path)


@pytest.mark.parametrize(
    "text", ["a" + ".a" * 100_000 + " = 1", '[""' + " . 'b.c'" * 100_000 + "]"]
)
def test_keys_of_very_many_parts(tmp_path: Path, text: str) -> None:
    """The parser of Python takes a time that grows with the square of their number."""
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="parts"):
        limits.read_toml(path)
    assert limits.parse_toml("a.b.c = 'x" + ".y" * 90 + "'  #" + "." * 500)
    words = "x" * 1_000_000 + " " + "'" * 100_001
    with pytest.raises(ValueError):
        limits.parse_toml(words)


@pytest.mark.parametrize("frame", [4 * 10**8, 10**30])
def test_frame_numbers_do_not_fill_the_memory(tmp_path: Path, frame: int) -> None:
    keypoints = [1.0, 2.0, 0.5] * 17
    records = [{"image_id": n, "keypoints": keypoints, "score": 1.0} for n in (1, frame)]
    (tmp_path / "a.json").write_text(json.dumps(records))
    people = json.dumps({"people": [{"pose_keypoints_2d": [1.0, 2.0, 0.5] * 25}]})
    for n in (1, 4 * 10**8):
        (tmp_path / f"b_{n:012d}_keypoints.json").write_text(people)
    found = importers.sources(tmp_path)
    for name in ("a", "b"):
        with pytest.raises(InputError, match="frames"):
            importers.read(found[name], None, 25.0, TrackOptions())
        with pytest.raises(InputError, match=r"the video has|limit"):
            importers.read(found[name], 100, 25.0, TrackOptions())
    (tmp_path / "b_000400000000_keypoints.json").unlink()
    pose = {"pose": [0.5] * 36, "score": [0.7] * 18}
    data = [{"frame_index": n, "skeleton": [pose]} for n in (1, frame)]
    (tmp_path / "k.json").write_text(json.dumps({"data": data}))
    with pytest.raises(InputError, match="limit"):
        read_file(tmp_path / "k.json")


def test_a_pickle_that_asks_for_all_memory(tmp_path: Path) -> None:
    """LONG_BINPUT at a high place makes the unpickler allocate a table of that size."""
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    with pytest.raises(InputError):
        load_pickle(tmp_path / "a.pkl")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([np.zeros(3), {"a": 1}]))
    assert len(load_pickle(tmp_path / "b.pkl")) == 2


def test_limits_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\ufeffone\r\ntwo\rthree")
    assert limits.read_text(path) == "one\ntwo\nthree"
    with pytest.raises(OSError, match="limit"):
        limits.read_bytes(path, 10)
    with pytest.raises(OSError, match="folder"):
        limits.read_bytes(tmp_path)
    path.write_bytes("ä".encode() * 10)
    assert limits.head(path, 3) == "ä"  # half a character at the end
    assert limits.head(tmp_path / "none") == ""
