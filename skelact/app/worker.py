"""The process that does the work of the application, one task after the other. A task that is
cancelled, or a file that crashes a library, ends this process; the next task starts another one."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from skelact.errors import InputError, SkelactError
from skelact.processes import die_with_parent, end_process, exit_reason
from skelact.types import Event, Failure, ProgressCallback

Task = tuple[str, dict[str, Any]]  # the name of a function of tasks.py, and its arguments


class Worker:
    """The parent's end. Only one thread may call `run`; `stop` may be called by any."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: Any = None
        self.connection: Connection | None = None

    def start(self) -> tuple[Connection, Any]:
        """Start the process, unless it runs: it imports what tasks need, which takes seconds.
        Returns the connection to it, and the process."""
        with self.lock:
            if self.process is not None and self.process.is_alive():
                assert self.connection is not None
                return self.connection, self.process
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs,), name="skelact-worker")
            self.process.start()
            theirs.close()
            self.connection = ours
            return ours, self.process

    def run(
        self,
        task: Task,
        on_progress: ProgressCallback,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Any:
        """The result of a task; None if it is not wanted any more when the process is there. Raises
        the SkelactError that it raised, InputError if the process died."""
        connection, process = self.start()
        # whoever stops this process later also ends the task; earlier, it was another process
        if not is_wanted():
            return None
        try:
            connection.send(task)
            while True:
                kind, content = connection.recv()
                if kind == "event":
                    on_progress(content)
                elif kind == "error":
                    raise content
                else:
                    return content
        except (EOFError, OSError) as error:
            process.join(timeout=10)
            raise InputError(
                f"The process that did the work ended: {exit_reason(process.exitcode or 0)}",
                "The file is probably damaged, or the memory was not enough.",
            ) from error

    def stop(self) -> None:
        """End the process and all that it has started, now."""
        with self.lock:
            if self.process is not None:
                end_process(self.process)  # which ends the pipe that `run` reads
            self.process = self.connection = None


def _serve(connection: Connection) -> None:
    """Run tasks until the parent closes the connection."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    from skelact.app import tasks

    functions: dict[str, Callable[..., Any]] = {f.__name__: f for f in tasks.TASKS}

    def send_event(event: Event) -> None:
        connection.send(("event", event))

    tasks.prepare()
    while True:
        try:
            name, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", functions[name](**arguments, on_progress=send_event))
        except SkelactError as error:
            answer = ("error", error)
        except Exception as error:
            failure = Failure.from_error(Path(name), error)
            answer = ("error", InputError(failure.reason, "This is a bug in skelact."))
        connection.send(answer)
