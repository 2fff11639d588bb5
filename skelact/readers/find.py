"""Find skeleton files in folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from skelact.readers.base import SequenceFile, readers, suffixes
from skelact.readers.pose_json import FRAME_NAME, accepts_frame

LABELS = "labels.csv"
_NOT_DATA = (LABELS, "actionlabel.txt")


def find_files(folder: Path, *, certain: bool = False) -> list[SequenceFile]:
    """The skeleton files below a folder in the order of their paths, without hidden ones;
    `certain` leaves out suffixes that other kinds of files have too."""
    known = suffixes(certain=certain)
    paths = [
        p
        for p in sorted(folder.rglob("*"))
        if p.suffix.lower() in known
        and p.name.lower() not in _NOT_DATA
        and not any(part.startswith(".") for part in p.relative_to(folder).parts)
        and p.is_file()
    ]
    return list(_grouped(paths))


def _grouped(paths: Iterable[Path]) -> list[SequenceFile]:
    frames: dict[tuple[Path, str], list[tuple[int, Path]]] = {}
    out: list[SequenceFile] = []
    for path in paths:
        if path.suffix.lower() == ".json" and accepts_frame(path):
            match = FRAME_NAME.match(path.name)
            assert match is not None
            frames.setdefault((path.parent, match["stem"]), []).append((int(match["frame"]), path))
            continue
        found = _single(path)
        if found is not None:
            out.append(found)
    stems = Counter(folder for folder, _ in frames)
    for (folder, stem), numbered in frames.items():
        # the folder names the sequence, unless it holds several
        path = folder if stems[folder] == 1 else folder / stem
        files = tuple(p for _, p in sorted(numbered))
        out.append(SequenceFile(path=path, reader=readers()["frames-json"], files=files))
    return sorted(out, key=lambda f: f.path)


def _single(path: Path) -> SequenceFile | None:
    for reader in readers().values():
        if path.suffix.lower() in reader.suffixes and not reader.per_frame and reader.accepts(path):
            return SequenceFile(path=path, reader=reader, files=(path,))
    return None


def sequence_file(path: Path) -> SequenceFile | None:
    """The skeleton file, or the folder with the frames of one sequence, at a path; None if it is
    neither."""
    if path.is_dir():
        found = _grouped(p for p in sorted(path.glob("*.json")) if p.is_file())
        return found[0] if len(found) == 1 and found[0].reader.per_frame else None
    if path.suffix.lower() not in suffixes():
        return None
    if path.suffix.lower() == ".json" and accepts_frame(path):
        return SequenceFile(path=path, reader=readers()["frames-json"], files=(path,))
    return _single(path)
