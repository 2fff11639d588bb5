"""Mutations of documents, checkpoints and cache entries, and a count of what comes of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from skelact.errors import SkelactError

LIMIT_S = 60.0  # of one attempt, on a busy machine
MEMORY = 4 << 30  # bytes of address space that one attempt may add
Key = tuple[str | int, ...]

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 4096, 10**6, 2**31, 2**63, 10**30, -(10**30)),
    *(0.0, -0.5, 0.5, 1.5, 1e-300, 1e300, float("nan"), float("inf"), -float("inf")),
    *("", "a", "x" * 5000, "\u0000", "../../../etc/passwd", "\u202e", "1", "nan"),
    *([], {}, [None], [[]], [1], ["a", "a"], {"a": 1}, [1e300] * 40, {"name": "stgcn"}),
)


def attempts(default: int) -> int:
    """How many random mutations of each thing are tried: `default`, or $SKELACT_ATTACK."""
    return int(os.environ.get("SKELACT_ATTACK", default))


def paths(content: Any, prefix: Key = ()) -> Iterator[Key]:
    """The keys that lead to every value in nested dicts and lists."""
    pairs: Any = ()
    if isinstance(content, dict):
        pairs = content.items()
    elif isinstance(content, list | tuple):
        pairs = enumerate(content)
    for key, value in pairs:
        yield (*prefix, key)
        yield from paths(value, (*prefix, key))


def at(content: Any, keys: Key) -> Any:
    """The value that the keys lead to."""
    for key in keys:
        content = content[key]
    return content


def changed(content: Any, keys: Key, value: Any) -> Any:
    """A copy of nested dicts and lists with another value."""
    if not keys:
        return value
    out = dict(content) if isinstance(content, dict) else list(content)
    out[keys[0]] = changed(content[keys[0]], keys[1:], value)
    return out


def without(content: Any, keys: Key) -> Any:
    """A copy without one value."""
    parent = at(content, keys[:-1])
    parent = dict(parent) if isinstance(parent, dict) else list(parent)
    del parent[keys[-1]]
    return changed(content, keys[:-1], parent)


def structural(content: Any, rng: random.Random, count: int) -> Iterator[Any]:
    """Copies of a document with a value of another type or size, without a value, or with one more;
    every path at least once if `count` allows it."""
    known = list(paths(content))
    rng.shuffle(known)
    for n in range(count):
        keys = known[n % len(known)]
        parent = at(content, keys[:-1])
        kind = rng.randrange(8)
        if kind == 0:
            yield without(content, keys)
        elif kind == 1 and isinstance(parent, dict):
            yield changed(content, keys[:-1], {**parent, "surprise": rng.choice(VALUES)})
        elif kind == 2 and isinstance(parent, list) and parent:
            yield changed(content, keys[:-1], parent * 3)
        elif kind == 3:
            deep: Any = at(content, keys)
            for _ in range(rng.choice((5, 200))):
                deep = [deep]
            yield changed(content, keys, deep)
        else:
            yield changed(content, keys, rng.choice(VALUES))


def damaged_text(text: bytes, rng: random.Random) -> bytes:
    """JSON text with flipped bits, cut, with a duplicated key, deeper, or with another number."""
    kind = rng.randrange(7)
    place = rng.randrange(len(text))
    if kind == 0:
        return text[:place]
    if kind == 1:
        return text[:place] + b"[" * rng.choice((100, 100_000)) + text[place:]
    if kind == 2:
        return (
            text[:place] + rng.choice((b"NaN", b"Infinity", b"1e999", b"9" * 5000)) + text[place:]
        )
    if kind == 3:
        keys = [k for k in json.loads(text)] or ["a"]
        extra = json.dumps(rng.choice(keys)) + ":" + rng.choice(("1", "null", "[]", '"a"'))
        return text.rstrip()[:-1] + b"," + extra.encode() + b"}"
    return flipped(text, rng)


def flipped(content: bytes, rng: random.Random) -> bytes:
    """One to three flipped bits."""
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 3))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


class Hang(BaseException):
    """An attempt took longer than LIMIT_S."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Raise Hang after LIMIT_S and MemoryError above MEMORY, where the system can."""
    try:
        import resource
    except ImportError:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no result within {LIMIT_S:g} s")

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    memory = resource.getrlimit(resource.RLIMIT_AS)
    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, memory[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@dataclass
class Tally:
    """Attempts and failures of one attack, which `check` prints as a row of the table."""

    name: str
    tried: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def attempt(
        self,
        what: object,
        read: Callable[[], object],
        error: type[SkelactError] = SkelactError,
        right: Callable[[Any], bool] = lambda result: True,
        *,
        bounded: bool = False,
    ) -> None:
        """Call `read`: it must raise `error`, or return what `right` accepts. It may fail for lack
        of memory only if it is `bounded` by a limit of its own."""
        self.tried += 1
        try:
            with limited():
                result = read()
                if not right(result):
                    self.failures.append(f"{what}: silently another result")
        except error as refusal:
            self.refused += 1
            if isinstance(refusal.__cause__, MemoryError) and not bounded:
                self.failures.append(f"{what}: needs too much memory")
        except (Exception, Hang) as wrong:
            self.failures.append(f"{what}: {type(wrong).__name__}: {str(wrong)[:150]}")

    def check(self) -> None:
        """Fail with the failures, if there are any."""
        print(
            f"attack: {self.name}: {self.tried} attempts, {self.refused} refused, "
            f"{len(self.failures)} failures"
        )
        assert self.tried and not self.failures, "\n".join(self.failures[:20])


def short(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) < 60 else text[:60] + "…"
