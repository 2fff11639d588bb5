"""The connection of a process to a Ray cluster. Ray is imported here only."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from skelact import limits
from skelact.errors import BackendMissing, ClusterError, ConfigError, nearest

AUTO, LOCAL = "auto", "local"  # values of --ray: the cluster of this machine; a new one
_ADDRESS_VARIABLE = "RAY_ADDRESS"
_PORT = re.compile(r"[0-9]{1,5}")
_CONNECT_S = 10.0
_REMOVALS, _REMOVAL_S = 50, 0.1  # of a folder
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
def connected(address: str, cores: int, folder: Path | None = None) -> Iterator[Any]:
    """Join the cluster at an address ("auto": the one that this machine belongs to), or start one
    with this number of cores ("local") and its files in `folder`, for the time of the block, which
    gets the module `ray`. If no cluster answers, this takes minutes, and may end the process.
    Raises ClusterError."""
    os.environ |= _ENVIRONMENT
    import ray

    with contextlib.ExitStack() as stack:
        keep_handler = _sigterm_handler()
        options: dict[str, Any] = {}
        if address == LOCAL:
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


@contextlib.contextmanager
def local_folder() -> Iterator[Path]:
    """A new folder for the files of a local cluster, whose processes have been told to end when the
    block is left. The folder is removed, again if one of them has just made it anew."""
    # a short path: Ray has sockets below it, whose names are limited to 107 bytes
    short = None if len(tempfile.gettempdir()) < 20 else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="skelact-ray-", dir=short))
    try:
        yield folder
    finally:
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(_REMOVAL_S)
            if not folder.exists():
                break


def _sigterm_handler() -> Callable[[], None]:
    """A function that sets the present handler of SIGTERM again. Ray replaces it by one that aborts
    the process."""
    before = signal.getsignal(signal.SIGTERM)

    def restore() -> None:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)

    return restore


def check_form(address: str) -> None:
    """Raise ConfigError if an address is not auto, local or HOST:PORT, or if auto means one that is
    not HOST:PORT."""
    if address not in (AUTO, LOCAL) and _parts(address) is None:
        raise ConfigError(
            f"--ray {address}: not the address of a Ray cluster{nearest(address, (AUTO, LOCAL))}",
            "Use auto, local or HOST:PORT, on a machine that belongs to the cluster.",
        )
    named = os.environ.get(_ADDRESS_VARIABLE, "")
    if address == AUTO and named not in ("", AUTO) and _parts(named) is None:
        raise ConfigError(
            f"{_ADDRESS_VARIABLE} is {named}: not the address of a Ray cluster",
            "Set it to HOST:PORT, or name the cluster with --ray.",
        )


def _parts(address: str) -> tuple[str, int] | None:
    """Host and port."""
    host, _, port = address.rpartition(":")
    return (
        (host.strip("[]"), int(port))
        if host and _PORT.fullmatch(port) and "/" not in host
        else None
    )


def meant_by(address: str) -> str | None:
    """HOST:PORT that an address stands for. "auto" stands for that in RAY_ADDRESS or, as in Ray
    itself, for that of a node of Ray that runs on this machine or else of the last `ray start`.
    None if it is not known, and for "local"."""
    if address != AUTO:
        return None if address == LOCAL else address
    named = os.environ.get(_ADDRESS_VARIABLE, "")
    if named not in ("", AUTO):
        return named
    if not sys.platform.startswith("linux"):
        return None  # nodes that run cannot be seen
    nodes = _addresses_of_nodes()
    if nodes:
        return nodes.pop() if len(nodes) == 1 else None
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        text = limits.read_text(Path(folder) / "ray" / "ray_current_cluster").strip()
    except (OSError, ValueError):
        return None
    return text if _parts(text) is not None else None


def _addresses_of_nodes() -> set[str]:
    """The addresses of the clusters of all nodes of Ray that run on this machine."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            program, *words = limits.read_bytes(file).split(b"\0")
            if program.endswith(b"raylet"):
                flags = (word.partition(b"=") for word in words)
                found |= {v.decode() for k, _, v in flags if k == b"--gcs-address"}
    return found


def check_address(address: str) -> None:
    """Raise ConfigError as `check_form`, and ClusterError if nothing listens at the address."""
    check_form(address)
    meant = meant_by(address)
    parts = None if meant is None else _parts(meant)
    if parts is None:
        return
    try:
        with socket.create_connection(parts, _CONNECT_S):
            pass
    except (OSError, OverflowError, UnicodeError) as error:
        text = f"No Ray cluster answers at {meant}: {error}"
        raise ClusterError(text, START_HINT) from error
