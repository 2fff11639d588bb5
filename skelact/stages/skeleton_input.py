"""Skeleton files as the input of a prediction: files, folders of them or of frames, annotation
pickles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from skelact import limits
from skelact.datasets import pyskl
from skelact.datasets.skeleton_files import Source, source
from skelact.errors import InputError
from skelact.readers import description
from skelact.readers.base import SequenceFile, suffixes, unreadable
from skelact.readers.find import find_files, sequence_file
from skelact.readers.format import Format
from skelact.temporary import is_temporary
from skelact.types import PoseSequence
from skelact.video.probe import VIDEO_SUFFIXES


@dataclass(frozen=True, kw_only=True, eq=False)
class SkeletonInput:
    """One sequence of a skeleton file. `load` raises InputError if it cannot be used; `as_stored`
    says that it is not cleaned, as the sequences of published datasets."""

    path: Path
    load: Callable[[], PoseSequence]
    as_stored: bool = False


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What paths name: arguments for `find_videos`, skeleton sequences, and what was guessed about
    these."""

    videos: list[Path | str]
    skeletons: list[SkeletonInput]
    notices: list[str]


def find_inputs(paths: Sequence[Path | str], known: Format | None = None) -> Inputs:
    """Tell skeleton files from videos. `known` is the format that a model was trained on; it holds
    where neither skeletons.toml nor the files state another one. Raises ConfigError if a layout
    cannot be guessed, InputError if a pickle cannot be read."""
    videos: list[Path | str] = []
    files: list[SequenceFile] = []
    pickles: list[Path] = []
    for item in paths:
        for path in _expand(item):
            if path.is_dir():
                _sort_folder(path, videos, files, pickles)
            elif path.suffix.lower() in pyskl.SUFFIXES and path.is_file():
                pickles.append(path)
            else:
                file = sequence_file(path) if path.is_file() else None
                if file is None and path.is_file() and path.suffix.lower() in suffixes():
                    file = unreadable(path)
                if file is not None:
                    files.append(file)
                else:
                    videos.append(path if path.exists() else item)
    notices: list[str] = []
    skeletons: list[SkeletonInput] = []
    by_description: dict[Path | None, list[SequenceFile]] = {}
    for file in files:
        by_description.setdefault(description.find(file.path).path, []).append(file)
    for group in by_description.values():
        skeletons += _of_files(group, known, notices)
    for path in pickles:
        collection = pyskl.find(path)
        read = collection.read
        assert read is not None
        skeletons += [
            SkeletonInput(path=path / item.key, load=partial(read, item), as_stored=True)
            for item in collection.items
        ]
    return Inputs(videos=videos, skeletons=skeletons, notices=notices)


def _expand(item: Path | str) -> list[Path]:
    """The path, or what a glob pattern matches."""
    path = Path(item)
    if path.exists():
        return [path]
    return limits.expand(str(item)) or [path]


def _sort_folder(
    folder: Path, videos: list[Path | str], files: list[SequenceFile], pickles: list[Path]
) -> None:
    """Add what is in a folder. Beside videos, only files that cannot be anything else count."""
    frames = sequence_file(folder)
    if frames is not None:
        files.append(frames)
        return
    has_videos = any(p.suffix.lower() in VIDEO_SUFFIXES for p in folder.rglob("*"))
    found = find_files(folder, certain=has_videos)
    stored = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in pyskl.SUFFIXES and not is_temporary(p.name)
    )
    files += found
    pickles += [] if has_videos else stored
    if has_videos or not (found or stored):
        videos.append(folder)


def _of_files(
    files: list[SequenceFile], known: Format | None, notices: list[str]
) -> list[SkeletonInput]:
    """The sequences of files with one description."""
    try:
        found = source(files, files[0].path, known)
    except InputError:  # none of them can be read: each fails with its own reason
        return [_damaged(file) for file in files]
    notices += [f"skeleton files: {text}" for text in found.guesses]
    several = "sequence" in found.described.content.table.columns or found.samples[0].key
    out: list[SkeletonInput] = []
    for file in files:
        for key in _keys(file, found) if several else [""]:
            path = file.path / key if key else file.path
            out.append(SkeletonInput(path=path, load=partial(found.sequence, file, key)))
    return out


def _keys(file: SequenceFile, found: Source) -> list[str]:
    try:
        return [s.key for s in found.read(file)]
    except InputError:
        return [""]  # fails when it is loaded


def _damaged(file: SequenceFile) -> SkeletonInput:
    def load() -> PoseSequence:
        file.read(description.find(file.path).content)
        raise InputError(f"{file.path} cannot be used")

    return SkeletonInput(path=file.path, load=load)
