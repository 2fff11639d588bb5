"""Speed on a GPU, in less than eight minutes: python -m benchmarks gpu [FOLDER [SECONDS]].

Training and inference of every network, the whole training loop with its data, and the extraction
of poses by mmpose, each compared with the usual way in the same run. Every part is a process of its
own with a time limit, so an error or a slow compilation in one of them does not end the others.
Writes gpu.json and gpu.md to FOLDER (by default the current one), and prints the table. Without a
GPU, everything runs on the CPU with small batches."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.table import markdown
from skelact.device import resolve_device
from skelact.models import SPECS

LIMIT_S = 465.0  # of all parts together, unless SECONDS says otherwise
# the parts in their order: module, arguments, and the longest time of one in seconds
_FIRST = ("stgcn", "stgcnpp", "ctrgcn", "msg3d", "aagcn", "sgn", "ddnet")
_NETWORKS_PER_PROCESS = 4  # starting a process takes several seconds
_COMPILE_S = 110.0  # for all parts that compile, at once
_LOOPS = ("stgcn", "stgcnpp", "ctrgcn")
_NETWORKS = (*_FIRST, *(name for name in SPECS if name not in _FIRST))


def parts(on_gpu: bool) -> Iterator[tuple[str, Sequence[str], float]]:
    """Every part: its module, its arguments and its time limit [s]. Those that compile come last,
    because they take longest."""
    if on_gpu:
        for n in range(0, len(_NETWORKS), _NETWORKS_PER_PROCESS):
            some = _NETWORKS[n : n + _NETWORKS_PER_PROCESS]
            yield "networks", ("eager", *some), 25.0 * len(some)
    else:
        yield "networks", ("eager", *_NETWORKS), 300.0
    yield "loop", ("eager", "stgcn"), 50.0
    yield "poses", (), 60.0
    if on_gpu:
        for network in _LOOPS[1:]:
            yield "loop", ("eager", network), 40.0
        yield "loop", ("compiled", "stgcn"), 60.0
        for network in _FIRST:  # of all networks, it would take longer than the whole command may
            yield "networks", ("compiled", network), 60.0


def compile_at_once(compiled: Sequence[tuple[str, Sequence[str], float]], limit_s: float) -> None:
    """Run the parts that compile at the same time, without their results: PyTorch keeps what it has
    compiled on the disk, so that each of them starts soon when it is measured alone."""
    ends = time.monotonic() + limit_s
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "2")  # of each of these processes
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        for module, arguments, _ in compiled:
            pool.submit(_drop, module, arguments, ends)


def _drop(module: str, arguments: Sequence[str], ends: float) -> None:
    for _ in run_part(module, arguments, max(0.0, ends - time.monotonic())):
        pass


def run_part(module: str, arguments: Sequence[str], limit_s: float) -> Iterator[dict[str, Any]]:
    """The results of one part as it prints them; at the end one with `error` if it failed."""
    code = f"from benchmarks.gpu.{module} import main; main(*{tuple(arguments)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # for the end of its own processes, which compile
    )
    assert process.stdout is not None and process.stderr is not None
    ends = time.monotonic() + limit_s
    texts = {process.stdout: "", process.stderr: ""}
    name = {"part": module, "name": " ".join(arguments)}
    with process, selectors.DefaultSelector() as selector:
        for stream in texts:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, ends - time.monotonic()))
            if not ready:
                os.killpg(process.pid, signal.SIGKILL)
                yield from map(json.loads, (x for x in process.stdout if x.startswith("{")))
                yield name | {"error": f"stopped after its time limit of {limit_s:.0f} s"}
                return
            for key, _ in ready:
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if not line:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout and line.startswith("{"):
                    yield json.loads(line)
                else:
                    texts[process.stderr] += str(line)
    if process.returncode:
        reason = texts[process.stderr].strip().splitlines()[-1:]
        yield name | {"error": f"exit code {process.returncode}: {' '.join(reason)}"}


def main() -> None:
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()
    limit_s = float(sys.argv[3]) if len(sys.argv) > 3 else LIMIT_S
    folder.mkdir(parents=True, exist_ok=True)
    started, device = time.monotonic(), resolve_device("auto")
    on_gpu = device.type == "cuda"
    about = {
        "device": torch.cuda.get_device_name() if on_gpu else "CPU (no GPU here; small batches)",
        "torch": torch.__version__,
        "command": "python -m benchmarks gpu",
    }
    print(f"{about['device']}, torch {about['torch']}", flush=True)
    results: list[dict[str, Any]] = []
    to_run = list(parts(on_gpu))
    compiled = [part for part in to_run if part[1][:1] == ("compiled",)]
    for module, arguments, part_s in to_run:
        left = limit_s - (time.monotonic() - started)
        if compiled and arguments[:1] == ("compiled",) and left > 10:
            compile_at_once(compiled, min(_COMPILE_S, left / 2))
            compiled = []
        left = limit_s - (time.monotonic() - started)
        if left < 10:
            name = {"part": module, "name": " ".join(arguments)}
            results.append(name | {"error": "not run: no time left"})
        else:
            for result in run_part(module, arguments, min(part_s, left)):
                results.append(result)
                print(json.dumps(result), flush=True)
        document = about | {"seconds": round(time.monotonic() - started), "results": results}
        (folder / "gpu.json").write_text(json.dumps(document, indent=1) + "\n")
        (folder / "gpu.md").write_text(markdown(document))
    print(markdown(document))
