"""Option dataclasses and configuration files.

A field declared with `option` holds everything that is known about an option: its default, help
text, allowed values and command-line flag. The command line, the validation and the configuration
files all read it from there.

A config assigns a dict to each section, and `_base_` names the config files that it extends, as in
mmengine. Each section is one option dataclass. An unknown section or key raises a ConfigError that
suggests the nearest name.

A config is a TOML, YAML or JSON file, or Python, which is executed. A file without code never
causes code of the user to run: of Python files it extends only those that come with skelact, and
it cannot name a config of mmpose, which is Python too.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import runpy
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from skelact import config_data
from skelact.errors import ConfigError, nearest

T = TypeVar("T")
SYNONYMS = {  # other usual names of options, for suggestions
    "learning_rate": "lr",
    "lr_rate": "lr",
    "batch": "batch_size",
    "epoch": "epochs",
    "max_epochs": "epochs",
    "num_epochs": "epochs",
    "optimizer": "optimiser",
    "clip_length": "length_s",
    "num_persons": "persons",
}
SUFFIXES = (".py", *config_data.FORMATS)
MAX_CONFIGS = 100  # files that one config extends, directly or not
_CODE = (types.ModuleType, types.FunctionType, type)  # what a config imports or defines for itself


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """Description of one option. `min` and `max` are inclusive bounds, `above` and `below` are
    exclusive ones. `none` is the text that stands for None on the command line; `default_text`
    describes a default that is not a fixed value. `panel` is the group of the option in the help,
    by default that of its dataclass."""

    help: str
    flag: str | None = None
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    none: str | None = None
    default_text: str | None = None
    panel: str | None = None

    @property
    def allowed(self) -> str:
        """The allowed range or choices in words, or an empty string."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.min is not None and self.max is not None:
            return f"between {self.min:g} and {self.max:g}"
        bounds = (
            ("at least", self.min),
            ("greater than", self.above),
            ("at most", self.max),
            ("less than", self.below),
        )
        return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)

    def accepts(self, value: Any) -> bool:
        """Whether a single value is allowed."""
        if self.choices:
            return value in self.choices
        return (
            (self.min is None or value >= self.min)
            and (self.max is None or value <= self.max)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


def option(default: T, help: str, **details: Any) -> T:
    """A dataclass field that is an option; `details` are further fields of OptionInfo.

    The flag defaults to the name of the field without a unit: `length_s` becomes `--length`."""
    info = OptionInfo(help=help, **details)
    return dataclasses.field(default=default, metadata={"option": info})


def info_of(cls: type, name: str) -> OptionInfo:
    """The description of an option. Raises KeyError if the dataclass has no such option."""
    info = {f.name: f for f in dataclasses.fields(cls)}[name].metadata["option"]
    return typing.cast(OptionInfo, info)


def check_ranges(options: Any) -> None:
    """Check the values of an option dataclass against the allowed values of its fields; for use in
    `__post_init__`. None is always allowed, and each element of a tuple is checked.

    Raises ConfigError with the option, its allowed values and the given value."""
    for field in dataclasses.fields(options):
        info, value = field.metadata["option"], getattr(options, field.name)
        if value is None:
            continue
        for element in value if isinstance(value, tuple) else (value,):
            if isinstance(element, float) and not math.isfinite(element):
                raise ConfigError(f"{field.name} must be a finite number, got {element}")
            if not info.accepts(element):
                closest = nearest(element, info.choices) if info.choices else ""
                raise ConfigError(f"{field.name} must be {info.allowed}, got {element!r}{closest}")


@cache
def shipped(name: str) -> Path:
    """A folder that is distributed with skelact (configs, sample_videos, zoo). It is beside the
    package in a checkout and inside the package after installation.

    Raises ConfigError if it is missing."""
    package = Path(__file__).parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"The folder {name} is missing from this installation of skelact", "Install skelact again."
    )


def recipes() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(p.stem for p in shipped("configs").glob("*.py"))


def datasets() -> list[str]:
    """Names of the datasets that have a config."""
    return sorted(p.stem for p in (shipped("configs") / "datasets").glob("*.py"))


def _shipped_configs() -> dict[str, Path]:
    """The shipped config files by name: stgcn_mads, training/modern."""
    folder = shipped("configs")
    files = sorted(folder.rglob("*.py"))
    return {f.relative_to(folder).with_suffix("").as_posix(): f for f in files}


def load(name_or_file: str | Path, dataset: str | None = None) -> dict[str, Any]:
    """The sections of a config file, given as a path or as a name under configs/ without '.py'
    (stgcn_mads, training/modern).

    `dataset` is used instead of the dataset that the file is for: its shipped config replaces that
    of the other dataset among the bases, and the file's own section `dataset` is left out. The
    other sections of the file stay as they are.

    Raises ConfigError if there is no such file or if it cannot be read."""
    path = Path(name_or_file)
    if path.suffix.lower() not in SUFFIXES:
        files, name = _shipped_configs(), str(name_or_file)
        if name not in files:
            folder = name.rpartition("/")[0]
            known = [n.rpartition("/")[2] for n in files if n.rpartition("/")[0] == folder]
            known = known or recipes()
            raise ConfigError(
                f"There is no config {name!r}{nearest(path.stem, known)}",
                f"Use one of {', '.join(known)}, or a file: {', '.join(SUFFIXES)}.",
            )
        path = files[name]
    content = _read(path)
    section = content.get("dataset")
    own_name = section.get("name") if isinstance(section, Mapping) else None
    if dataset is None or own_name == dataset:
        return content
    own = load(f"datasets/{dataset}")
    if own_name is None:
        return merge(own, content)
    return {**merge(own, _read(path, dataset=dataset)), "dataset": own["dataset"]}


def _base(path: Path, base: Any) -> Path:
    """The file that the config `path` names as its base: relative to its folder or, if there is no
    such file, one of the shipped configs. A file without code extends files without code and
    shipped configs. Raises ConfigError if there is no such file in either."""
    if not isinstance(base, str):
        raise ConfigError(f"{path}: _base_ must be names of files, got {base!r}")
    shipped_file = _shipped_configs().get(base.removesuffix(".py"))
    file = path.parent / base
    if file.suffix.lower() in SUFFIXES and file.is_file():
        if config_data.is_data(file) or not config_data.is_data(path):
            return file
        if shipped_file is None:
            raise ConfigError(
                f"{path}: the base {base!r} is Python, which would be executed",
                f"Write it as {', '.join(config_data.FORMATS)}, or extend it from a .py file.",
            )
    if shipped_file is None:
        known = [f"{name}.py" for name in _shipped_configs()]
        raise ConfigError(
            f"{path}: the base {base!r} exists neither in {path.parent} nor among the shipped "
            f"configs{nearest(base, known)}",
            "Shipped bases are, for example, datasets/pyskl.py and training/modern.py.",
        )
    return shipped_file


def _content(path: Path) -> dict[str, Any]:
    """What a config file assigns, without what it extends. Raises ConfigError."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such config file")
    if not config_data.is_data(path):
        try:
            found = runpy.run_path(str(path))
        except Exception as error:  # Python can raise anything
            raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
        names = [k for k in found if k == "_base_" or k[:1] != "_"]
        return {k: found[k] for k in names if not isinstance(found[k], _CODE)}
    content = config_data.read(path)
    pose = content.get("pose")
    if isinstance(pose, dict) and pose.get("config") is not None:
        raise ConfigError(
            f"{path} names a config of mmpose, which is Python and would be executed",
            "Name it on the command line: --set pose.config=FILE.py",
        )
    return content


def _read(
    path: Path,
    derived: tuple[Path, ...] = (),
    dataset: str | None = None,
    files: list[Path] | None = None,
) -> dict[str, Any]:
    """The sections of a config file merged into those of its bases. `derived` are the files that
    extend it, `files` all that were read before; `dataset` replaces the shipped configs of datasets
    among the bases."""
    files = [] if files is None else files
    files.append(path)
    if path.resolve() in derived:
        raise ConfigError(f"{path} extends itself", "Correct its _base_.")
    if len(files) > MAX_CONFIGS:
        raise ConfigError(f"{files[0]} extends more than {MAX_CONFIGS} files", "Merge some.")
    content = _content(path)
    names = content.pop("_base_", ())
    parts = []
    for base in names if isinstance(names, list | tuple) else [names]:
        file = _base(path, base)
        if (
            dataset is not None
            and file.resolve().parent == (shipped("configs") / "datasets").resolve()
        ):
            parts.append(load(f"datasets/{dataset}"))
        else:
            parts.append(_read(file, (*derived, path.resolve()), dataset, files))
    return merge(*parts, content)


def merge(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested sections. Later values override earlier ones, key by key."""
    out: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping) and isinstance(out.get(key), Mapping):
                out[key] = merge(out[key], value)
            else:
                out[key] = dict(value) if isinstance(value, Mapping) else value
    return out


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse assignments such as 'train.epochs=5' into nested sections. Values are Python literals
    or plain text. Raises ConfigError if an assignment has no '='."""
    out: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"{assignment!r} is not of the form section.key=value")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        *sections, key = path.strip().split(".")
        nested: dict[str, Any] = {key: value}
        for section in reversed(sections):
            nested = {section: nested}
        out = merge(out, nested)
    return out


def build(cls: type[T], content: Mapping[str, Any], where: str = "") -> T:
    """Build an option dataclass from plain values, and nested dataclasses from nested sections.
    `where` is the name of the section for error messages.

    Raises ConfigError for an unknown key, a wrong type or a value that is not allowed."""
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in content.items():
        label = f"{where}.{key}" if where else key
        if key not in known:
            prefix = f"{where}." if where else ""
            full = [prefix + name for name in known]
            synonyms = {prefix + s: prefix + name for s, name in SYNONYMS.items()}
            if not where:  # an option without its section
                full += _options_of_sections(cls)
                synonyms = {s: o for s, name in SYNONYMS.items() for o in full if _ends(o, name)}
                synonyms |= {o.rpartition(".")[2]: o for o in full}
            raise ConfigError(
                f"Unknown option {label}{nearest(label, full, synonyms)}",
                f"Available options: {', '.join(known)}.",
            )
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{label} is a section, not a value")
            values[key] = build(typing.cast(type, hint), value, label)
        else:
            info = known[key].metadata.get("option")
            is_none = info is not None and info.none is not None and value == info.none
            values[key] = None if is_none else _convert(value, hint, label)
    return cls(**values)


def _options_of_sections(cls: type) -> list[str]:
    """The options of all sections, as section.option."""
    hints = typing.get_type_hints(cls)
    sections = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    return [f"{s}.{f.name}" for s, hint in sections.items() for f in dataclasses.fields(hint)]


def _ends(option: str, name: str) -> bool:
    return option.rpartition(".")[2] == name


def _convert(value: Any, hint: Any, label: str) -> Any:
    """Convert a value to the annotated type. Accepts an int for a float or a string, a list for a
    tuple, and a number for a tuple of floats; anything else of another type raises ConfigError."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        return _convert(value, next(o for o in options if o is not type(None)), label)
    if hint == tuple[float, ...] and isinstance(value, int | float):
        value = [value]
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(v, typing.get_args(hint)[0], label) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise ConfigError(f"{label} is too large") from error
    if hint is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    plain = origin or hint
    if isinstance(plain, type) and (
        not isinstance(value, plain) or (plain is int and isinstance(value, bool))
    ):
        raise ConfigError(f"{label} must be {plain.__name__}, got {value!r}")
    return value
