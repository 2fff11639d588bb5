"""The processes of a training find and follow each other; threads with one store stand for them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from torch.distributed import HashStore

from skelact.errors import ConfigError, ProcessLost
from skelact.training import peers
from skelact.training.peers import Peers, reaching
from tests.conftest import ROOT

SIZE = 3


class World:
    """The store of torchrun, and the threads that start as processes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = HashStore()
        self.pool = ThreadPoolExecutor(SIZE)
        self.ranks: dict[int, int] = {}
        monkeypatch.setattr(peers, "rendezvous", self.rendezvous)

    def rendezvous(self, url: str, timeout: object) -> Iterator[tuple[HashStore, int, int]]:
        import threading

        yield self.store, self.ranks[threading.get_ident()], SIZE

    def run(self, work: Callable[[Peers], object], backend: str = "gloo") -> list[Future[object]]:
        """Start all processes; `work` is what each does when it has found the others."""
        import threading

        def process(rank: int) -> object:
            self.ranks[threading.get_ident()] = rank
            return work(Peers(backend if rank else "gloo"))

        return [self.pool.submit(process, rank) for rank in range(SIZE)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(peers, "BEAT_S", 0.05)
    monkeypatch.setattr(peers, "LOST_S", 1.0)
    monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
    world = World(monkeypatch)
    yield world
    world.pool.shutdown()


def test_a_second_start_does_not_see_the_keys_of_the_first(world: World) -> None:
    def work(p: Peers) -> tuple[bool, bool]:
        found = p.store.check(["address"])
        with p.task() as task:
            p.announce(task)
            p.wait(task, range(SIZE))
        p.store.set("address", str(p.rank))
        return found, p.is_restart

    assert [f.result(20) for f in world.run(work)] == [(False, False)] * SIZE
    second = [f.result(20) for f in world.run(work)]
    assert [found for found, _ in second] == [False] * SIZE  # type: ignore[misc]
    assert second[0] == (False, True)  # the first process knows that it is a restart


def test_waiting_longer_than_the_limit_for_a_process_that_works(world: World) -> None:
    def work(p: Peers) -> None:
        with p.task() as task:
            if p.rank == 0:
                time.sleep(1.5)  # the limit without a sign of life is 1 s
                p.announce(task)
            p.wait(task, [0])

    for future in world.run(work):
        future.result(20)


def test_an_error_reaches_the_processes_that_wait(world: World) -> None:
    def work(p: Peers) -> None:
        with p.task() as task:
            if p.rank == 0:
                raise ValueError("no such folder")
            p.wait(task, [0])

    first, *others = world.run(work)
    with pytest.raises(ValueError, match="no such folder"):
        first.result(20)
    for future in others:
        with pytest.raises(ProcessLost, match="Process 1 of 3 failed: no such folder"):
            future.result(20)


def test_a_process_without_a_sign_of_life_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Event()
    beat = Peers._beat
    monkeypatch.setattr(Peers, "_beat", lambda p: dead.wait(20) if p.rank == 0 else beat(p))

    def work(p: Peers) -> None:
        if p.rank:
            with p.task() as task:
                p.wait(task, [0])

    _, *others = world.run(work)
    for future in others:
        with pytest.raises(ProcessLost, match="no sign of life"):
            future.result(20)
    dead.set()


def test_different_devices_are_refused(world: World) -> None:
    _, *others = world.run(lambda p: None, backend="nccl")
    for future in others:
        with pytest.raises(ConfigError, match="exchanges data by gloo, this one by nccl"):
            future.result(20)


def test_the_message_of_a_lost_connection_says_what_happened() -> None:
    text = (
        "[/p/gloo/pair.cc:537] Read error [10.0.0.2]:4: Connection reset by peer. This is typical"
    )
    expected = pytest.raises(ProcessLost, match=r"process is lost: Read error .* reset by peer$")
    with expected, reaching("another process"):
        raise RuntimeError(text)


ENDS_AT_ONCE = """
from skelact.training import peers
peers.BEAT_S = 1e-5
peers.Peers("gloo")
"""


def test_a_process_ends_while_it_shows_that_it_is_alive() -> None:
    """A thread that is in the store at the end of the interpreter would abort the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", ENDS_AT_ONCE],
            env={**os.environ, **env, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
