"""Extraction over a Ray cluster of several nodes, all on this machine: the result is that of the
pool of processes, whatever dies on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import skelact
from skelact.cache import Cache
from tests.conftest import run, sample, short_clip
from tests.helpers import descendants, wait_for_end
from tests.stages.ray_nodes import ENVIRONMENT, ray_nodes

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or not sys.platform.startswith("linux"),
    reason="needs Ray and Linux",
)


def start(*arguments: object, cwd: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "skelact", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **ENVIRONMENT, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )


def stored(root: Path) -> dict[str, dict[str, bytes]]:
    """The files of all poses in a cache by key, without what depends on the time."""
    found = {}
    for stage, folder in Cache(root).entries():
        if stage != "poses":
            continue
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        manifest = json.loads(files.pop("manifest.json"))
        del manifest["created"], manifest["checksum"]
        files["manifest"] = json.dumps(manifest, sort_keys=True).encode()
        found[folder.name] = files
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def wait_for_entries(
    root: Path, count: int, process: subprocess.Popen[str], stage: str = "poses"
) -> None:
    """Wait for so many entries of a stage, or the end of a process."""
    wait_until(
        lambda: (
            process.poll() is not None
            or len([s for s, _ in Cache(root).entries() if s == stage]) >= count
        )
    )


def new_lines(complaints: str) -> list[str]:
    """What a command printed, without what it says on a slow machine only: reports of progress,
    which come after 30 s, and that all cores are in use."""
    slow = ("extract: ", "Waiting for free cores")
    return [line for line in complaints.splitlines() if not line.startswith(slow)]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """An empty folder with a short name, as Ray needs it; it must be empty in the end."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    yield folder
    assert not list(folder.glob("skelact-*"))
    shutil.rmtree(folder)


@pytest.fixture
def videos(tmp_path: Path, networks: None) -> Path:
    """Four clips of 8 to 20 frames."""
    for n in range(4):
        source = sample(f"Kata_A{n % 2 + 1}_C0.avi")
        short_clip(source, tmp_path / "videos" / f"{n}.mp4", 20 - 4 * n, start=20 * n)
    return tmp_path / "videos"


def test_a_node_that_is_killed(videos: Path, tmp_path: Path) -> None:
    """kill -9 of a node in the middle: its tasks are done by the other one, and the poses are those
    of the pool of processes. Ray prints nothing."""
    (videos / "broken.mp4").write_text("not a video")
    with ray_nodes({}, {}) as nodes:
        process = start("extract", "videos", "--json", "--ray", nodes.address, cwd=tmp_path)
        wait_for_entries(tmp_path / ".skelact", 1, process)
        before = len(stored(tmp_path / ".skelact"))
        nodes.kill(0)
        out, complaints = process.communicate(timeout=300)
    assert process.returncode == 1 and out, complaints
    assert 1 <= before < 4
    told = json.loads(out)
    assert len(told["videos"]) == 4
    assert [Path(f["path"]).name for f in told["failed"]] == ["broken.mp4"]
    lines = new_lines(complaints)
    assert lines == ["Estimating poses in 56 frames of 5 videos with blazepose."]
    done = run("extract", "videos", "--json", "--cache-dir", "pool")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["failed"] == told["failed"]
    pool = stored(tmp_path / "pool")
    assert len(pool) == 4 and pool == stored(tmp_path / ".skelact")


SCRIPT = """
import json, sys
from pathlib import Path
from skelact.cache import Cache
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.stages.poses import poses_of

if __name__ == "__main__":
    cache, address, *videos = sys.argv[1:]
    events = []
    batch = poses_of(
        [Path(v) for v in videos],
        Cache(cache),
        PoseOptions(estimator="blazepose", detect_every_s=0.2),
        part_s=1.0,
        cluster=ClusterOptions(ray=address or None),
        on_progress=events.append,
    )
    print(json.dumps({
        "failed": [f"{f.path.name}: {f.reason}" for f in batch.failed],
        "total": sum(e.total for e in events if (e.stage, e.kind) == ("extract", "start")),
        "advanced": sum(e.done for e in events if (e.stage, e.kind) == ("extract", "advance")),
    }))
"""


@pytest.mark.slow
def test_parts_of_a_long_video_on_several_nodes(tmp_path: Path, networks: None) -> None:
    """A node is killed, and another one is added; the parts and the video are those of the pool.
    Frames are counted again if they are estimated again."""
    (tmp_path / "script.py").write_text(SCRIPT)
    path = sample("Kata_A1_C0.avi")
    command = [sys.executable, "script.py", "cluster"]
    with ray_nodes({}, {}) as nodes:
        process = subprocess.Popen(
            [*command, nodes.address, str(path)],
            cwd=tmp_path,
            env={**os.environ, **ENVIRONMENT},
            text=True,
            stdout=subprocess.PIPE,
        )
        wait_for_entries(tmp_path / "cluster", 2, process, "parts")
        nodes.kill(1)
        nodes.add()
        out, _ = process.communicate(timeout=400)
    told = json.loads(out)
    assert process.returncode == 0 and told["failed"] == []
    assert told["total"] <= told["advanced"] <= told["total"] + 60
    pool = [sys.executable, "script.py", "pool", "", str(path)]
    assert subprocess.run(pool, cwd=tmp_path, check=False).returncode == 0
    assert stored(tmp_path / "cluster") == stored(tmp_path / "pool")
    stages = [stage for stage, _ in Cache(tmp_path / "cluster").entries()]
    assert stages == ["poses"]  # no parts are left


@pytest.mark.slow
def test_a_killed_driver_continues(videos: Path, tmp_path: Path) -> None:
    """kill -9 of the command: its actors end, and the next run does what is missing."""
    cache = tmp_path / ".skelact"
    with ray_nodes({}, {}) as nodes:
        process = start("extract", "videos", "--ray", nodes.address, cwd=tmp_path)
        wait_for_entries(cache, 1, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        wait_until(lambda: not nodes.actors())
        kept = {f: (f / "manifest.json").read_bytes() for _, f in Cache(cache).entries()}
        assert 1 <= len(kept) < 4
        done = run("extract", "videos", "--ray", "auto", RAY_ADDRESS=nodes.address, **ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        # nothing is left to do, so that the cluster is not needed
        again = run("extract", "videos", "--ray", "127.0.0.1:1")
        assert again.returncode == 0 and "nothing to do" in again.stderr
    assert len(stored(cache)) == 4
    assert {f: (f / "manifest.json").read_bytes() for f in kept} == kept
    assert not list(cache.glob("*/tmp-*")) and not list(cache.glob("*/.*.lock"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["nodes", "local"])
def test_an_interrupt_ends_the_actors(
    where: str,
    number: signal.Signals,
    code: int,
    videos: Path,
    tmp_path: Path,
    temporary: Path,
) -> None:
    cache = tmp_path / ".skelact"
    with ray_nodes({}) as nodes:
        address = nodes.address if where == "nodes" else "local"
        arguments = ("extract", "videos", "--ray", address)
        process = start(*arguments, cwd=tmp_path, TMPDIR=str(temporary))
        wait_for_entries(cache, 1, process)
        children = descendants(process.pid)
        if number == signal.SIGINT:  # a terminal sends it to all processes
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, complaints = process.communicate(timeout=60)
        assert process.returncode == code and "Interrupted" in complaints, complaints
        assert len(new_lines(complaints)) == 3, complaints  # with the error and its hint
        for child in children:
            wait_for_end(child)
        wait_until(lambda: not nodes.actors())
    assert 1 <= len(stored(cache)) < 4


@pytest.mark.slow
@pytest.mark.parametrize("part", ["session_*/logs", "session_*/logs/raylet.out"])
def test_an_interrupt_while_ray_starts(
    part: str, videos: Path, tmp_path: Path, temporary: Path
) -> None:
    """Ctrl-C before the local cluster is ready, when it has written a file."""
    process = start("extract", "videos", "--ray", "local", cwd=tmp_path, TMPDIR=str(temporary))
    wait_until(
        lambda: process.poll() is not None or bool(list(temporary.glob(f"skelact-ray-*/{part}")))
    )
    children = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted" in complaints, complaints
    for child in children:
        wait_for_end(child)


@pytest.mark.slow
def test_a_cluster_of_this_machine(videos: Path, tmp_path: Path, temporary: Path) -> None:
    """--ray local: predictions are those without it; no process and no folder remains."""
    arguments = ("predict", "videos", "--json")
    process = start(*arguments, "--ray", "local", cwd=tmp_path, TMPDIR=str(temporary))
    children: set[int] = set()
    while process.poll() is None:
        children |= set(descendants(process.pid))
        time.sleep(0.5)
    out, complaints = process.communicate()
    assert process.returncode == 0, complaints
    done = run(*arguments, "--cache-dir", "pool")
    assert json.loads(out) == json.loads(done.stdout)
    assert stored(tmp_path / ".skelact") == stored(tmp_path / "pool")
    assert children
    for child in children:
        wait_for_end(child)


FAULTS = """
import os
if b"default_worker" in open("/proc/self/cmdline", "rb").read():
    fault = os.environ["FAULT"]
    if fault == "version":
        import skelact
        skelact.__version__ = "9"
    elif fault == "missing":
        import sys
        sys.modules["skelact"] = None
    elif fault == "blind":
        from skelact.stages.node import NodeWorker
        NodeWorker.run = lambda self, task: "unseen"
    elif fault == "full":
        from skelact.cache import Cache
        def publish(*arguments):
            raise OSError(28, os.strerror(28))
        Cache._publish = publish
    elif fault == "cache":
        from skelact.cache import Cache
        lock = Cache.lock
        Cache.lock = lambda self, *rest, **more: lock(Cache(str(self.root) + "-2"), *rest, **more)
    elif fault == "start":
        from skelact.stages import node
        node.NodeWorker = lambda setup: os._exit(139)
    elif fault == "deadly":
        import skelact.stages.extraction as extraction
        whole = extraction.probe
        extraction.probe = lambda path: os._exit(139) if path.name == "1.mp4" else whole(path)
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment of a node with a fault."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(FAULTS)
    path = f"{tmp_path / 'site'}:{Path(skelact.__file__).parent.parent}"
    return lambda fault: {"FAULT": fault, "PYTHONPATH": path}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "says", "hint"),
    [
        ("version", "skelact is 9 there, and", "Install the same version"),
        ("missing", "skelact cannot be imported there", "Install the same version"),
        ("blind", "cannot see videos/", "Mount the folder of the videos"),
        ("full", "No space left on device", "Free some space; finished entries are kept."),
        ("cache", "is another folder there", "Mount the folder of the cache"),
        ("start", "died while they started", "logs of Ray"),
    ],
)
def test_nodes_that_cannot_work(
    fault: str,
    says: str,
    hint: str,
    videos: Path,
    tmp_path: Path,
    faulty: Callable[[str], dict[str, str]],
) -> None:
    with ray_nodes(faulty(fault)) as nodes:
        done = run("extract", "videos", "--ray", nodes.address, **ENVIRONMENT)
        wait_until(lambda: not nodes.actors())
    assert done.returncode == 2 and "Traceback" not in done.stderr
    message = " ".join(done.stderr.split())
    assert says in message and hint in message, done.stderr
    assert fault == "start" or f"Node {socket.gethostname()}: " in message or "Node" in message
    assert stored(tmp_path / ".skelact") == {}


@pytest.mark.slow
def test_a_video_that_kills_its_actors(
    videos: Path, tmp_path: Path, faulty: Callable[[str], dict[str, str]]
) -> None:
    """On all nodes: only it fails."""
    deadly = faulty("deadly")
    with ray_nodes(deadly, deadly) as nodes:
        done = run("extract", "videos", "--json", "--ray", nodes.address, **ENVIRONMENT)
    assert done.returncode == 1 and done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert [Path(v["path"]).name for v in told["videos"]] == ["0.mp4", "2.mp4", "3.mp4"]
    (failure,) = told["failed"]
    assert "process of the estimator died" in failure["reason"]


@pytest.mark.slow
def test_the_head_of_the_cluster_dies(videos: Path, tmp_path: Path) -> None:
    """The command ends with an error, and the next one continues."""
    with ray_nodes({}) as nodes:
        process = start("extract", "videos", "--ray", nodes.address, cwd=tmp_path)
        wait_for_entries(tmp_path / ".skelact", 1, process)
        nodes.close()
        _, complaints = process.communicate(timeout=300)
    assert process.returncode == 2 and "is lost" in complaints, complaints
    assert 1 <= len(stored(tmp_path / ".skelact")) < 4
    assert run("extract", "videos").returncode == 0
