"""Functions that read files of foreign formats, run in a child process: a damaged file can crash a
native library, or make it take all memory or an endless time, and this must cost that file only.

There is one child for each process. It is started at the first call, serves all following ones, and
is started again after a crash."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from skelact import errors
from skelact.errors import InputError, SkelactError, escaped
from skelact.processes import Watchdog, die_with_parent, end, exit_reason

MEMORY = 4 << 30  # bytes of address space of the child
MAX_ANSWER = 1 << 30  # bytes
BASE_S, BYTES_PER_S = 60.0, 1 << 20  # time limit of a call: 60 s, and 1 s for each MiB of the file
expendable = False  # whether a crash of this process is harmless, so that it needs no child

_HINT = "The file is probably damaged. Leave it out, or copy or download it again."
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FFMPEG_THREADS": "1"}
_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from skelact import sandbox; sandbox.serve()"


def call(function: Callable[..., Any], path: Path, *arguments: Any) -> Any:
    """function(path, *arguments) in the child process. `function` belongs to a module; its other
    arguments and its result are numbers, texts, arrays, and lists and dicts of them (a tuple
    becomes a list).

    A SkelactError of the function is raised as it is, any other exception as ValueError. Raises
    InputError if the process dies, or exceeds its memory or time."""
    if expendable:
        return function(path, *arguments)
    folder = b""
    with contextlib.suppress(OSError):  # it was removed
        folder = os.fsencode(Path.cwd())
    name = (function.__module__, function.__qualname__)
    return _unwrap(_answer(_encode((*name, folder, os.fsencode(path), arguments)), path))


def _unwrap(answer: dict[str, Any]) -> Any:
    """The result in an answer. Raises the error in it."""
    if "error" not in answer:
        return answer["result"]
    kind = getattr(errors, answer["error"], None)
    if isinstance(kind, type) and issubclass(kind, SkelactError):
        raise kind(answer["message"], answer["hint"])
    raise ValueError(answer["message"])


# --- in the parent --------------------------------------------------------------------------------


class _Child:
    """The child process of this process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        debug = bool(os.environ.get("SKELACT_DEBUG"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(os.getpid()), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if debug else subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )
        self.watchdog = Watchdog(self.process)

    def ask(self, request: bytes, limit_s: float) -> bytes | None:
        """The answer to a request; None if the process has died."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with self.watchdog.limit(limit_s), contextlib.suppress(OSError):
            _send(self.process.stdin, request)
            return _receive(self.process.stdout)
        return None

    def close(self) -> None:
        """End the process."""
        self.watchdog.close()
        end(self.process)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


_child: _Child | None = None
_lock = threading.Lock()


def _answer(request: bytes, path: Path) -> dict[str, Any]:
    """What the child process answers. A process that was killed from outside is replaced once."""
    global _child
    try:
        limit_s = BASE_S + path.stat().st_size / BYTES_PER_S
    except OSError:
        limit_s = BASE_S
    with _lock:
        for attempt in (1, 2):
            if _child is None or _child.owner != os.getpid():  # not that of a parent that forked
                _child = _Child()
            try:
                answer = _child.ask(request, limit_s)
            except BaseException:  # interrupted: the answer would be that to the next request
                _close()
                raise
            if answer is not None:
                return dict(msgspec.msgpack.decode(answer, ext_hook=_array))
            child, _child = _child, None
            child.close()
            reason = exit_reason(child.process.returncode)
            if child.watchdog.expired:
                raise InputError(f"{path} was not read within {limit_s:.0f} s", _HINT)
            if attempt == 2 or "SIGKILL" not in reason:
                break
    raise InputError(f"{path} ended the process that read it: {reason}", _HINT)


@atexit.register
def _close() -> None:
    global _child
    if _child is not None and _child.owner == os.getpid():
        _child.close()
    _child = None


# --- in the child ---------------------------------------------------------------------------------


def serve() -> None:
    """Answer the requests from standard input until it ends or the parent has died."""
    global expendable
    expendable = True  # a function may use others that call this module
    die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what to do
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # what a library prints is no answer
    _limit_memory()
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def receive() -> None:
        while (request := _receive(requests)) is not None:
            received.put(request)
        os._exit(0)  # also in the middle of a request

    threading.Thread(target=receive, daemon=True).start()
    while True:
        _send(answers, _perform(received.get()))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit exists already
            resource.setrlimit(kind, (most, most))


def _perform(request: bytes) -> bytes:
    try:
        module, name, folder, path, arguments = msgspec.msgpack.decode(request, ext_hook=_array)
        if folder:
            os.chdir(folder)  # relative paths are those of the parent
        where = Path(os.fsdecode(path))
        result = _encode({"result": getattr(import_module(module), name)(where, *arguments)})
        if len(result) > MAX_ANSWER:
            raise InputError(f"{where} holds more than {MAX_ANSWER >> 30} GiB", _HINT)
        return result
    except SkelactError as error:
        return _error(type(error).__name__, error.message, error.hint)
    except MemoryError:
        text = f"{where} needs more than {MEMORY >> 30} GiB of memory"
        return _error("InputError", text, _HINT)
    except Exception as error:  # a damaged file makes libraries raise anything
        return _error("ValueError", str(error) or type(error).__name__)


def _error(kind: str, message: str, hint: str = "") -> bytes:
    return _encode({"error": kind, "message": escaped(message), "hint": hint})


# --- messages -------------------------------------------------------------------------------------


def _send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(len(content).to_bytes(8, "little"))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None at the end of the pipe."""
    head = pipe.read(8)
    size = int.from_bytes(head, "little")
    content = pipe.read(size) if len(head) == 8 else b""
    return content if len(head) == 8 and len(content) == size else None


def _encode(value: Any) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    """NumPy's values for msgpack: an array is its type, its shape and its content."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        head = msgspec.msgpack.encode((value.dtype.str, value.shape))
        content = np.ascontiguousarray(value).tobytes()
        return msgspec.msgpack.Ext(1, len(head).to_bytes(4, "little") + head + content)
    raise TypeError(f"a {type(value).__name__} cannot be sent to another process")


def _array(code: int, content: memoryview) -> Any:
    start = 4 + int.from_bytes(content[:4], "little")
    kind, shape = msgspec.msgpack.decode(content[4:start])
    return np.frombuffer(content[start:], np.dtype(kind)).reshape(shape).copy()
