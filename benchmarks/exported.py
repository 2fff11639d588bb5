"""Prediction by torch, torch.compile, onnxruntime and OpenVINO with the same networks in one run,
and start-up time and memory of `skelact predict` with a checkpoint and with an ONNX file.

    python -m benchmarks exported [NETWORK]... [no-compile] [no-start]
    python -m benchmarks exported accuracy RUN [CACHE]

The second form prints the accuracy of a run on its test clips by torch, onnxruntime, and
onnxruntime with 8-bit weights.

Needs the extras export and, for its column, openvino. Times are for a batch of 2 clips of the size
that the network was published with, float32, on one core: the smallest CPU time of rounds in which
all take turns, because other programs on the machine disturb it least. Start-up uses all cores, as
a user's prediction does."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from skelact.cache import Cache
from skelact.inference.ensemble import input_spec
from skelact.inference.graph_files import load_graph_file
from skelact.models import SPECS, build
from skelact.models.checkpoint import build_network, load_checkpoint, state_dict_on_cpu
from skelact.models.evaluate import average_probabilities
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.runs.export_model import export_model
from skelact.runs.test import clips_of_run
from skelact.schemas import BEST, Checkpoint, EstimatorInfo, save_tensors
from skelact.skeletons import SKELETONS
from skelact.training.batches import DeviceClips
from skelact.types import Floats

DEFAULT = ("rocket", "ddnet", "sgn", "stgcn", "stgcnpp", "ctrgcn", "aagcn", "msg3d")
CLIPS, ROUNDS = 2, 4
START = """
import resource, sys, time
from skelact.inference.predictor import Predictor
Predictor.load(sys.argv[1])
print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    if sys.argv[2:3] == ["accuracy"]:
        accuracy(*map(Path, sys.argv[3:]))
        return
    names = [name for name in sys.argv[2:] if name in SPECS] or DEFAULT
    with tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(1)
        if hasattr(os, "sched_setaffinity"):  # Linux: the other programs take one thread, too
            cores = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {min(cores)})
        for name in names:
            compare(name, Path(folder))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
        if "no-start" not in sys.argv:
            start_up(Path(folder))


def compare(name: str, folder: Path) -> None:
    """Print the times of one network, and their ratios to torch."""
    persons, frames, channels = SPECS[name].clip_shape
    coco = SKELETONS["coco-17"]
    checkpoint = Checkpoint(
        model=name,
        model_kwargs={},
        weights=state_dict_on_cpu(build(name, 60, coco, channels, persons)),
        classes=tuple(f"class {n}" for n in range(60)),
        skeleton=coco,
        in_channels=channels,
        persons=persons,
        recipe={"sampling": {"length": frames}, "sequence": {"persons": persons}},
        estimator=EstimatorInfo(name="blazepose", pose={"estimator": "blazepose"}),
        clip_s=3.0,
        split="",
    )
    save_tensors(folder / BEST, checkpoint)
    x = np.random.default_rng(0).normal(size=(CLIPS, persons, frames, 17, channels))
    x = x.astype(np.float32)
    tensor = torch.from_numpy(x)
    net = fuse_conv_bn(build_network(checkpoint))
    programs: dict[str, Callable[[], object]] = {"torch": lambda: net(tensor)}
    if "no-compile" not in sys.argv:
        compiled = torch.compile(net)
        programs["compiled"] = lambda: compiled(tensor)
    for form, suffix in (("onnx", ".onnx"), ("openvino", ".xml")):
        if form == "openvino" and importlib.util.find_spec("openvino") is None:
            continue
        export_model(folder, folder / f"x{suffix}", form, overwrite=True)
        graph = load_graph_file(folder / f"x{suffix}")
        programs[form] = lambda graph=graph: graph.run({0: x})  # type: ignore[misc]
    times: dict[str, list[float]] = {program: [] for program in programs}
    with torch.inference_mode():
        for number in range(ROUNDS + 1):  # the first one is not counted
            for program, run in programs.items():
                started = time.process_time()
                run()
                if number:
                    times[program].append(time.process_time() - started)
    best = {program: min(values) for program, values in times.items()}
    texts = [
        f"{program} {1e3 * value:.1f} ms ({best['torch'] / value:.2f} x)"
        for program, value in best.items()
    ]
    print(f"{name}: {', '.join(texts)}", flush=True)


def start_up(folder: Path) -> None:
    """Print the time and memory until the included recogniser is ready."""
    export_model("everyday", folder / "everyday.onnx")
    for model in ("everyday", str(folder / "everyday.onnx")):
        results = []
        for _ in range(5):
            command = [sys.executable, "-c", START, model]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results.append([float(v) for v in done.stdout.split()])
        seconds, memory = (statistics.median(column) for column in zip(*results, strict=True))
        print(
            f"{Path(model).name} is ready after {seconds:.2f} s of CPU time, {memory:.0f} MB",
            flush=True,
        )


def accuracy(run: Path, cache: Path | None = None) -> None:
    """Print the accuracy of a run and of its graphs on its test clips, and the probabilities."""
    checkpoint = load_checkpoint(run / BEST)
    dataset = clips_of_run(run, checkpoint, Cache(cache))
    rows = np.array([n for n, subset in enumerate(dataset.subsets) if subset == "test"])
    sampling = input_spec(checkpoint).sampling
    clips = DeviceClips(dataset.packed, torch.device("cpu"))
    net = fuse_conv_bn(build_network(checkpoint))
    with tempfile.TemporaryDirectory() as folder:
        graphs = {}
        for name in ("onnx", "int8"):
            file = Path(folder) / f"{name}.onnx"
            export_model(run, file, int8=name == "int8")
            graphs[name] = load_graph_file(file)
            print(f"{name}: {file.stat().st_size / 1e6:.2f} MB")
    parts: dict[str, list[Floats]] = {"torch": [], "onnx": [], "int8": []}
    for start in range(0, len(rows), 64):
        x, draws = clips.testing(rows[start : start + 64], sampling)
        parts["torch"].append(average_probabilities(net, x, draws))
        for name, graph in graphs.items():
            shares = softmax(graph.run({0: x.numpy()})[0], axis=1)
            parts[name].append(shares.reshape(-1, draws, shares.shape[1]).mean(axis=1))
    labels = dataset.packed.labels[rows]
    found = {name: np.concatenate(p) for name, p in parts.items()}
    for name, probabilities in found.items():
        right = (probabilities.argmax(axis=1) == labels).mean()
        other = (probabilities.argmax(axis=1) != found["torch"].argmax(axis=1)).sum()
        change = np.abs(probabilities - found["torch"]).max()
        print(
            f"{name}: {right:.1%} of {len(rows)} clips right, {other} with another label than "
            f"torch, probabilities differ by at most {change:.1e}"
        )
