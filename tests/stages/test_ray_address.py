"""What --ray names: the form is checked at once, and `auto` is resolved as Ray does, so that a
cluster that has ended is an error at once."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skelact.cache import Cache
from skelact.errors import ClusterError, ConfigError
from skelact.options import ClusterOptions
from skelact.pose.base import PoseOptions
from skelact.stages import ray_connection
from skelact.stages.poses import poses_of
from skelact.stages.ray_connection import check_address, meant_by
from skelact.types import Event

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@pytest.fixture
def listener() -> Iterator[str]:
    """The address of a server that never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def current_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which `ray start` writes the address of its cluster. No node runs."""
    monkeypatch.setattr(ray_connection, "_addresses_of_nodes", set)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray" / "ray_current_cluster"


@on_linux
def test_auto_is_the_cluster_that_was_started_last(
    current_cluster: Path, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_address("auto")  # Ray finds out
    assert meant_by("auto") is None
    current_cluster.write_text("127.0.0.1:1\n")
    assert meant_by("auto") == "127.0.0.1:1"
    with pytest.raises(ClusterError, match=r"answers at 127\.0\.0\.1:1: .*refused"):
        check_address("auto")
    current_cluster.write_text(listener)
    check_address("auto")
    current_cluster.write_bytes(b"\xff no address")
    check_address("auto")


@on_linux
def test_auto_is_the_cluster_of_a_node_that_runs(
    current_cluster: Path, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current_cluster.write_text("127.0.0.1:1")
    monkeypatch.setattr(ray_connection, "_addresses_of_nodes", lambda: {listener})
    check_address("auto")
    assert meant_by("auto") == listener
    monkeypatch.setattr(ray_connection, "_addresses_of_nodes", lambda: {"a:1", "b:1"})
    check_address("auto")  # Ray chooses one


@on_linux
def test_the_nodes_of_this_machine() -> None:
    """A program with the name and the arguments of Ray's."""
    words = ["raylet", "-c", "input()", "--gcs-address=10.0.0.5:63790", "--more"]
    with subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE) as program:
        assert "10.0.0.5:63790" in ray_connection._addresses_of_nodes()
        program.communicate(b"\n")
    assert "10.0.0.5:63790" not in ray_connection._addresses_of_nodes()


def test_auto_is_the_address_in_the_environment(
    current_cluster: Path, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current_cluster.write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", listener)
    check_address("auto")
    assert meant_by("auto") == listener and meant_by("local") is None
    assert meant_by("10.0.0.5:1") == "10.0.0.5:1"
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:2")
    with pytest.raises(ClusterError, match=r"answers at 127\.0\.0\.1:2: "):
        check_address("auto")
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    with pytest.raises(ConfigError, match="RAY_ADDRESS is ray://"):
        check_address("auto")
    check_address("local")


@pytest.mark.parametrize("address", ["foo", "locl", "10.0.0.5", "10.0.0.5:port", ""])
def test_a_wrong_address_is_an_error_before_videos_are_read(
    address: str, clip: Path, tmp_path: Path
) -> None:
    """Also if there is nothing to estimate."""

    def refuse(event: Event) -> None:
        raise AssertionError(event)

    options = ClusterOptions(ray=address)
    with pytest.raises(ConfigError, match="not the address") as caught:
        poses_of([clip], Cache(tmp_path), PoseOptions(), cluster=options, on_progress=refuse)
    assert "auto, local or HOST:PORT" in caught.value.hint
    assert ("'local'" in caught.value.message) == (address == "locl")


@needs_ray
def test_a_cluster_that_is_not_needed_is_not_asked(tmp_path: Path, networks: None) -> None:
    options = ClusterOptions(ray="127.0.0.1:1")
    assert poses_of([], Cache(tmp_path), PoseOptions(), cluster=options).results == []
