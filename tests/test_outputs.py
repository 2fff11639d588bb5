"""Where results may be written, what is written beside and renamed, and what killed processes
leave."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skelact import outputs, temporary
from skelact.errors import OutputError
from skelact.files import output_names, replacing
from skelact.pose.store import frame_json, holds_poses
from skelact.skeletons import SKELETONS
from tests.conftest import ROOT


def content(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir()}


def has_poses(folder: Path) -> bool:
    return all(p.suffix == ".json" for p in folder.iterdir())


def replace(folder: Path, overwrite: bool = False, **files: str) -> None:
    with outputs.replacing_folder(folder, has_poses, overwrite=overwrite) as new:
        for name, text in files.items():
            (new / f"{name}.json").write_text(text)


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    replace(folder, a="1", b="2", c="3")
    before = (folder / "a.json").stat()
    replace(folder, a="1", b="2", c="3")  # equal: nothing happens
    assert (folder / "a.json").stat() == before
    with pytest.raises(OutputError, match="holds another result") as caught:
        replace(folder, a="1", b="x")
    assert "--overwrite" in caught.value.hint
    assert content(folder) == {"a.json": "1", "b.json": "2", "c.json": "3"}
    replace(folder, overwrite=True, a="1", b="x")
    assert content(folder) == {"a.json": "1", "b.json": "x"}
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds files that skelact did not write"):
        replace(folder, overwrite=True, a="1")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OutputError, match="link is not a folder"):
        replace(tmp_path / "link", overwrite=True, a="1")
    with pytest.raises(OutputError, match=r"thesis\.txt is not a folder"):
        replace(folder / "thesis.txt", overwrite=True, a="1")
    assert content(folder) == {"thesis.txt": "mine"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "out"]
    (folder / "thesis.txt").unlink()
    replace(folder, a="1")  # an empty folder holds nothing that could be lost
    assert content(folder) == {"a.json": "1"}


def test_an_exception_leaves_the_old_folder(tmp_path: Path) -> None:
    replace(tmp_path / "out", a="1")

    def fail() -> None:
        with outputs.replacing_folder(tmp_path / "out", has_poses, overwrite=True) as new:
            (new / "half.json").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(tmp_path / "out") == {"a.json": "1"} and len(list(tmp_path.iterdir())) == 1


EMPTY = frame_json([], SKELETONS["coco-17"])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"000000.json": EMPTY, "000001.json": EMPTY}, True),
        ({"frames.jsonl": EMPTY + "\n" + EMPTY}, True),
        ({"000000.json": EMPTY, "000002.json": EMPTY}, False),  # something was added or removed
        ({"000000.json": EMPTY, "notes.txt": ""}, False),
        ({"000000.json": "{}"}, False),
        ({"frames.jsonl": ""}, False),
        ({"frames.jsonl": EMPTY, "000000.json": EMPTY}, False),
        ({"a_000000000000_keypoints.json": EMPTY}, False),  # of OpenPose
    ],
)
def test_own_poses_are_recognised(files: dict[str, str], expected: bool, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert holds_poses(tmp_path) is expected


def test_links_and_folders_are_no_poses_of_ours(tmp_path: Path) -> None:
    (tmp_path / "frame").write_text(EMPTY)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "000000.json").symlink_to(tmp_path / "frame")
    (tmp_path / "b" / "000000.json").mkdir()
    assert not holds_poses(tmp_path / "a") and not holds_poses(tmp_path / "b")


def test_the_folder_of_the_input_is_no_output(tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "a" / "b", tmp_path / "a" / ".." / "c"):
        with pytest.raises(OutputError, match="is a part of the input"):
            outputs.check_apart(out, tmp_path)
    outputs.check_apart(tmp_path.parent, tmp_path)


def test_names_of_outputs_are_different(tmp_path: Path) -> None:
    """Those of a video beside a folder of its name, and of several links to one video."""
    (tmp_path / "a").mkdir()
    for name in ("a.mp4", "a/b.mp4"):
        (tmp_path / name).touch()
    for name in ("l.mp4", "m.mp4", "n.mp4"):
        (tmp_path / name).symlink_to(tmp_path / "a.mp4")
    files = [tmp_path / n for n in ("a.mp4", "a/b.mp4", "l.mp4", "m.mp4", "n.mp4")]
    names = output_names(files)
    assert names[files[0]] == Path("a.mp4") and names[files[1]] == Path("a/b")
    assert len(set(names.values())) == 5


# --- temporary files ---

LEAVE = """
import sys
from pathlib import Path
from skelact import temporary
from skelact.files import replacing
folder = Path(sys.argv[1])
(folder / temporary.new_name()).mkdir()
(folder / temporary.new_name() / "x").parent.mkdir()
with replacing(folder / "best.pt") as file:
    file.write_text("half")
    print("in", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """By the next process that writes into the folder, and not while the other one runs."""
    names = [".skelact-00000000-1-01234567.tmp", ".own.tmp", "skelact-0-1-2.tmp", "mine.pt"]
    for name in names:  # of another machine, and of the user
        (tmp_path / name).touch()
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"in\n"
    left = {p.name for p in tmp_path.iterdir()} - set(names)
    assert len(left) == 3 and all(map(temporary.is_temporary, left))
    write = "import sys; from pathlib import Path; from skelact.files import write_bytes\n"
    write += "write_bytes(Path(sys.argv[1]), b'x')"
    file = str(tmp_path / "result.json")

    def write_elsewhere() -> set[str]:
        subprocess.run([sys.executable, "-c", write, file], check=True, cwd=ROOT)
        return {p.name for p in tmp_path.iterdir()} - {*names, "result.json"}

    assert write_elsewhere() == left
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert write_elsewhere() == set()
    assert all((tmp_path / name).exists() for name in names)


def test_a_link_with_a_temporary_name_is_removed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / temporary.new_name()).symlink_to(tmp_path / "own")
    monkeypatch.setattr(temporary, "is_running", lambda pid: False)
    temporary.sweep(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert (tmp_path / "own" / "thesis.txt").exists()


def test_names_are_not_too_long(tmp_path: Path) -> None:
    """A name of 255 bytes can be written, also through a temporary name."""
    for name in ("x" * 251 + ".csv", "." + "y" * 254):
        with replacing(tmp_path / name) as file:
            file.write_text("x")
            assert len(file.name) < 100
    assert len(list(tmp_path.iterdir())) == 2


def test_a_zombie_counts_as_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not temporary.is_running(process.pid) and temporary.is_running(os.getpid())
    process.wait()
    assert not temporary.is_running(10**30)


# modules that write files: into the temporary folder of a cache entry, inside `replacing`, or to a
# path that `replacing` gave them
WRITE = {
    "datasets/pose_folder.py",  # inside `replacing_folder`
    *(
        "cache/archive.py",
        "cache/remote.py",
        "cache/store.py",
        "datasets/packed.py",
        "pose/store.py",
        "stages/sequences.py",
    ),
    *("files.py", "datasets/pyskl.py", "pose/weights.py", "report/plots.py", "runs/sweep.py"),
    *("stages/cut.py", "report/writers/csv.py", "report/writers/srt.py"),
    *(f"interop/poses/{name}.py" for name in ("angles", "c3d", "coco", "trc")),
    "cli/__init__.py",  # /dev/null
    "live/lines.py",  # grows by complete lines
    "app/look.py",  # uploads, into a new folder of their own
}


def test_no_other_module_writes_files() -> None:
    """What a new module writes is written beside its place and renamed; then it is added above."""
    calls = re.compile(
        r"write_text\(|\.write_bytes\(|open\([^)]*\"[wax]|savefig\(|np\.save|torch\.save\(|copyfile"
        r"|imwrite\(|VideoWriter\("
    )
    package = ROOT / "skelact"
    writing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if calls.search(path.read_text(encoding="utf-8"))
    }
    assert writing == WRITE


def test_a_pipe_or_a_device_is_no_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path(os.devnull)):
        with pytest.raises(OutputError, match="pipe or a device"):
            outputs.check(path, overwrite=True)
