"""The connection of this process to a Ray cluster. Only here and in `cluster` is Ray imported."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from skelact.errors import BackendMissing, ClusterError, ConfigError, reason
from skelact.processes import linked

AUTO, LOCAL = "auto", "local"  # values of --ray: the cluster of this machine; a new one
ANSWER_S = 60.0  # time limit for joining a cluster
_CONNECT_S = 10.0
_OBJECT_BYTES = 100 << 20  # of shared memory; nothing large is sent
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # otherwise Ray sends statistics to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_START = "Start one with `ray start --head`, or use --ray local for the cores of this machine."
# Joining an address at which there is no cluster takes minutes, ends the process, or both.
_TRIAL = """
import logging, sys, ray
try:
    ray.init(address=sys.argv[1], logging_level=logging.CRITICAL, log_to_driver=False)
except BaseException as error:
    print(" ".join(str(error).split()) or type(error).__name__)
    sys.exit(1)
"""


def require_ray() -> None:
    """Raise BackendMissing if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise BackendMissing("Ray is not installed", 'pip install "skelact[cluster]"')


@contextlib.contextmanager
def connected(address: str, cores: int) -> Iterator[Any]:
    """Join the cluster at an address ("auto": the one that this machine belongs to), or start one
    with this number of cores ("local"), for the time of the block, which gets the module `ray`. A
    connection that this process has already is used as it is. Raises ClusterError,
    BackendMissing and ConfigError."""
    require_ray()
    os.environ |= _ENVIRONMENT
    if address not in (AUTO, LOCAL):
        _check_form(address)
    if address != LOCAL:
        _try(address)
    import ray

    if ray.is_initialized():
        yield ray
        return
    with contextlib.ExitStack() as stack:
        keep_handler = _sigterm_handler()
        stack.callback(keep_handler)
        options: dict[str, Any] = {}
        if address == LOCAL:
            # a short path: Ray has sockets below it, whose names are limited to 107 bytes
            folder = Path(tempfile.mkdtemp(prefix="skelact-ray-", dir=_short_folder()))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            options = {
                "num_cpus": cores,
                "include_dashboard": False,
                "object_store_memory": _OBJECT_BYTES,
                "_temp_dir": str(folder),
            }
        stack.callback(ray.shutdown)
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        try:
            ray.init(
                address=address,
                logging_level=logging.CRITICAL,
                log_to_driver=False,
                **options,
            )
        except Exception as error:
            raise ClusterError(f"Ray does not start: {reason(error)}", _START) from error
        keep_handler()
        yield ray


def _short_folder() -> str | None:
    return None if len(tempfile.gettempdir()) < 20 else "/tmp"


def _sigterm_handler() -> Callable[[], None]:
    """A function that sets the present handler of SIGTERM again. Ray replaces it by one that aborts
    the process."""
    before = signal.getsignal(signal.SIGTERM)

    def restore() -> None:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)

    return restore


def _check_form(address: str) -> None:
    """Raise ConfigError if an address is not HOST:PORT, and ClusterError if nothing listens."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in address:
        raise ConfigError(
            f"--ray {address}: not the address of a Ray cluster",
            "Use auto, local or HOST:PORT, on a machine that belongs to the cluster.",
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S):
            pass
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterError(f"No Ray cluster answers at {address}: {error}", _START) from error


def _try(address: str) -> None:
    """Raise ClusterError if this machine cannot join a cluster, which a child process tries."""
    try:
        done = subprocess.run(
            linked([sys.executable, "-c", _TRIAL, address]),
            input=b"",
            capture_output=True,
            timeout=ANSWER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = f"No Ray cluster answers at {address} within {ANSWER_S:.0f} s"
        raise ClusterError(text, _START) from None
    if done.returncode:
        lines = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()
        text = (
            f"Cannot join the Ray cluster at {address}: {lines[-1] if lines else 'no reason given'}"
        )
        raise ClusterError(text, _START)
