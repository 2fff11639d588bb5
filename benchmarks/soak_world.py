"""What the soak test works on: small data, the commands with their results, and damage."""

from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.long import motion
from benchmarks.servant import Command
from skelact.config import shipped
from skelact.types import ClipSpan
from skelact.video.cut import CodingOptions, cut
from skelact.video.probe import probe

CACHE, RUN = "cache", "given"
_SETTINGS = ("--cache-dir", CACHE)
_SMALL = (
    *("--model", "stgcn", "--set", "model.base_channels=8", "--set", "sampling.length=16"),
    *("--epochs", "3", "--set", "train.batch_size=4", "--set", "train.patience=0"),
    *("--set", "train.device=cpu", "--json"),
)
FRAMES, TAKES, FILES = 8, 4, 24


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command: its arguments, in which {data} is the folder of the data and {run} a name that is
    used once; its exit code without disturbance; and whether it removes entries of the cache."""

    name: str
    arguments: tuple[str, ...]
    code: int = 0
    removes: bool = False

    def resumed(self) -> Task:
        """The command that continues an interrupted one."""
        if self.arguments[0] != "train":
            return self
        return replace(self, arguments=(*self.arguments, "--resume"))


TASKS = (
    Task(
        name="train-videos",
        arguments=("train", "--dataset", "{data}/videos", "--name", "{run}", *_SMALL, *_SETTINGS),
    ),
    Task(name="extract", arguments=("extract", "{data}/videos", "--json", *_SETTINGS)),
    Task(
        name="extract-out",
        arguments=("extract", "{data}/videos/Kata", "--out", "out/{run}", "--json", *_SETTINGS),
    ),
    Task(
        name="predict",
        arguments=(
            *("predict", "{data}/videos", "--model", RUN, "--json", *_SETTINGS),
            *("--csv", "out/{run}.csv"),
        ),
    ),
    Task(
        name="overlay",
        arguments=(
            *("predict", "{data}/videos/Kata/0.mp4", "--model", RUN, "--json", *_SETTINGS),
            *("--overlay", "out/{run}.mp4"),
        ),
    ),
    Task(
        name="train-files",
        arguments=(
            *("train", "--dataset", "{data}/files", "--name", "{run}", "--model", "rocket"),
            *("--set", "train.device=cpu", "--json", *_SETTINGS),
        ),
    ),
    Task(name="test", arguments=("test", RUN, "--name", "t{run}", "--json", *_SETTINGS)),
    Task(name="calibrate", arguments=("calibrate", RUN, "{data}/videos", "--json", *_SETTINGS)),
    Task(name="check", arguments=("datasets", "check", "{data}/files", "--json")),
    Task(name="verify", arguments=("cache", "verify", *_SETTINGS)),
    Task(name="list", arguments=("cache", "ls", *_SETTINGS)),
    Task(name="prune-damaged", arguments=("cache", "prune", "--damaged", *_SETTINGS), removes=True),
    Task(
        name="prune-stage",
        arguments=("cache", "prune", "--stage", "sequences", *_SETTINGS),
        removes=True,
    ),
    Task(name="prune-all", arguments=("cache", "prune", "--all", *_SETTINGS), removes=True),
)
_TEXT_DIFFERS = ("verify", "list", "prune-damaged", "prune-stage", "prune-all")


def make_data(folder: Path) -> None:
    """Short clips of two classes, and skeleton files of two classes."""
    for label in ("Kata", "HipHop"):
        (folder / "videos" / label).mkdir(parents=True)
        (folder / "files" / label).mkdir(parents=True)
        source = probe(shipped("sample_videos") / label / f"{label}_A1_C0.avi")
        for n in range(TAKES):
            span = ClipSpan(20 * n, 20 * n + FRAMES)
            cut(source, span, folder / "videos" / label / f"{n}.mp4", CodingOptions())
    rng = np.random.default_rng(0)
    for n in range(FILES):
        label = ("Kata", "HipHop")[n % 2]
        np.save(folder / "files" / label / f"{n}.npy", motion(n % 2, 24, rng))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command did: exit code, the content of its output, and hashes of its files."""

    code: int
    text: str
    files: dict[str, str]

    def difference(self, other: Outcome) -> str:
        """How it differs from the expected outcome."""
        parts = []
        if self.code != other.code:
            parts.append(f"exit code {self.code} instead of {other.code}")
        if self.text != other.text:
            parts.append(f"output {self.text[:300]!r} instead of {other.text[:300]!r}")
        names = sorted(self.files.keys() | other.files.keys())
        changed = [n for n in names if self.files.get(n) != other.files.get(n)]
        return "; ".join([*parts, *([f"files {changed[:5]}"] if changed else [])])


def outcome(task: Task, folder: Path, run: str, command: Command) -> Outcome:
    """The outcome of a command that has ended."""
    text = command.out.read_text(errors="replace")
    try:
        text = json.dumps(_stable(json.loads(text)), sort_keys=True)
    except ValueError:
        text = text if task.name not in _TEXT_DIFFERS else ""
    code = command.code
    assert code is not None
    if task.name == "verify" and code == 1:  # damage was found, which may be there
        code = 0
    files: dict[str, str] = {}
    if code == task.code:
        for path in sorted((folder / "out").rglob("*")):
            name = path.relative_to(folder / "out").as_posix()
            if path.is_file() and name.startswith((f"{run}.", f"{run}/")):
                files[name.removeprefix(run)] = hashlib.sha256(path.read_bytes()).hexdigest()
        if (folder / "runs" / run / "best.pt").is_file():
            files["weights"] = _weights(folder / "runs" / run / "best.pt")
    return Outcome(code=code, text=text.replace(run, "RUN") if run else text, files=files)


def _stable(content: Any) -> Any:
    """JSON without what may differ: the order of cached and new videos."""
    if isinstance(content, dict):
        return {k: _stable(v) for k, v in content.items() if k != "run"}
    if isinstance(content, list):
        rows = [_stable(v) for v in content]
        if rows and all(isinstance(r, dict) and "path" in r for r in rows):
            return sorted(rows, key=lambda r: json.dumps(r, sort_keys=True))
        return rows
    return content


def _weights(path: Path) -> str:
    """A hash of the tensors of a checkpoint."""
    from skelact.models.checkpoint import load_checkpoint

    digest = hashlib.sha256()
    for name, tensor in sorted(load_checkpoint(path).weights.items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def damage(cache: Path, rng: np.random.Generator) -> list[str]:
    """Damage one file of the cache; returns the entry (stage/key), or nothing."""
    files = sorted(p for p in cache.glob("*/*/*") if p.is_file() and "tmp-" not in p.parent.name)
    kind = str(rng.choice(["flip", "truncate", "remove", "extra", "hashes", "litter"]))
    place, chance, bit = rng.random(), rng.random(), int(rng.integers(0, 8))
    if kind == "hashes":
        if cache.is_dir():
            for file in cache.glob("hashes/*.json"):
                file.write_bytes(b'{"document": "content-hashes", "files": {"')
        return []
    if kind == "litter":
        if (cache / "poses").is_dir():
            (cache / "poses" / f".{int(1e9 * chance):x}.lock").touch()
            name = f"tmp-{socket.gethostname()}-4194305-abcdef"  # of a process that has ended
            (cache / "poses" / name).mkdir(exist_ok=True)
        return []
    if not files:
        return []
    path = files[int(place * len(files))]
    content = bytearray(path.read_bytes())
    if kind == "remove" or not content:
        path.unlink()
    elif kind == "truncate":
        path.write_bytes(content[: int(chance * len(content))])
    elif kind == "extra":
        (path.parent / "extra").write_bytes(b"x")
    else:
        content[int(chance * len(content))] ^= 1 << bit
        path.write_bytes(content)
    return [f"{path.parent.parent.name}/{path.parent.name}"]


def differing_entries(reference: Path, cache: Path) -> list[str]:
    """The entries that both caches have with different content."""
    out = []
    for entry in sorted(reference.glob("*/*/manifest.json")):
        other = cache / entry.parent.relative_to(reference)
        if not (other / "manifest.json").is_file():
            continue
        names = {p.name for folder in (entry.parent, other) for p in folder.iterdir()}
        for name in sorted(names - {"manifest.json"}):  # which contains the date
            a, b = entry.parent / name, other / name
            if not (a.is_file() and b.is_file() and a.read_bytes() == b.read_bytes()):
                out.append(f"{other.parent.name}/{other.name}/{name} differs")
    return out
