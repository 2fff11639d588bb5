"""The processes of one training, as torchrun starts them: who they are, whether they are alive, and
waiting for one of them however long it works. All of it goes through the key-value store of
torchrun, because an exchange of tensors has a time limit."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import count

from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from skelact.errors import ConfigError, ProcessLost, reason

TIMEOUT = timedelta(minutes=30)  # of an exchange of tensors, and until all processes have started
BEAT_S, LOST_S = 5.0, 60.0  # between two signs of life; without one, a process is lost
_SOURCE = re.compile(r"^\[\S+:\d+\] ")  # gloo's messages begin with a line of its code
_HINT = (
    "See the messages of the other processes. The same command with --resume continues after the "
    "last finished epoch; torchrun --max-restarts 3 starts it again by itself."
)


@contextlib.contextmanager
def reaching(what: str) -> Iterator[None]:
    """Errors of torch.distributed in the block become ProcessLost; `what` was to be reached."""
    try:
        yield
    except RuntimeError as error:
        cause = _SOURCE.sub("", reason(error)).partition(". This is")[0]
        raise ProcessLost(f"The connection to {what} is lost: {cause}", _HINT) from error


class Peers:
    """All processes of a training. Creating it waits until all have started.

    `store` is for the process group. Its keys are those of this start only: torchrun keeps its
    store when it starts the processes again, with the addresses of those that have ended.
    `is_restart` tells the first process whether torchrun has done so. Raises ProcessLost if not all
    processes start, ConfigError if their devices differ."""

    def __init__(self, backend: str) -> None:
        with reaching("torchrun's store"):
            store, self.rank, self.size = next(rendezvous("env://", timeout=TIMEOUT))
            if self.rank:
                start, self.is_restart = _greet(store, self.rank, backend), False
            else:
                start, self.is_restart = _receive(store, self.size, backend)
            self.store: Store = PrefixStore(start, store)
            # another connection: an operation of the process group can block this one
            self._keys = PrefixStore(start, next(rendezvous("env://", timeout=TIMEOUT))[0])
        # torchrun numbers the processes of one machine in a row
        self.first_here = self.rank - int(os.environ.get("LOCAL_RANK", self.rank))
        self._tasks = 0
        self._is_ending = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()
        atexit.register(self._end)

    def _beat(self) -> None:
        """Show that this process is alive, until it ends or the store does."""
        with contextlib.suppress(RuntimeError):
            for number in count():
                self._keys.set(f"alive/{self.rank}", str(number))
                if self._is_ending.wait(BEAT_S):
                    return

    def _end(self) -> None:
        """End the thread before the interpreter does: torch aborts the process if a thread is in
        the store then."""
        self._is_ending.set()
        self._beats.join(BEAT_S)

    @contextlib.contextmanager
    def task(self) -> Iterator[int]:
        """A block that all processes enter; yields its number for `announce` and `wait`. An error
        in it reaches the processes that wait for this one."""
        self._tasks += 1
        number = self._tasks
        try:
            yield number
        except BaseException as error:
            with contextlib.suppress(RuntimeError):  # the store may be what failed
                self._keys.set(f"failed/{number}/{self.rank}", reason(error))
            raise

    def announce(self, task: int, step: str = "done") -> None:
        """Tell the other processes that this one has finished a step of a task."""
        with reaching("torchrun's store"):
            self._keys.set(f"{step}/{task}/{self.rank}", "")

    def wait(self, task: int, ranks: Iterable[int], step: str = "done") -> None:
        """Wait until other processes have finished a step of a task, however long it takes. Raises
        ProcessLost if one of them failed or shows no sign of life."""
        with reaching("torchrun's store"):
            for rank in ranks:
                self._wait_for(rank, f"{step}/{task}/{rank}", f"failed/{task}/{rank}")

    def _wait_for(self, rank: int, done: str, failed: str) -> None:
        beat, quiet_s, pause_s = b"", 0.0, 0.01
        while not self._keys.check([done]):
            name = f"Process {rank + 1} of {self.size}"
            if self._keys.check([failed]):
                raise ProcessLost(f"{name} failed: {self._keys.get(failed).decode()}", _HINT)
            time.sleep(pause_s)
            # not the time of a clock: this process may have been suspended
            quiet_s, pause_s = quiet_s + pause_s, min(2 * pause_s, 1.0)
            if self._keys.check([f"alive/{rank}"]) and self._keys.get(f"alive/{rank}") != beat:
                beat, quiet_s = self._keys.get(f"alive/{rank}"), 0.0
            if quiet_s > LOST_S:
                raise ProcessLost(f"{name} has shown no sign of life for {LOST_S:.0f} s", _HINT)


def _receive(store: Store, size: int, backend: str) -> tuple[str, bool]:
    """For the first process: a word that only the processes of this start know, and whether it is a
    restart. Every other process is answered until it has confirmed, because the greeting that is in
    the store may be that of an earlier start."""
    start = secrets.token_hex(8)
    restarts = max(_restarts(), store.add("starts", 1) - 1)
    missing = set(range(1, size))

    def have_all_joined() -> bool:
        nonlocal restarts
        for rank in sorted(missing):
            if store.check([f"joined/{start}/{rank}"]):
                restarts = max(restarts, int(store.get(f"joined/{start}/{rank}")))
                missing.remove(rank)
            elif store.check([f"hello/{rank}"]):
                store.set(f"welcome/{store.get(f'hello/{rank}').decode()}", f"{start} {backend}")
        return not missing

    _until(have_all_joined)
    return start, restarts > 0


def _greet(store: Store, rank: int, backend: str) -> str:
    """For all other processes: the word of this start."""
    nonce = secrets.token_hex(8)
    store.set(f"hello/{rank}", nonce)
    _until(lambda: store.check([f"welcome/{nonce}"]))
    start, expected = store.get(f"welcome/{nonce}").decode().split()
    store.set(f"joined/{start}/{rank}", str(_restarts()))
    if backend != expected:
        raise ConfigError(
            f"The first process exchanges data by {expected}, this one by {backend}",
            "Choose the same device for all with --device.",
        )
    return start


def _restarts() -> int:
    """How often torchrun on this machine has started the processes again after a failure."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT.total_seconds()
    while not condition():
        if time.monotonic() > deadline:
            raise ProcessLost(f"Not all processes have started within {TIMEOUT}", _HINT)
        time.sleep(0.05)
