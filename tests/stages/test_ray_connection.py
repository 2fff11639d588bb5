"""Clusters that do not exist or do not answer, nodes that cannot work for this machine, and options
that do not fit: typed errors, without a cluster."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import skelact
from skelact.cache import Cache
from skelact.errors import (
    BackendMissing,
    CacheError,
    ClusterError,
    ConfigError,
    EstimatorError,
    SkelactError,
)
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.pose.registry import fingerprint_of
from skelact.stages import cluster, node
from skelact.stages.extraction import POSES, Job
from skelact.stages.node import NodeWorker, Setup
from skelact.stages.poses import poses_of
from skelact.stages.ray_actors import _Actors
from skelact.stages.ray_connection import check_address
from skelact.stages.tasks import Task, TaskQueue
from skelact.types import Failure, no_progress
from tests.conftest import run
from tests.helpers import descendants, wait_for_end

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray")


@pytest.fixture
def listener() -> Iterator[str]:
    """The address of a server that never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch, clip: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendMissing, match="not installed") as caught:
        poses_of([clip], Cache(tmp_path), PoseOptions(), cluster=ClusterOptions(ray="local"))
    assert caught.value.hint == 'pip install "skelact[cluster]"'


@pytest.mark.parametrize(
    ("address", "kind", "says"),
    [
        ("ray://127.0.0.1:10001", ConfigError, "not the address"),
        ("https://127.0.0.1:1", ConfigError, "not the address"),
        ("node7", ConfigError, "not the address"),
        ("127.0.0.1:1", ClusterError, "answers"),
        ("127.0.0.1:99999", ClusterError, "answers"),
        ("no-such-host.invalid:6379", ClusterError, "answers"),
    ],
)
def test_addresses_without_a_cluster(address: str, kind: type[SkelactError], says: str) -> None:
    with pytest.raises(kind, match=says):
        check_address(address)


@needs_ray
@pytest.mark.parametrize("is_auto", [False, True])
def test_an_address_that_does_not_answer(
    is_auto: bool, listener: str, monkeypatch: pytest.MonkeyPatch, clip: Path, tmp_path: Path
) -> None:
    """The attempt is made in another process, and ends after a time limit."""
    monkeypatch.setattr(cluster, "ANSWER_S", 3.0)
    monkeypatch.setenv("RAY_ADDRESS", listener)
    options = ClusterOptions(ray="auto" if is_auto else listener)
    with pytest.raises(ClusterError, match=r"answers at .* within 3 s") as caught:
        poses_of([clip], Cache(tmp_path), PoseOptions(), cluster=options)
    assert "ray start" in caught.value.hint


def test_options_that_do_not_fit(clip: Path) -> None:
    with pytest.raises(ConfigError, match="needs --ray"):
        ClusterOptions(ray_gpus=0.5)
    done = run("extract", clip, "--ray-gpus", "0.5")
    assert done.returncode == 2 and "--ray-gpus needs --ray" in done.stderr


@needs_ray
def test_nothing_to_estimate_on_a_cluster(clip: Path, openpose: Path, tmp_path: Path) -> None:
    imported = PoseOptions(estimator="import", poses_from=str(openpose))
    with pytest.raises(ConfigError, match="Imported poses need no cluster"):
        poses_of([clip], Cache(tmp_path), imported, cluster=ClusterOptions(ray="local"))


# --- a local cluster that is interrupted ----------------------------------------------------------

# as Ray, it replaces the handler of SIGTERM, and its processes go on to write into the folder
FAKE_RAY = """
import signal, subprocess, sys, time

WRITE = '''
import os, sys, time
while True:
    os.makedirs(sys.argv[1], exist_ok=True)
    time.sleep(0.01)
'''

def init(*, _temp_dir, **options):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    subprocess.Popen([sys.executable, "-c", WRITE, _temp_dir + "/session"])
    time.sleep(600)

def shutdown():
    pass
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_local_cluster_starts(
    number: signal.Signals, clip: Path, tmp_path: Path, networks: None
) -> None:
    """Neither its folder nor its processes remain."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "ray.py").write_text(FAKE_RAY)
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))  # short, as Ray needs it
    paths = f"{tmp_path / 'site'}:{Path(skelact.__file__).parent.parent}"
    process = subprocess.Popen(
        [sys.executable, "-m", "skelact", "extract", str(clip), "--ray", "local"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": paths},
        text=True,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    while not list(folder.glob("skelact-ray-*/session")) and process.poll() is None:
        time.sleep(0.05)
    children = descendants(process.pid)
    if number == signal.SIGINT:  # a terminal sends it to all processes
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert "Interrupted" in complaints and children, complaints
    for child in children:
        wait_for_end(child)
    assert not list(folder.glob("skelact-*"))
    shutil.rmtree(folder)


# --- a node ---------------------------------------------------------------------------------------


@pytest.fixture
def setup(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, networks: None) -> Setup:
    """What a node of this machine would get; nothing is set for the process of the tests."""
    monkeypatch.setattr(node, "prepare_worker", lambda: None)
    options = PoseOptions(estimator="blazepose")
    job = Job(
        path=clip,
        content=Cache(tmp_path).content_hash(clip),
        cache_root=tmp_path,
        options=options,
        fingerprint=fingerprint_of(options),
    )
    return Setup(job=job, folder=None, locked="driver")


def test_a_node_with_the_same_cache(setup: Setup) -> None:
    with Cache(setup.job.cache_root).lock(POSES, "driver", wait=False):
        worker = NodeWorker(setup)
    assert worker.run(Task(job=setup.job)) == "done" and worker.frames == 20
    assert worker.run(Task(job=setup.job)) == "cached" and worker.frames == 20


def test_a_node_with_another_cache(setup: Setup) -> None:
    """Its lock is free there."""
    with pytest.raises(ClusterError, match="another folder"):
        NodeWorker(setup)


def test_a_node_without_the_working_folder(setup: Setup, tmp_path: Path) -> None:
    before = Path.cwd()
    with pytest.raises(ClusterError, match="no folder"):
        NodeWorker(Setup(job=setup.job, folder=str(tmp_path / "none"), locked=None))
    assert Path.cwd() == before


def test_a_node_with_other_weights(setup: Setup) -> None:
    job = Job(
        path=setup.job.path,
        content=setup.job.content,
        cache_root=setup.job.cache_root,
        options=setup.job.options,
        fingerprint="other",
    )
    with pytest.raises(EstimatorError, match="other files"):
        NodeWorker(Setup(job=job, folder=None, locked=None))


def test_errors_of_tasks_on_a_node(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video that is damaged, one that the node does not see, and a full disk."""
    worker = NodeWorker(Setup(job=setup.job, folder=None, locked=None))
    path = tmp_path / "text.mp4"
    path.write_text("not a video")
    job = Job(
        path=path,
        content="text",
        cache_root=tmp_path,
        options=setup.job.options,
        fingerprint=setup.job.fingerprint,
    )
    failure = worker.run(Task(job=job))
    assert isinstance(failure, Failure) and failure.kind == "NotAVideo"
    path.unlink()
    assert worker.run(Task(job=job)) == "unseen"

    def full(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Cache, "_publish", full)
    error = worker.run(Task(job=setup.job))
    assert isinstance(error, CacheError) and "Free some space" in error.hint


# --- the nodes of a cluster -----------------------------------------------------------------------


class FakeRay:
    """A cluster of which only the nodes are looked at."""

    def __init__(self, *resources: dict[str, float]) -> None:
        self.resources = resources

    def nodes(self) -> list[dict[str, object]]:
        dead = {"Alive": False, "Resources": {"CPU": 64.0}}
        return [*({"Alive": True, "Resources": r} for r in self.resources), dead]

    def remote(self, cls: type) -> FakeRay:
        return self

    def options(self, **options: object) -> FakeRay:
        return self


def actors_on(estimator: str, gpus: float | None, *resources: dict[str, float]) -> _Actors:
    job = Job(
        path=Path("a.mp4"),
        content="a",
        cache_root=Path("cache"),
        options=PoseOptions(estimator=estimator),
        fingerprint="",
    )
    setup = Setup(job=job, folder=None, locked=None)
    options = ClusterOptions(ray="auto", ray_gpus=gpus)
    actors = _Actors(FakeRay(*resources), TaskQueue([], 0), setup, options, no_progress)
    actors._look()
    return actors


@pytest.mark.parametrize(
    ("estimator", "gpus", "nodes", "per_actor", "capacity"),
    [
        ("blazepose", None, ({"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}), 0, 6),
        ("blazepose", None, ({"memory": 1.0}, {"CPU": 2.0}), 0, 2),
        ("rtmo-s", None, ({"CPU": 4.0},), 0, 4),
        ("rtmo-s", None, ({"CPU": 4.0}, {"CPU": 8.0, "GPU": 2.0}), 1, 2),
        ("rtmo-s", 0.5, ({"CPU": 8.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 2.0}), 0.5, 5),
        ("rtmo-s", 2, ({"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}), 2, 1),
    ],
)
def test_the_number_of_actors(
    estimator: str,
    gpus: float | None,
    nodes: tuple[dict[str, float], ...],
    per_actor: float,
    capacity: int,
) -> None:
    """One for each core, or for a fraction of a GPU."""
    actors = actors_on(estimator, gpus, *nodes)
    assert (actors.gpus, actors.capacity) == (per_actor, capacity)


@pytest.mark.parametrize(
    ("estimator", "says"), [("blazepose", "does not use a GPU"), ("rtmo-s", "no node has a GPU")]
)
def test_gpus_that_nothing_uses(estimator: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        actors_on(estimator, 0.5, {"CPU": 4.0})


def test_a_cluster_without_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may come back within a time limit."""
    actors = actors_on("blazepose", None, {"memory": 1.0})
    assert actors.wait() == []
    actors.has_looked = actors.had_nodes = -100.0
    with pytest.raises(ClusterError, match="no node with a core"):
        actors.wait()
