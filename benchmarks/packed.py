"""A packed dataset of the size of NTU60 (56,880 random sequences of two persons, 17 joints, 30 to
200 frames): the time to open it, compared with a pickle of the same arrays, and the rate at which
batches are built, for comparison with the rate of the networks."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skelact.cache import Cache
from skelact.datasets import packed
from skelact.skeletons import SKELETONS

SEQUENCES, CLASSES = 56_880, 60
# the current size in MB; the peak that the system reports includes that of the parent process
RESIDENT = """
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
"""
OPEN = """
import sys, time
from skelact.cache import Cache
from skelact.datasets import packed
started = time.monotonic()
data = packed.open_packed(Cache(sys.argv[1]).find(packed.PACKED, "ntu"))
first = float(data.keypoints[data.offsets[-2], 0, 0, 0])
print(time.monotonic() - started, resident())
"""
PICKLE = """
import pickle, sys, time
import numpy
started = time.monotonic()
with open(sys.argv[1], "rb") as file:
    data = pickle.load(file)
print(time.monotonic() - started, resident())
"""
EPOCH = """
import sys, time
import numpy as np, torch
from skelact.cache import Cache
from skelact.datasets import packed
from skelact.training.batches import DeviceClips
from skelact.device import resolve_device
from skelact.options import AugmentOptions
from skelact.sequence.sampling import SamplingOptions
data = packed.open_packed(Cache(sys.argv[1]).find(packed.PACKED, "ntu"))
clips, rng = DeviceClips(data, resolve_device("auto")), np.random.default_rng(0)
order = rng.permutation(len(data))[:8192].reshape(-1, 128)
clips.training(order[0], SamplingOptions(), AugmentOptions(), rng)
started = time.monotonic()
for batch in order:
    x, _ = clips.training(batch, SamplingOptions(), AugmentOptions(), rng)
float(x.sum())
print(order.size / (time.monotonic() - started))
"""


def main() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(30, 201, SEQUENCES)
    noise = rng.normal(size=(2, 400, 17, 3)).astype(np.float32)

    def samples() -> Iterator[packed.Sample]:
        for n, length in enumerate(lengths):
            values = noise[:, n % 200 : n % 200 + length]
            yield packed.Sample(id=str(n), label=str(n % CLASSES), item=n, values=values, fps=30.0)

    names = tuple(sorted(map(str, range(CLASSES))))
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        cache.write(
            packed.PACKED,
            "ntu",
            lambda target: packed.write(
                target,
                samples(),
                dataset="ntu",
                classes=names,
                skeleton=SKELETONS["coco-17"],
                persons=2,
                dims=2,
            ),
        )
        size = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())
        seconds, memory = _run(RESIDENT + OPEN, folder)
        print(f"{SEQUENCES} sequences, {size / 1e9:.1f} GB: opened in {seconds:.2f} s", end="")
        print(f" (budget 1 s), {memory:.0f} MB resident (budget 500)")
        (rate,) = _run(EPOCH, folder)
        print(f"batches: {rate:.0f} samples/s (compare with the rates that `networks` prints)")
        part = SEQUENCES // 10
        file = Path(folder) / "part.pkl"
        with file.open("wb") as out:
            pickle.dump(
                [s.values.copy() for _, s in zip(range(part), samples(), strict=False)], out
            )
        slow, heavy = _run(RESIDENT + PICKLE, str(file))
        print(f"a pickle of a tenth of the dataset: {slow:.2f} s, {heavy:.0f} MB")


def _run(code: str, argument: str) -> tuple[float, ...]:
    command = [sys.executable, "-c", code, argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(map(float, done.stdout.split()))
