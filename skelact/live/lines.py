"""Decisions as JSON, one line each, in a file that other programs may read while it grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from skelact.errors import OutputError


class LineFile:
    """A context manager that writes a new file. It is no temporary file that is renamed at the end:
    it may take days, somebody may follow it, and each line of it is complete."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """Raises OutputError if the file cannot be written, or exists and `overwrite` is False. A
        link is replaced, not followed."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if overwrite:
                path.unlink(missing_ok=True)
            self._file = path.open("x", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, row: dict[str, Any]) -> None:
        """Add a line."""
        self._file.write(as_line(row) + "\n")
        self._file.flush()


def as_line(row: dict[str, Any]) -> str:
    """JSON in one line."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)
