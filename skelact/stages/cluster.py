"""The poses of many videos over a Ray cluster. Ray runs in a child process: it prints messages to
stdout, handles signals, and ends its process if the cluster does not answer or disappears."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from multiprocessing import connection
from pathlib import Path
from typing import Any, NoReturn

from skelact.errors import ClusterError, SkelactError
from skelact.options import ClusterOptions
from skelact.processes import die_with_parent
from skelact.stages.extraction import Work
from skelact.stages.ray_actors import run_on_actors
from skelact.stages.ray_connection import (
    LOCAL,
    START_HINT,
    check_address,
    connected,
    local_folder,
    meant_by,
)
from skelact.stages.workers import interrupts_blocked, process_count, silence
from skelact.types import BatchResult, Event, ProgressCallback

ANSWER_S = 60.0  # time limit for joining a cluster
_START_S = 180.0  # and for starting one
_END_S = 15.0  # for leaving it after an interrupt
_MANY = 1_000_000  # cores; there are fewer
_JOINED = "joined"


def extract_on_cluster(
    work: list[Work], options: ClusterOptions, on_progress: ProgressCallback
) -> BatchResult[Path]:
    """Run all jobs on the actors of a cluster; the parts of a long video are tasks of their own.
    Raises ClusterError, ConfigError, CacheError and EstimatorError."""
    address = str(options.ray)
    check_address(address)
    with local_folder() if address == LOCAL else contextlib.nullcontext() as folder:
        return _extract(work, options, folder, on_progress)


def _extract(
    work: list[Work],
    options: ClusterOptions,
    folder: Path | None,
    on_progress: ProgressCallback,
) -> BatchResult[Path]:
    """`folder` is that of a local cluster."""
    context = multiprocessing.get_context("spawn")
    messages, sender = context.Pipe(duplex=False)
    process = context.Process(target=_drive, args=(sender, work, options, folder), daemon=True)
    with interrupts_blocked():  # a terminal sends SIGINT to all; this process ends the other
        process.start()
    sender.close()
    limit = ANSWER_S if folder is None else _START_S
    deadline: float | None = time.monotonic() + limit
    try:
        while True:
            if not messages.poll(0.5):
                if deadline is not None and time.monotonic() > deadline:
                    where = meant_by(str(options.ray)) or options.ray
                    text = f"No Ray cluster answers at {where} within {limit:.0f} s"
                    raise ClusterError(text, START_HINT)
                continue
            message = messages.recv()
            if isinstance(message, BatchResult):
                return message
            if isinstance(message, Event):
                on_progress(message)
            elif isinstance(message, Exception):
                raise message
            else:
                deadline = None  # it has joined
    except EOFError:
        raise _lost() from None
    finally:
        process.terminate()
        if deadline is None or folder is not None:  # there is something to end
            connection.wait([process.sentinel], _END_S)
        if folder is not None:
            _end_group(process.pid)
        process.kill()
        process.join()
        messages.close()


def _end_group(number: int | None) -> None:
    """Kill the child process and what it has started: a cluster that was interrupted while it
    starts does not end by itself. The child was not waited for, so its number is still its own."""
    with contextlib.suppress(OSError, AttributeError):  # no group yet, or none on this system
        if number is not None and os.getpgid(number) == number:
            os.killpg(number, signal.SIGKILL)


def _drive(sender: Any, work: list[Work], options: ClusterOptions, folder: Path | None) -> None:
    """In the child process: send the events, and then the result or the error."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    if folder is not None and hasattr(os, "setpgrp"):
        os.setpgrp()  # Ray's processes can be ended together
    signal.signal(signal.SIGTERM, _exit)
    silence(1, 2)
    try:
        with connected(str(options.ray), process_count(_MANY), folder) as ray:
            sender.send(_JOINED)
            result: Any = run_on_actors(ray, work, options, sender.send)
    except SkelactError as error:
        result = error
    except OSError:  # of the node of this machine
        result = _lost()
    except Exception as error:
        result = RuntimeError("".join(traceback.format_exception(error)))
    sender.send(result)


def _lost() -> ClusterError:
    return ClusterError(
        "The connection to the Ray cluster is lost",
        "Check it with `ray status`, or start it again; then run the same command. It continues "
        "with what is missing.",
    )


def _exit(*received: object) -> NoReturn:
    raise SystemExit(1)
