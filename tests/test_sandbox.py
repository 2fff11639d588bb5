"""Foreign files are read in a child process that may die."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from skelact import processes, sandbox
from skelact.errors import CheckpointError, InputError
from skelact.readers.matlab import load_mat
from tests import sandbox_functions as functions
from tests.conftest import ROOT
from tests.helpers import descendants, name_of, wait_for_end


def test_arguments_and_results(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    echoed = sandbox.call(functions.echo, tmp_path, 1, None, "ä", [2.5], {"a": b"x"})
    assert echoed == [str(tmp_path), 1, None, "ä", [2.5], {"a": b"x"}]
    content = sandbox.call(functions.arrays, path)
    assert content["number"] == 1.5
    np.testing.assert_array_equal(content["f"], [[2, 1, 0], [5, 4, 3]])
    assert content["f"].dtype == np.float32 and content["f"].flags.writeable
    assert content["b"].tolist() == [[True], [False]] and content["u"].tolist() == ["ä", "bc"]
    assert content["none"].shape == (0, 3)


def test_one_process_serves_many_files(tmp_path: Path) -> None:
    numbers = {sandbox.call(functions.process, tmp_path / str(n)) for n in range(5)}
    assert len(numbers) == 1 and os.getpid() not in numbers


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_an_error_of_one_file(number: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"bad\.mat ended the process .* signal {number:d} "):
        sandbox.call(functions.crash, tmp_path / "bad.mat", int(number))
    assert sandbox.call(functions.echo, tmp_path) == [str(tmp_path)]


def test_a_process_killed_from_outside_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert sandbox.call(functions.crash_once, tmp_path / "file") == "alive"
    os.kill(sandbox.call(functions.process, tmp_path), signal.SIGKILL)  # between two calls
    assert sandbox.call(functions.echo, tmp_path) == [str(tmp_path)]


def test_an_endless_reader_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "BASE_S", 1.0)
    with pytest.raises(InputError, match=r"slow\.mat was not read within 1 s"):
        sandbox.call(functions.hang, tmp_path / "slow.mat")
    assert sandbox.call(functions.echo, tmp_path) == [str(tmp_path)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such limit")
def test_memory_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs more than 4 GiB of memory"):
        sandbox.call(functions.fill_memory, tmp_path)


def test_errors_keep_their_type(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is bad") as error:
        sandbox.call(functions.refuse, tmp_path)
    assert error.value.hint == "Do this."
    with pytest.raises(ValueError, match="this"):
        sandbox.call(functions.fail, tmp_path)
    with pytest.raises(ValueError, match="cannot be sent"):
        sandbox.call(functions.cannot_be_sent, tmp_path)


def _in_worker(path: str) -> Any:
    return sandbox.call(functions.echo, Path(path))


def test_in_a_daemonic_process(tmp_path: Path) -> None:
    """multiprocessing allows such a process no children of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_in_worker, (str(tmp_path),)) == [str(tmp_path)]


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Also in the middle of a file."""
    program = (
        "from pathlib import Path; from skelact import sandbox\n"
        "from tests import sandbox_functions as functions\n"
        "print(sandbox.call(functions.process, Path('a')), flush=True)\n"
        "sandbox.call(functions.hang, Path('a'))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    wait_for_end(child)


LINKED = (
    "import subprocess, sys, time; from skelact import processes\n"
    "child = subprocess.Popen(processes.linked(['/bin/sleep', '300']), stdin=subprocess.PIPE)\n"
    "print(child.pid, flush=True); time.sleep(300)"
)


@pytest.mark.skipif(not Path("/bin/sleep").exists(), reason="needs a program that waits")
@pytest.mark.parametrize("by_kernel", [True, False])
def test_linked_programs_end_with_their_parent(by_kernel: bool, tmp_path: Path) -> None:
    """By the kernel, and where it cannot, by the pipe."""
    script = tmp_path / "processes.py"
    text = Path(processes.__file__).read_text()
    if not by_kernel:
        text = text.replace("if not _IS_LINUX:", "if True:")
        assert text != Path(processes.__file__).read_text()
    script.write_text(text)
    program = LINKED.replace("from skelact import processes", "import processes")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        for _ in range(600):  # until the program runs
            found = [p for p in (pid, *descendants(pid)) if name_of(p) == "sleep"]
            if found:
                break
            time.sleep(0.1)
        parent.kill()
    assert found
    wait_for_end(found[0])


# --- damaged .mat files ---------------------------------------------------------------------------


def mat_files() -> dict[str, bytes]:
    """MATLAB files as the datasets have them: an array in version 4; an array, a cell array, a
    text and a struct in version 5, and the same compressed."""
    rng = np.random.default_rng(0)
    cells = np.empty((5, 1), object)
    for n in range(5):
        cells[n, 0] = rng.normal(size=(19, 3))
    several = {"d_skel": rng.normal(size=(20, 3, 10)), "GTpose2": cells, "name": "kata"}
    several["s"] = {"a": 1.0, "b": np.arange(3)}
    out = {}
    for name, content, options in (
        ("v4", {"d_skel": rng.normal(size=(20, 60))}, {"format": "4"}),
        ("v5", several, {}),
        ("v5-compressed", several, {"do_compression": True}),
    ):
        file = io.BytesIO()
        savemat(file, content, **options)
        out[name] = file.getvalue()
    return out


def mutant(whole: bytes, seed: int) -> bytes:
    """The content with up to eight random bytes replaced."""
    rng, data = np.random.default_rng([1, seed]), bytearray(whole)
    for _ in range(rng.integers(1, 9)):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data)


def outcome(path: Path, content: bytes) -> str:
    """What reading a file leads to. Raises everything but InputError."""
    path.write_bytes(content)
    try:
        load_mat(path)
    except InputError as error:
        assert str(path) in error.message
        return "crash" if "ended the process" in error.message else "refused"
    return "read"


# of `mat_files`, mutants that crashed SciPy 1.17 by signal 11, 7, and took too much memory
CRASHES = [("v5", 38), ("v5", 72), ("v5", 223), ("v5", 266), ("v5", 561), ("v4", 871)]


def test_damaged_mat_files_cannot_end_the_program(tmp_path: Path) -> None:
    files = mat_files()
    for name, seed in CRASHES:
        outcome(tmp_path / "a.mat", mutant(files[name], seed))
    for seed in range(60):
        for whole in files.values():
            outcome(tmp_path / "a.mat", mutant(whole, seed))
    variables = {}
    for name, whole in files.items():
        (tmp_path / "a.mat").write_bytes(whole)
        variables[name] = load_mat(tmp_path / "a.mat")
    assert variables["v4"]["d_skel"].shape == (20, 60)
    for content in (variables["v5"], variables["v5-compressed"]):
        assert set(content) == {"d_skel", "GTpose2", "name"}
        assert content["d_skel"].shape == (20, 3, 10) and content["name"].tolist() == ["kata"]
        assert [cell.shape for cell in content["GTpose2"]] == [(19, 3)] * 5


@pytest.mark.slow
def test_thousands_of_damaged_mat_files(tmp_path: Path) -> None:
    counts = {"read": 0, "refused": 0, "crash": 0}
    for whole in mat_files().values():
        for seed in range(2000):
            counts[outcome(tmp_path / "a.mat", mutant(whole, seed))] += 1
    assert counts["read"] and counts["refused"] and sum(counts.values()) == 6000
