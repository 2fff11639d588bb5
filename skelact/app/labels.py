"""labels.csv of a project: every change is written at once and can be undone."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skelact import limits
from skelact.datasets.folder import COLUMNS, labelled_rows
from skelact.errors import InputError, OutputError, escaped, reading
from skelact.escaping import for_csv, for_terminal, from_csv
from skelact.files import write_bytes
from skelact.interop.annotations import LabelledSpan

_HISTORY = 500  # changes that can be undone
_LONGEST_LABEL = 100
_FIRST = ("path", "label", "start", "end", "person_id")  # columns that the application writes


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One row of the table. `end_s` is None for the end of the video, `person_id` for everybody.
    `others` are the cells of columns that the application does not know."""

    id: int
    path: Path
    label: str
    start_s: float
    end_s: float | None
    person_id: int | None
    others: tuple[tuple[str, str], ...] = ()

    @property
    def span(self) -> LabelledSpan:
        """The row without its id."""
        return LabelledSpan(
            video=str(self.path),
            label=self.label,
            start_s=self.start_s,
            end_s=self.end_s,
            person_id=self.person_id,
        )


Rows = tuple[LabelRow, ...]


class LabelTable:
    """The rows of a table of labels, which other programs may change too: a file that has changed
    is read again, and then there is nothing to undo. Safe for several threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.RLock()
        self.revision = 0
        self._content: bytes | None = None  # of the file, as it was read or written
        self._rows: Rows = ()
        self._undo: list[Rows] = []
        self._redo: list[Rows] = []
        self._next_id = 1

    def rows(self) -> Rows:
        """All rows. Raises InputError if the file has become invalid."""
        with self.lock:
            self._refresh()
            return self._rows

    @property
    def steps(self) -> tuple[int, int]:
        """How many changes can be undone, and redone."""
        return len(self._undo), len(self._redo)

    def add(self, spans: Sequence[LabelledSpan]) -> list[int]:
        """Add labels, as one change. Returns their ids. Raises InputError if one of them is
        invalid, or overlaps another label of the same person."""
        added: list[int] = []

        def change(rows: Rows) -> Rows:
            new = [self._new_row(span) for span in spans]
            real = _real_paths((*rows, *new))
            by_video: dict[Path, list[LabelRow]] = {}
            for row in rows:
                by_video.setdefault(real[row.path], []).append(row)
            for row in new:
                same = by_video.setdefault(real[row.path], [])
                _check_overlap(row, same)
                same.append(row)
                added.append(row.id)
            return (*rows, *new)

        self._change(change)
        return added

    def update(self, row_id: int, span: LabelledSpan) -> None:
        """Replace the label, times and person of a row. Raises InputError as `add`."""

        def change(rows: Rows) -> Rows:
            old = _find(rows, row_id)
            new = replace(self._new_row(span), id=row_id, others=old.others)
            real = _real_paths((*rows, new))
            _check_overlap(new, [row for row in rows if real[row.path] == real[new.path]])
            return tuple(new if row.id == row_id else row for row in rows)

        self._change(change)

    def remove(self, row_id: int) -> None:
        """Remove a row."""

        def change(rows: Rows) -> Rows:
            _find(rows, row_id)
            return tuple(row for row in rows if row.id != row_id)

        self._change(change)

    def undo(self) -> bool:
        """Take back the last change. Returns False if there is none."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        """Make a change again that was taken back. Returns False if there is none."""
        return self._step(self._redo, self._undo)

    def _step(self, source: list[Rows], target: list[Rows]) -> bool:
        with self.lock:
            self._refresh()
            if not source:
                return False
            before = self._rows
            self._write(source[-1])
            source.pop()
            target.append(before)
            return True

    def _change(self, change: Callable[[Rows], Rows]) -> None:
        with self.lock:
            self._refresh()
            before = self._rows
            self._write(change(before))
            self._undo.append(before)
            del self._undo[:-_HISTORY]
            self._redo.clear()

    def _new_row(self, span: LabelledSpan) -> LabelRow:
        label = " ".join(span.label.split())
        if not label or len(label) > _LONGEST_LABEL or for_terminal(label) != label:
            raise InputError(
                f"{span.label[:40]!r} is no label",
                f"Write 1 to {_LONGEST_LABEL} characters in one line.",
            )
        start, end = round(span.start_s, 3), None if span.end_s is None else round(span.end_s, 3)
        if not 0 <= start < (limits.COORDINATE if end is None else end) < 1e9 + 1:
            raise InputError(
                f"A label from {span.start_s:g} s to {span.end_s} s",
                "The end must be after the start, which must not be negative.",
            )
        row = LabelRow(
            id=self._next_id,
            path=Path(span.video),
            label=label,
            start_s=start,
            end_s=end,
            person_id=span.person_id,
        )
        self._next_id += 1
        return row

    def _refresh(self) -> None:
        """Read the file if another program has changed it."""
        try:
            content = limits.read_bytes(self.file, limits.TABLE_BYTES)
        except FileNotFoundError:
            content = None
        except OSError as error:
            raise InputError(f"{self.file} cannot be read: {error.strerror}") from error
        if content == self._content:
            return
        self._rows = self._parse(content) if content is not None else ()
        self._content = content
        self._undo.clear()
        self._redo.clear()
        self.revision += 1

    def _parse(self, content: bytes) -> Rows:
        """The rows of the file. Raises InputError if they are invalid."""
        with reading(self.file, InputError, "Save it as CSV UTF-8."):
            table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
            table.fieldnames = [n.strip() for n in table.fieldnames or ()]
            cells = list(table)
        if not cells and set(table.fieldnames) <= set(COLUMNS):
            return ()
        items = labelled_rows(self.file)
        others = [name for name in table.fieldnames if name not in _FIRST]
        rows = []
        for item, row in zip(items, cells, strict=True):
            start, end = item.span_s or (0.0, None)
            rows.append(
                LabelRow(
                    id=self._next_id,
                    path=item.path,
                    label=item.label,
                    start_s=start,
                    end_s=end,
                    person_id=item.person_id,
                    others=tuple((name, from_csv((row[name] or "").strip())) for name in others),
                )
            )
            self._next_id += 1
        return tuple(rows)

    def _write(self, rows: Rows) -> None:
        content = table_text(rows, self.file.parent).encode()
        try:
            write_bytes(self.file, content)
        except OSError as error:
            raise OutputError(f"Cannot write {self.file}: {error.strerror or error}") from error
        self._content, self._rows = content, rows
        self.revision += 1


def table_text(rows: Rows, folder: Path) -> str:
    """The rows as CSV; paths inside `folder` are relative to it."""
    others = list(dict.fromkeys(name for row in rows for name, _ in row.others))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*_FIRST, *others))
    for row in rows:
        known = (
            _relative(row.path, folder),
            row.label,
            f"{row.start_s:.10g}" if row.start_s or row.end_s is not None else "",
            "" if row.end_s is None else f"{row.end_s:.10g}",
            "" if row.person_id is None else str(row.person_id),
        )
        cells = dict(row.others)
        writer.writerow([for_csv(cell) for cell in (*known, *(cells.get(n, "") for n in others))])
    return out.getvalue()


def _relative(path: Path, folder: Path) -> str:
    for place in (path, path.resolve()):
        for base in (folder, folder.resolve()):
            if place.is_relative_to(base):
                return escaped(place.relative_to(base).as_posix())
    return escaped(path.resolve())


def _find(rows: Rows, row_id: int) -> LabelRow:
    for row in rows:
        if row.id == row_id:
            return row
    raise InputError("This label does not exist any more", "Load the page again.")


def _real_paths(rows: Rows) -> dict[Path, Path]:
    """The paths of rows without links, by the paths in the table. Each is looked up once, because
    a table can have thousands of rows of a video."""
    return {path: path.resolve() for path in {row.path for row in rows}}


def _check_overlap(new: LabelRow, rows: Sequence[LabelRow]) -> None:
    """Raise InputError if a person would have two labels at the same time; `rows` are those of the
    video."""
    end = new.end_s or float("inf")
    for row in rows:
        if row.id == new.id:
            continue
        persons = {row.person_id, new.person_id}
        if len(persons) == 2 and None not in persons:
            continue
        overlap = min(end, row.end_s or float("inf")) - max(new.start_s, row.start_s)
        if overlap > 1e-6:
            until = "the end" if row.end_s is None else f"{row.end_s:g} s"
            raise InputError(
                f"{new.label} overlaps {row.label}, from {row.start_s:g} s to {until}",
                "A person has one label at a time: move an end, or remove the other label.",
            )
