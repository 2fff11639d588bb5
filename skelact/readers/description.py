"""skeletons.toml: what skeleton files do not say about themselves. Every entry can be left out;
then it is taken from the files, or guessed from the data with a notice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from skelact import limits
from skelact.errors import ConfigError, nearest, reading
from skelact.skeletons import Skeleton, load_skeleton

FILE_NAME = "skeletons.toml"
Unit = Literal["m", "cm", "mm", "px", "normalised"]
METRES: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001}
COLUMNS = ("frame", "time", "person", "sequence", "label", "subject", "camera", "take", "-")
ORDERS = ("TVC", "VCT", "TCV", "CTV", "MTVC", "TMVC", "CTVM", "MCTV", "TF")
_KEYS = ("label", "subject", "camera", "person", "take", "source")


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How lines of text or CSV are to be read. `rows`: a line is a frame, or one joint of a frame.
    `columns`: the meaning of the columns, in order, where "joints" stands for all coordinates."""

    rows: Literal["frame", "joint"] | None = None
    columns: tuple[str, ...] = ()
    header_lines: int = 0

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in (*COLUMNS, "joints"):
                raise ValueError(
                    f"column {name!r}{nearest(name, (*COLUMNS, 'joints'))}; known are "
                    f"{', '.join((*COLUMNS, 'joints'))}"
                )
        if self.columns and self.columns.count("joints") != 1:
            raise ValueError('columns need "joints" once, for all coordinates')
        if self.header_lines < 0:
            raise ValueError("header_lines must not be negative")


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The entries of skeletons.toml. `folder` is where it lies; paths are relative to it."""

    fps: float | None = None
    layout: str | None = None
    dims: Literal[2, 3] | None = None
    score: bool | None = None
    axes: str | None = None
    unit: Unit | None = None
    size: tuple[int, int] | None = None
    missing: Literal["nan"] | float | None = None
    order: str | None = None
    array: str | None = None
    file_names: str | None = None
    classes: str | list[str] | dict[str, str] | None = None
    table: Table = Table()

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 10000:
            raise ValueError(f"fps must be above 0, got {self.fps:g}")
        if self.size is not None and not 1 <= min(self.size) <= max(self.size) <= 100_000:
            raise ValueError("size must be the width and height in pixels")
        if self.axes is not None:
            parse_axes(self.axes)
        if self.order is not None and self.order not in ORDERS:
            raise ValueError(
                f"order must be one of {', '.join(ORDERS)}, got {self.order!r}"
                f"{nearest(self.order, ORDERS)}"
            )
        if self.file_names is not None:
            _pattern(self.file_names)


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A description with the file that it was read from (None: there is none)."""

    content: Description = Description()
    path: Path | None = None

    def skeleton(self) -> Skeleton | None:
        """The declared layout, by name or as a TOML file beside the description. Raises ConfigError
        if there is no such layout."""
        layout = self.content.layout
        if layout is None:
            return None
        if layout.endswith(".toml") and self.path is not None:
            return load_skeleton(self.path.parent / layout)
        return load_skeleton(layout)

    def class_name(self, label: str) -> str:
        """The name of a class that the data state by a number or short name. Raises ConfigError if
        the file of class names cannot be read."""
        names = self._class_names()
        key = str(int(label)) if label.isdecimal() else label
        return names.get(label, names.get(key, label))

    def _class_names(self) -> dict[str, str]:
        classes = self.content.classes
        if isinstance(classes, dict):
            return {**{str(int(k)) if k.isdecimal() else k: v for k, v in classes.items()}}
        if isinstance(classes, str):
            path = (self.path.parent if self.path is not None else Path()) / classes
            hint = "classes is a list, a table, or a text file with one name per line."
            with reading(f"The file of class names {path}", ConfigError, hint):
                classes = limits.read_text(path, limits.SETTINGS_BYTES).split("\n")
        return {str(n): name.strip() for n, name in enumerate(classes or ()) if name.strip()}

    def groups_of(self, stem: str) -> dict[str, str]:
        """Label, subject and so on from the name of a file without suffix, if `file_names` is
        given and fits."""
        if self.content.file_names is None:
            return {}
        match = _pattern(self.content.file_names).fullmatch(stem)
        return match.groupdict() if match else {}


def _pattern(template: str) -> re.Pattern[str]:
    """'a{label}_s{subject}*' as a regular expression. Raises ValueError for unknown names."""
    parts = re.split(r"\{([^}]*)\}", template)
    names = parts[1::2]
    for name in names:
        if name not in _KEYS:
            raise ValueError(
                f"file_names: {{{name}}}{nearest(name, _KEYS)}; known are {', '.join(_KEYS)}"
            )
    if len(set(names)) < len(names):
        raise ValueError("file_names: a name occurs twice")
    out = ""
    for n, part in enumerate(parts):
        out += f"(?P<{part}>.+?)" if n % 2 else re.escape(part).replace(r"\*", ".*")
    return re.compile(out)


def parse_axes(text: str) -> list[tuple[int, int]]:
    """'x,-z,y' -> [(0, 1), (2, -1), (1, 1)]: the axis of the file and the sign for each of ours
    (right, up or in images down, away). Raises ValueError for anything else."""
    out = []
    for word in text.replace(" ", "").split(","):
        name = word.lstrip("+-")
        if name not in ("x", "y", "z") or word[:-1] not in ("", "+", "-"):
            raise ValueError(f'axes are written as "x,y,z" or "x,-z,y", got {text!r}')
        out.append(("xyz".index(name), -1 if word.startswith("-") else 1))
    if len(out) not in (2, 3) or sorted(a for a, _ in out) != list(range(len(out))):
        raise ValueError(f"axes must name x, y (and z) once each, got {text!r}")
    return out


def load(path: Path) -> Described:
    """Read skeletons.toml. Raises ConfigError with the nearest key if one is unknown, and for
    values of the wrong type."""
    with reading(path, ConfigError):
        content = limits.read_toml(path)
    for section, kind in ((content, Description), (content.get("table", {}), Table)):
        known = kind.__struct_fields__
        for key in section if isinstance(section, dict) else ():
            if key not in known:
                raise ConfigError(
                    f"{path}: unknown entry {key!r}{nearest(key, known)}",
                    f"The entries are {', '.join(known)}.",
                )
    with reading(path, ConfigError, "The entries are documented under skeletons.toml."):
        description = msgspec.convert(content, Description)
    described = Described(content=description, path=path)
    described.skeleton()
    return described


def find(place: Path) -> Described:
    """The description in a folder or the nearest one above it (for a file: above the file); an
    empty one if there is none. Raises ConfigError if it is not valid."""
    start = place.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            path = folder / FILE_NAME
            near = place / FILE_NAME
            return load(near if near.is_file() else path)
    return Described()
