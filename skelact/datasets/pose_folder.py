"""Write 2-D sequences as a dataset of the user's own: an .npz file for each sequence, labels.csv
with their labels and groups, and skeletons.toml, which describes them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skelact import limits, outputs
from skelact.errors import DatasetError
from skelact.escaping import for_csv
from skelact.readers.description import FILE_NAME
from skelact.readers.find import LABELS
from skelact.skeletons import SKELETONS, Skeleton
from skelact.types import PoseSequence

GROUPS = ("start", "end", "subject", "camera", "source", "subset", "dataset")
SUBJECT = ("subject", "performer", "person")  # groups of datasets that say who acts, best first
_MARK = "# 2-D poses in pixels, y down, written by skelact"
_LAYOUT_NAME = "layout.toml"
_SAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True, kw_only=True)
class LabelledPoses:
    """A sequence with its label; `groups` holds some of GROUPS, where `source` is the recording."""

    name: str
    label: str
    sequence: PoseSequence
    groups: dict[str, str] = field(default_factory=dict)


def check_target(out: Path, overwrite: bool) -> None:
    """Raises OutputError if there is something at `out` that may not be replaced: anything without
    `overwrite`, and with it everything but a folder that holds only what this module writes."""
    outputs.check_replaceable(out, holds_pose_files, overwrite=overwrite)


def holds_pose_files(folder: Path) -> bool:
    """Whether a folder holds only what this module writes."""
    is_ours = limits.head(folder / FILE_NAME).startswith(_MARK)
    own = {LABELS, FILE_NAME, _LAYOUT_NAME}
    return is_ours and all(
        p.suffix == ".npz" or (p.parent == folder and p.name in own)
        for p in folder.rglob("*")
        if not p.is_dir()
    )


def write_pose_folder(
    out: Path, rows: Iterable[LabelledPoses], skeleton: Skeleton, *, overwrite: bool = False
) -> int:
    """Write the sequences, whose layout is `skeleton`, and return their number. The folder appears
    when it is complete. Raises OutputError as `check_target`, DatasetError if there are none."""
    check_target(out, overwrite)
    table: list[dict[str, str]] = []
    taken: set[str] = set()
    with outputs.replacing_folder(out, holds_pose_files, overwrite=overwrite) as new:
        for row in rows:
            path = _unique(f"{_safe(row.label)}/{_safe(row.name)}", taken)
            (new / path).parent.mkdir(exist_ok=True)
            _save(new / path, row.sequence)
            table.append({"path": path, "label": row.label, **row.groups})
        if not table:
            raise DatasetError(f"There is nothing to write to {out}")
        (new / LABELS).write_text(labels_table(table), encoding="utf-8")
        (new / FILE_NAME).write_text(description(skeleton, new), encoding="utf-8")
    return len(table)


def labels_table(rows: list[dict[str, str]]) -> str:
    """The text of labels.csv, with the columns that any row has."""
    columns = ["path", "label", *(g for g in GROUPS if any(row.get(g) for row in rows))]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: for_csv(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def description(skeleton: Skeleton, folder: Path) -> str:
    """The text of skeletons.toml; a layout that is not shipped is written beside it, to
    `folder`/layout.toml."""
    layout = skeleton.name
    if SKELETONS.get(skeleton.name) != skeleton:
        layout = _LAYOUT_NAME
        (folder / layout).write_text(_layout(skeleton), encoding="utf-8")
    return (
        f"{_MARK}: keypoints (persons, frames,\n# joints, 2), scores and fps of each sequence\n"
        f'layout = "{layout}"\ndims = 2\nscore = true\nunit = "px"\naxes = "x,y"\n'
        'order = "MTVC"\narray = "keypoints"\nmissing = "nan"\n'
    )


def _layout(skeleton: Skeleton) -> str:
    def quoted(names: Iterable[str]) -> str:
        return "[" + ", ".join(f'"{n}"' for n in names) + "]"

    pairs = ", ".join(quoted(pair) for pair in skeleton.flip_pairs)
    edges = ", ".join(quoted(edge) for edge in skeleton.edges)
    parents = "\n".join(
        f'"{j}" = "{p}"' for j, p in zip(skeleton.joints, skeleton.parents, strict=True) if j != p
    )
    return (
        f'name = "{skeleton.name}"\njoints = {quoted(skeleton.joints)}\n'
        f'centre = "{skeleton.centre}"\nflip_pairs = [{pairs}]\nedges = [{edges}]\n'
        f"\n[parents]\n{parents}\n"
    )


def _save(path: Path, sequence: PoseSequence) -> None:
    np.savez_compressed(
        path,
        keypoints=sequence.xy,
        scores=sequence.score,
        fps=np.float32(sequence.fps),
        size=np.array([sequence.width, sequence.height]),
        joint_names=np.array(sequence.skeleton.joints),
    )


def _safe(text: str) -> str:
    return _SAFE.sub("_", text).strip("._") or "unnamed"


def _unique(stem: str, taken: set[str]) -> str:
    """The stem as the name of an .npz file, with a number if it is taken; also in file systems
    that do not tell upper from lower case."""
    path, number = stem, 1
    while path.lower() in taken:
        number += 1
        path = f"{stem}-{number}"
    taken.add(path.lower())
    return f"{path}.npz"
