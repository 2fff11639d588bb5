"""A Ray cluster of several nodes on this machine, in processes of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.helpers import descendants

# Reads lines "name=value ..." (the environment of a new node) until its input ends. Each node has
# one core, the first one none.
SCRIPT = """
import os, sys
from ray.cluster_utils import Cluster

options = {"object_store_memory": 80 << 20, "include_dashboard": False}
cluster = Cluster(
    initialize_head=True,
    head_node_args={"num_cpus": 0, "temp_dir": sys.argv[1], **options},
)
print(cluster.address, flush=True)
for line in sys.stdin:
    env = dict(item.split("=", 1) for item in line.split())
    os.environ |= env
    node = cluster.add_node(num_cpus=1, **options)
    for name in env:
        del os.environ[name]
    (raylet,) = node.all_processes["raylet"]
    print(raylet.process.pid, flush=True)
cluster.shutdown()
"""
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",  # otherwise Ray writes a token to the home of the user
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
}


class RayNodes:
    """The cluster: its address, and the process ids of the raylets of its nodes."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder)],
            env={**os.environ, **ENVIRONMENT},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.address = self._line()
        self.raylets: list[int] = []

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, "the cluster did not start"
        return line

    def add(self, **env: str) -> None:
        """Start a node with one core; its processes get these environment variables."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(f"{k}={v}" for k, v in env.items()) + "\n")
        self.process.stdin.flush()
        self.raylets.append(int(self._line()))

    def kill(self, number: int) -> None:
        """kill -9 of a node: its raylet and all processes that it started."""
        raylet = self.raylets.pop(number)
        for pid in (raylet, *descendants(raylet)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def actors(self) -> list[int]:
        """The processes of the estimators on all nodes."""
        found = [pid for raylet in self.raylets for pid in descendants(raylet)]
        return [pid for pid in found if b"EstimatorActor" in _command(pid)]

    def close(self) -> None:
        for number in reversed(range(len(self.raylets))):
            self.kill(number)
        others = descendants(self.process.pid)
        for pid in (self.process.pid, *others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate(timeout=60)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextlib.contextmanager
def ray_nodes(*environments: dict[str, Any]) -> Iterator[RayNodes]:
    """A cluster with a node for each environment, for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # Ray needs short paths
    nodes = None
    try:
        nodes = RayNodes(folder)
        for env in environments:
            nodes.add(**env)
        yield nodes
    finally:
        if nodes is not None:
            nodes.close()
        shutil.rmtree(folder, ignore_errors=True)
