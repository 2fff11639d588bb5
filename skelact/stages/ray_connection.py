"""The connection of a process to a Ray cluster. Ray is imported here only."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from skelact.errors import BackendMissing, ClusterError, ConfigError

AUTO, LOCAL = "auto", "local"  # values of --ray: the cluster of this machine; a new one
_CONNECT_S = 10.0
_OBJECT_BYTES = 100 << 20  # of shared memory; nothing large is sent
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # otherwise Ray sends statistics to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
START_HINT = (
    "Start one with `ray start --head`, or use --ray local for the cores of this machine. If the "
    "cluster checks a token, set RAY_AUTH_MODE=token."
)


def require_ray() -> None:
    """Raise BackendMissing if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise BackendMissing("Ray is not installed", 'pip install "skelact[cluster]"')


@contextlib.contextmanager
def connected(address: str, cores: int) -> Iterator[Any]:
    """Join the cluster at an address ("auto": the one that this machine belongs to), or start one
    with this number of cores ("local"), for the time of the block, which gets the module `ray`. If
    no cluster answers, this takes minutes, and may end the process. Raises ClusterError."""
    os.environ |= _ENVIRONMENT
    import ray

    with contextlib.ExitStack() as stack:
        keep_handler = _sigterm_handler()
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
        stack.callback(keep_handler)
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        try:
            ray.init(
                address=address,
                logging_level=logging.CRITICAL,
                log_to_driver=False,
                **options,
            )
        except Exception as error:
            where = "start" if address == LOCAL else f"join the cluster at {address}"
            text = " ".join(str(error).split()) or type(error).__name__
            raise ClusterError(f"Ray cannot {where}: {text}", START_HINT) from error
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


def check_address(address: str) -> None:
    """Raise ConfigError if an address is not auto, local or HOST:PORT, and ClusterError if nothing
    listens there."""
    if address in (AUTO, LOCAL):
        return
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
        text = f"No Ray cluster answers at {address}: {error}"
        raise ClusterError(text, START_HINT) from error
