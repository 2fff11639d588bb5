"""Damage files in reproducible ways, and check that a reader survives them.

A reader survives if it returns or raises a SkelactError, within a limit of time and of memory."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import re
import signal
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from skelact.datasets.skeleton_files import source
from skelact.errors import InputError, SkelactError
from skelact.readers.find import sequence_file
from skelact.types import PoseSequence

VARIABLE = "SKELACT_ATTACK"  # attempts for each reader, instead of the few of the default suite
LIMIT_S = 20  # of one attempt; a busy machine needs much less
_NUMBERS = (
    *(b"-1", b"0", b"1e400", b"-1e400", b"NaN", b"Infinity", b"400000000", b"4294967296"),
    *(b"99999999999999999999", b"1e38", b"1e-320", b"0x10", b"1_000", b"", b"nan", b"1.5"),
)
_TEXTS = (
    *(b"null", b"[]", b"{}", b'""', b"true", b"\x00", b"\xff\xfe", b"\xe9", b"\xed\xb2\x80", b'"'),
    *(b"\n", b"\r\n", b",", b";", b" ", b"[[", b"}", b"]", b"=", b"\t", b"\xef\xbb\xbf", b"'"),
    *(b"[" * 3000, b'{"a":' * 3000, b"9" * 5000, b"a" * 200_000, b"\xe2\x80\xae", b"\x1b[31m"),
)
_WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 10**12, 2**63 - 1)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, float("inf"), float("nan"), 4 * 10**8, 10**20, -(10**20)),
    *("", "x", "0", "4e8", "\udc80", "<script>", [], {}, [[]], [None], ["x"], {"a": []}, [1, 2]),
    *([[1, 2], [3]], [float("inf")], [{}], "a" * 10_000, [0] * 10_000),
)
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def attempts(default: int) -> int:
    """How often each reader is attacked."""
    return int(os.environ.get(VARIABLE, default))


def mutate(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four random changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(_MUTATORS)(content, rng)
    return content


def _at(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content) + 1)


def _flip_bit(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    n = rng.randrange(len(content))
    return content[:n] + bytes([content[n] ^ (1 << rng.randrange(8))]) + content[n + 1 :]


def _flip_header(content: bytes, rng: random.Random) -> bytes:
    return _flip_bit(content[:200], rng) + content[200:]


def _set_word(content: bytes, rng: random.Random) -> bytes:
    size = rng.choice((1, 2, 4, 8))
    word = (rng.choice(_WORDS) & (256**size - 1)).to_bytes(size, rng.choice(("little", "big")))
    n = _at(content, rng)
    return content[:n] + word + content[n + size :]


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: _at(content, rng)]


def _cut_out(content: bytes, rng: random.Random) -> bytes:
    a, b = sorted((_at(content, rng), _at(content, rng)))
    return content[:a] + content[b:]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    a, b = sorted((_at(content, rng), _at(content, rng)))
    return content[:b] + content[a:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(_at(content, rng) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _insert_text(content: bytes, rng: random.Random) -> bytes:
    n = _at(content, rng)
    return content[:n] + rng.choice(_TEXTS) + content[n:]


def _change_number(content: bytes, rng: random.Random) -> bytes:
    found = list(_NUMBER.finditer(content))
    if not found:
        return content
    match = rng.choice(found)
    return content[: match.start()] + rng.choice(_NUMBERS) + content[match.end() :]


def _change_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    n = rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[n]
    else:
        lines.insert(n, lines[rng.randrange(len(lines))] if kind == 1 else rng.choice(_TEXTS))
    return b"\n".join(lines)


_MUTATORS = (
    *(_flip_bit, _flip_header, _set_word, _truncate, _cut_out, _repeat, _swap, _insert_text),
    *(_change_number, _change_number, _change_line),
)


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """A JSON text with one to three of its values replaced, removed or renamed."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            break
        owner, key = rng.choice(places)
        kind = rng.randrange(5)
        if kind == 0:
            del owner[key]
        elif kind == 1 and isinstance(owner, dict):
            owner[rng.choice(("", "x", "\x00", str(key).upper()))] = owner.pop(key)
        elif kind == 1:
            owner.insert(key, copy.deepcopy(rng.choice(_VALUES)))
        else:
            owner[key] = copy.deepcopy(rng.choice(_VALUES))
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, key) of a JSON value; of long lists only the first elements."""
    pairs = list(enumerate(value[:6])) if isinstance(value, list) else []
    pairs = list(value.items()) if isinstance(value, dict) else pairs
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


class Hang(BaseException):
    """An attempt took longer than LIMIT_S. Not an Exception, so that no reader catches it."""


@contextlib.contextmanager
def time_limit(seconds: float = LIMIT_S) -> Iterator[None]:
    """Raise Hang after so many seconds (in the main thread, on systems with SIGALRM)."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no result within {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def memory_limit(more: int = 2 << 30) -> Iterator[None]:
    """Let this process take so many bytes more than it has; beyond, MemoryError is raised (Linux
    only)."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    import resource

    old = resource.getrlimit(resource.RLIMIT_AS)
    size = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


@dataclass
class Report:
    """What became of the attempts on one reader. `failures` counts exceptions that are none of
    skelact's by their type and place; `examples` holds one input for each."""

    tried: int = 0
    results: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, bytes] = field(default_factory=dict)

    def attempt(self, read: Callable[[], object], content: bytes) -> None:
        """Call `read`, which uses a file of this content."""
        self.tried += 1
        try:
            with time_limit(), memory_limit():
                read()
            self.results += 1
        except SkelactError as error:
            if isinstance(error.__cause__, MemoryError):  # not refused before it was allocated
                self._fail(error.__cause__, content)
        except (Exception, Hang) as error:
            self._fail(error, content)

    def _fail(self, error: BaseException, content: bytes) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "/skelact/" in f.filename.replace("\\", "/")]
        place = ours[-1] if ours else frames[-1]
        name = f"{type(error).__name__} in {Path(place.filename).name}:{place.name}: {error}"[:160]
        key = re.sub(r"\d+", "#", name)
        self.failures[key] += 1
        self.examples.setdefault(key, content)

    def check(self, title: str) -> None:
        """Print a row of the table, and fail the test if anything else than a result or an error of
        skelact's came out."""
        bad = sum(self.failures.values())
        print(f"attack: {title}: {self.tried} attempts, {self.results} results, {bad} failures")
        lines = [
            f"{count} x {name}; for example {self.examples[name][:300]!r}"
            for name, count in self.failures.most_common(12)
        ]
        assert not lines, f"{title}: {bad} of {self.tried}\n" + "\n".join(lines)


def attack(
    title: str,
    file: Path,
    seeds: list[bytes],
    read: Callable[[], object],
    default: int = 60,
    *,
    is_json: bool = False,
) -> None:
    """Write mutations of the seeds to `file` and read each. The mutations depend on the title and
    the number of the attempt only."""
    report = Report()
    for seed in seeds:  # the undamaged files are read
        file.write_bytes(seed)
        read()
    for n in range(attempts(default)):
        rng = random.Random(zlib.crc32(title.encode()) * 1_000_003 + n)
        seed = rng.choice(seeds)
        content = mutate_json(seed, rng) if is_json and n % 2 else mutate(seed, rng)
        file.write_bytes(content)
        report.attempt(read, content)
    report.check(title)


def check_sequence(sequence: PoseSequence, scores: tuple[float, float] = (0, 1)) -> None:
    """What every sequence promises: numbers or NaN, and scores in a range."""
    for values in (sequence.xy, sequence.xyz, sequence.score):
        assert values is None or not np.isinf(values).any()
    assert (sequence.score >= scores[0]).all() and (sequence.score <= scores[1]).all()
    assert 0 < sequence.fps < 1e6 and sequence.frames > 0


def read_skeletons(path: Path) -> None:
    """As a dataset is read: find the kind of a file, complete its format, build every sequence."""
    file = sequence_file(path)
    if file is None:
        raise InputError(f"{path} is no skeleton file")
    found = source([file], path.parent)
    for raw in found.read(file):
        check_sequence(found.build(raw, file))
