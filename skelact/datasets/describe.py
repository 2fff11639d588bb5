"""Write skeletons.toml for a folder of skeleton files by looking at them; where no layout is known,
also a layout to correct, and labels.csv from UTKinect's actionLabel.txt."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs

from skelact.errors import ConfigError, InputError, MissingDataset
from skelact.files import write_bytes
from skelact.readers import tables
from skelact.readers.base import RawSequence, SequenceFile
from skelact.readers.description import FILE_NAME, Described, Description, Table
from skelact.readers.find import LABELS, find_files
from skelact.readers.format import Format, is_missing
from skelact.readers.guess import complete
from skelact.skeletons.fit import joint_distances, shortest_tree

LAYOUT_NAME = "layout.toml"
_SAMPLES = 40
_NAMES = (
    (r"a\d+_s\d+_e\d+(.*)", "a{{label}}_s{{subject}}_e{{take}}{}"),
    (r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}(.*)", "S*C{{camera}}P{{subject}}R{{take}}A{{label}}{}"),
)
_ACTION = re.compile(r"(?P<label>\w+)\s*:\s*(?P<start>\d+)\s+(?P<end>\d+)")


@dataclass(frozen=True, kw_only=True)
class FolderDescription:
    """What `write_description` found and wrote."""

    written: tuple[Path, ...]
    files: dict[str, int]  # number of files by format
    shapes: dict[str, int]  # number of samples by shape (persons, frames, joints, numbers)
    form: Format
    missing: float  # share of joints
    low: tuple[float, ...]  # smallest value of each coordinate, in the files' unit
    high: tuple[float, ...]
    guesses: tuple[str, ...]
    failed: tuple[str, ...]


def write_description(folder: Path, *, overwrite: bool = False) -> FolderDescription:
    """Look at the skeleton files below a folder and write skeletons.toml into it, with every entry
    and what it means. Raises MissingDataset if there are no such files, InputError if all that were
    looked at are damaged, ConfigError if skeletons.toml exists and `overwrite` is not set."""
    path = folder / FILE_NAME
    if not folder.is_dir():
        raise MissingDataset(f"{folder}: no such folder")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists", "Add --overwrite to replace it.")
    files = find_files(folder)
    if not files:
        raise MissingDataset(f"{folder} holds no skeleton files")
    content = Description(file_names=_file_names(folder, files))
    columns = _columns(files)
    if columns:
        content = Description(file_names=content.file_names, table=Table(columns=columns))
    samples, failed = _samples(files, content)
    described = Described(content=content, path=None)
    written = [path]
    try:
        form, guesses = complete(described, samples, folder)
    except ConfigError as error:
        layout = folder / LAYOUT_NAME
        if layout.exists() and not overwrite:
            raise ConfigError(f"{layout} exists", "Add --overwrite to replace it.") from error
        write_bytes(layout, _layout(samples, folder).encode())
        written.append(layout)
        content = structs.replace(content, layout=LAYOUT_NAME)
        form, guesses = complete(Described(content=content, path=path), samples, folder)
        guesses.insert(
            0, f"{error.message}; {layout} has a guess of its bones: correct the names and parents"
        )
    if columns:
        guesses.append(f"the columns are taken as {', '.join(columns)}: check table.columns")
    values = [s.values[..., : form.dims] for s in samples]
    gaps = np.concatenate([is_missing(v, form.missing).ravel() for v in values])
    flat = np.concatenate([v.reshape(-1, form.dims) for v in values])[~gaps]
    write_bytes(path, _text(form, content, any(s.fps for s in samples)).encode())
    table = _label_table(folder, files, form, content)
    if table is not None and (overwrite or not (folder / LABELS).exists()):
        write_bytes(folder / LABELS, table.encode())
        written.append(folder / LABELS)
    return FolderDescription(
        written=tuple(written),
        files=dict(Counter(f.reader.title for f in files)),
        shapes=dict(Counter(str(s.values.shape) for s in samples).most_common(5)),
        form=form,
        missing=float(gaps.mean()) if len(gaps) else 0.0,
        low=tuple(float(v) for v in flat.min(axis=0)) if len(flat) else (),
        high=tuple(float(v) for v in flat.max(axis=0)) if len(flat) else (),
        guesses=tuple(guesses),
        failed=tuple(failed),
    )


def _samples(
    files: Sequence[SequenceFile], content: Description
) -> tuple[list[RawSequence], list[str]]:
    samples: list[RawSequence] = []
    failed: list[str] = []
    error: InputError | None = None
    for file in files[:: max(1, len(files) // _SAMPLES)]:
        try:
            samples += file.read(content)
        except InputError as found:
            error = error or found
            failed.append(found.message)
    if error is not None and not samples:
        raise error
    shape = Counter(s.values.shape[2:] for s in samples).most_common(1)[0][0]
    return [s for s in samples if s.values.shape[2:] == shape], failed


def _file_names(folder: Path, files: Sequence[SequenceFile]) -> str | None:
    """A template for the names of files that lie in the folder itself."""
    if any(f.path.parent != folder for f in files):
        return None
    for pattern, template in _NAMES:
        matches = [re.fullmatch(pattern, f.path.stem) for f in files]
        if matches and all(matches):
            ends = {m[1] for m in matches if m}
            return template.format(ends.pop() if len(ends) == 1 else "*")
    return None


def _columns(files: Sequence[SequenceFile]) -> tuple[str, ...]:
    """The columns of a table whose first columns are whole numbers, as in Florence 3D: number of
    the video, of the actor, of the action."""
    first = files[0]
    if first.reader.name != "text":
        return ()
    rows = [tables.numbers_of(line) for line in first.path.read_text("utf-8").splitlines()]
    numbers = [r for r in rows if r]
    if not numbers or len({len(r) for r in numbers}) > 1:
        return ()
    values = np.array(numbers)
    whole = (values == np.round(values)).all(axis=0)
    leading = int(np.argmin(whole)) if not whole.all() else 0
    if leading == 3 and (values.shape[1] - 3) % 3 == 0 and (np.diff(values[:, 0]) >= 0).all():
        return ("sequence", "subject", "label", "joints")
    return ()


def _layout(samples: Sequence[RawSequence], folder: Path) -> str:
    """A layout TOML with the names of the files, or numbers, and bones along which the joints keep
    their distance best."""
    dims = min(3, samples[0].values.shape[3])
    points = np.concatenate(
        [s.values[..., :dims].reshape(-1, *s.values.shape[2:3], dims) for s in samples]
    )
    points = points[:: max(1, len(points) // 300)].astype(np.float32)
    count = points.shape[1]
    # numbered with the name of the folder: joints of two unknown layouts must not seem the same
    stem = re.sub(r"\W+", "_", folder.resolve().name)
    names = list(samples[0].joints) or [f"{stem}_joint_{n}" for n in range(1, count + 1)]
    distances = joint_distances(points)
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    spread = np.nanstd(apart, axis=0)
    root = int(np.nan_to_num(distances, nan=float(np.nanmax(distances))).sum(axis=1).argmin())
    parents = shortest_tree(0.3 * distances + 3 * spread, root)
    lines = [
        "# The joints of these files in their order, with a guess of the bones. Correct names and",
        "# parents; names such as left_elbow let joints be matched with other layouts, and",
        "# left_ and right_ pairs are exchanged when a sequence is mirrored.",
        f"name = {json.dumps(folder.resolve().name)}",
        f"centre = {json.dumps(names[root])}",
        "joints = [",
        *(f"    {json.dumps(name)}," for name in names),
        "]",
        "",
        "[parents]  # joint = its parent; the centre has none",
        *(
            f"{json.dumps(names[v])} = {json.dumps(names[p])}"
            for v, p in enumerate(parents)
            if v != root
        ),
    ]
    return "\n".join(lines) + "\n"


def _text(form: Format, content: Description, states_fps: bool) -> str:
    """skeletons.toml with comments."""
    layout = content.layout or form.skeleton.name
    is_own = layout.startswith("bvh-")
    fps = f"fps = {form.fps:g}" if not states_fps else f"# fps = {form.fps:g}  # the files state it"
    missing = "nan" if form.missing is None else None
    lines = [
        "# What these skeleton files do not say about themselves. Without a line, skelact",
        "# guesses and says so.",
        "",
        "# frames per second; options such as the clip length are in seconds",
        fps + ("" if states_fps else "  # not stated in the files: please check"),
        "# joints in file order: a layout of `skelact skeletons`, or a .toml file beside this one",
        f"{'# ' if is_own else ''}layout = {json.dumps(layout)}",
        "# coordinates per joint (2 or 3), and whether a score follows them",
        f"dims = {form.dims}",
        f"score = {json.dumps(form.score)}",
        "# the axes of the files that point right, up (2-D: down) and away",
        f'axes = "{form.axes}"',
        "# m, cm, mm, px or normalised (fractions of the image)",
        f'unit = "{form.unit}"',
        '# all coordinates of a missing joint: a number, or "nan"',
        f"missing = {json.dumps(missing) if missing else f'{form.missing:g}'}",
    ]
    if form.dims == 2:
        size = list(form.size) if form.size else [1920, 1080]
        lines += [
            "# width and height of the image in pixels",
            f"{'' if form.size else '# '}size = {size}",
        ]
    lines += [
        "# order of the axes of arrays: T frames, V joints, C coordinates, M persons",
        '# order = "MTVC"',
        "# label, subject and so on in the names of the files",
        f"file_names = {json.dumps(content.file_names)}"
        if content.file_names
        else '# file_names = "a{label}_s{subject}_e{take}*"',
        "# names of the classes: a list from 0 on, a table, or a text file with one name per line",
        '# classes = { 1 = "wave", 2 = "kick" }',
        "",
        f"{'' if content.table.columns else '# '}[table]  # text and CSV without names",
        f"columns = {json.dumps(list(content.table.columns))}"
        if content.table.columns
        else '# columns = ["frame", "joints"]',
        '# rows = "frame"  # or "joint": one line for each joint',
        "# header_lines = 0",
    ]
    return "\n".join(lines) + "\n"


def _label_table(
    folder: Path, files: Sequence[SequenceFile], form: Format, content: Description
) -> str | None:
    """labels.csv from UTKinect's actionLabel.txt, which has the first and last frame of each action
    in the numbers of the first column; None if there is no such file."""
    listing = next((p for p in folder.iterdir() if p.name.lower() == "actionlabel.txt"), None)
    if listing is None:
        return None
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("path", "label", "start", "end", "subject", "source"))
    current: SequenceFile | None = None
    first = 0.0
    for line in listing.read_text(encoding="utf-8").splitlines():
        name = line.strip()
        match = _ACTION.match(name)
        if match and current is not None:
            start, end = (float(match[k]) - first for k in ("start", "end"))
            subject = re.search(r"s(\d+)", current.path.stem)
            writer.writerow(
                (
                    current.path.relative_to(folder).as_posix(),
                    match["label"],
                    f"{max(0.0, start) / form.fps:.3f}",
                    f"{(end + 1) / form.fps:.3f}",
                    subject[1] if subject else "",
                    current.path.stem,
                )
            )
        elif name and ":" not in name:
            current = next((f for f in files if f.path.stem.endswith(name)), None)
            rows = current.path.read_text("utf-8").splitlines() if current else []
            numbers = next(filter(None, map(tables.numbers_of, rows)), [0.0])
            first = numbers[0]
    return out.getvalue()
