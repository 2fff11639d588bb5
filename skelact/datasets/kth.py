"""KTH actions (Schuldt et al. 2004): the videos personXX_<action>_dY_uncomp.avi, or OpenPose's
output folders of the same names; complete videos, or the sub-sequences of 00sequences.txt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skelact import limits
from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, SplitRule, by_value
from skelact.errors import InputError, MissingDataset, reading
from skelact.pose import importers
from skelact.pose.track import TrackOptions
from skelact.sequence.stack import stack_frames
from skelact.types import PoseSequence

NAME = re.compile(
    r"person(?P<performer>\d\d)_(?P<action>boxing|handclapping|handwaving|jogging|running|walking)"
    r"_d(?P<scene>[1-4])"
)
ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
FPS, WIDTH, HEIGHT = 25.0, 160, 120
SEQUENCES = "00sequences.txt"
_MAX_FRAMES = 1_000_000
# performers of the validation and of the test subset; all others train
SPLITS: dict[str, tuple[Sequence[int], Sequence[int]]] = {
    "official": ((19, 20, 21, 23, 24, 25, 1, 4), (22, 2, 3, 5, 6, 7, 8, 9, 10)),
    "report-text": (range(11, 16), range(16, 21)),
    "report-code": (range(16, 21), range(21, 26)),
}


def find(root: Path) -> Collection:
    """KTH below a folder: its videos, or else folders of OpenPose JSON. If 00sequences.txt is in
    the folder too, every sub-sequence is an item. Raises MissingDataset if there is neither."""
    videos = sorted(p for p in root.rglob("person*_d*.*") if p.suffix in (".avi", ".mp4"))
    spans = sub_sequences(root)
    items = [i for path in videos for i in _items(path, path.stem, spans)]
    if items:
        return Collection(name="kth", root=root, items=tuple(items), protocols=protocols())
    try:
        sources = importers.sources(root)
    except InputError as error:
        raise MissingDataset(
            f"{root} holds no video or OpenPose output of KTH",
            "Expected personXX_<action>_dY_uncomp.avi or …_000000000000_keypoints.json.",
        ) from error
    items = [i for name, s in sources.items() for i in _items(s.files[0], name, spans, name)]
    if not items:
        raise MissingDataset(
            f"{root} holds poses, but none of KTH", "Expected personXX_<action>_dY…"
        )

    def read(item: Item) -> PoseSequence:
        imported = importers.read(sources[item.key], None, FPS, TrackOptions())
        frames = imported.frames
        if item.span_s is not None:
            start, end = item.span_s
            frames = frames[round(start * FPS) : None if end is None else round(end * FPS)]
        # as in the report: one person per frame, frames without a person are dropped
        first = [[replace(people[0], person_id=0)] for people in frames if people]
        if not first:
            raise InputError(f"{item.name(root)} holds no person")
        return stack_frames(first, imported.skeleton, FPS, WIDTH, HEIGHT)

    return Collection(name="kth", root=root, items=tuple(items), protocols=protocols(), read=read)


def _items(
    path: Path, name: str, spans: dict[str, list[tuple[int, int]]], key: str = ""
) -> list[Item]:
    match = NAME.search(name)
    if match is None:
        return []
    groups = {"performer": match["performer"], "scene": match["scene"], "take": match[0]}
    if match[0] not in spans:
        return [Item(path, match["action"], groups=groups, key=key)]
    return [
        Item(path, match["action"], groups=groups, key=key, span_s=((first - 1) / FPS, last / FPS))
        for first, last in spans[match[0]]
    ]


def sub_sequences(root: Path) -> dict[str, list[tuple[int, int]]]:
    """The (first, last) frames of the sub-sequences of each video, counted from 1 and both
    included. Empty if the folder has no 00sequences.txt. Raises InputError if it cannot be read or
    names frames that do not exist."""
    file = next(iter(sorted(root.rglob(SEQUENCES))), None)
    out: dict[str, list[tuple[int, int]]] = {}
    if file is None:
        return out
    with reading(file, InputError):
        for line in limits.read_text(file, limits.TABLE_BYTES, "latin-1").splitlines():
            match = NAME.match(line)
            ranges = re.findall(r"(\d+)\s*-\s*(\d+)", line[match.end() :]) if match else []
            spans = [(int(a), int(b)) for a, b in ranges]
            if not all(1 <= a <= b <= _MAX_FRAMES for a, b in spans):
                raise ValueError(f"no frames have these numbers: {line.strip()}")
            if match and spans:
                out[match[0]] = spans
    return out


def protocols() -> dict[str, Protocol]:
    """Numbers of performers for training, validation and testing: official 8, 8, 9; report-text
    10, 5, 5 of the first twenty; report-code 15, 5, 5."""
    return {name: (_rule(name), ("performer",)) for name in SPLITS}


def _rule(name: str) -> SplitRule:
    val, test = SPLITS[name]
    performers = range(1, 21 if name == "report-text" else 26)
    subset = {n: "test" if n in test else "val" if n in val else "train" for n in performers}
    return by_value("performer", {f"{n:02d}": subset[n] for n in performers})


DATASETS = (
    DatasetSpec(
        name="kth",
        title="KTH actions: six actions, 25 performers",
        origin="https://www.csc.kth.se/cvap/actions/",
        layout="personXX_<action>_dY_uncomp.avi or OpenPose JSON of that name; 00sequences.txt",
        find=find,
    ),
)
