"""JHMDB (Jhuang et al. 2013): <class>/<clip>.avi, and the official lists
<class>_test_split<1|2|3>.txt of clips (1 train, 2 test)."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from skelact import limits
from skelact.datasets.base import Collection, DatasetSpec, Item, Protocol, by_value, smallest_group
from skelact.errors import InputError, MissingDataset, reading
from skelact.video.probe import VIDEO_SUFFIXES

LAYOUT = "<class>/<clip>.avi and <class>_test_split<1|2|3>.txt"


def find(root: Path) -> Collection:
    """The clips below `root` that the official lists name. Clips from the same film are one take.
    Besides the official splits there is `most`, which trains on all but the smallest take of each
    action: for a model that is used rather than measured. Raises MissingDataset if there is no such
    clip, InputError if a list cannot be read."""
    subsets: dict[str, dict[str, str]] = defaultdict(dict)
    for file in sorted(root.rglob("*_test_split[123].txt")):
        label, number = file.stem.rsplit("_test_split", 1)
        with reading(file, InputError):
            lines = limits.read_text(file, limits.TABLE_BYTES).splitlines()
        for line in lines:
            name, _, subset = line.strip().rpartition(" ")
            if subset in ("1", "2"):
                subsets[number][f"{label}/{Path(name).stem}"] = "train" if subset == "1" else "test"
    listed = {key for names in subsets.values() for key in names}
    items = []
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES):
        key = f"{path.parent.name}/{path.stem}"
        if key in listed:
            take = f"{path.parent.name}/{re.sub(r'_[0-9]+$', '', path.stem)}"
            items.append(Item(path, path.parent.name, groups={"take": take, "clip": key}))
    if not items:
        raise MissingDataset(
            f"{root} holds no clip of JHMDB", f"Expected {LAYOUT}, in any folders below it."
        )
    # the official splits are kept, even where clips of one film are in both subsets
    protocols: dict[str, Protocol] = {
        f"split{n}": (by_value("clip", subsets[n]), ("clip",)) for n in sorted(subsets)
    }
    protocols["most"] = (smallest_group("take"), ("take",))
    return Collection(
        name="jhmdb", root=root, items=tuple(items), protocols=protocols, dev_protocols=("most",)
    )


DATASETS = (
    DatasetSpec(
        name="jhmdb",
        title="JHMDB: 21 everyday actions, 928 clips",
        origin="http://jhmdb.is.tue.mpg.de/",
        layout=LAYOUT,
        find=find,
    ),
)
