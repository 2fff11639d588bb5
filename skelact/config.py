"""Configuration files, and option dataclasses made from them.

A config is a mmengine file (Python, `_base_` inheritance) of sections; each section is one option
dataclass, whose defaults are the only defaults there are. An unknown section or key is an error
that names the nearest one.
"""

from __future__ import annotations

import ast
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from skelact.errors import ConfigError
from skelact.types import nearest

T = TypeVar("T")


@cache
def shipped(name: str) -> Path:
    """A folder that travels with skelact (configs, sample_videos, zoo): beside the package in a
    checkout, inside it when installed.

    ConfigError if it is in neither place."""
    package = Path(__file__).parent
    for place in (package / name, package.parent / name):
        if place.is_dir():
            return place
    raise ConfigError(
        f"the folder {name} is missing from this installation of skelact", "install it again"
    )


def recipes() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(p.stem for p in shipped("configs").glob("*.py"))


def load(name_or_file: str | Path) -> dict[str, Any]:
    """The sections of a config file: a path, or a name under configs/ without '.py' (stgcn_mads,
    training/modern)."""
    path = Path(name_or_file)
    if path.suffix != ".py":
        path = shipped("configs") / f"{name_or_file}.py"
        if not path.is_file():
            folder = path.parent if path.parent.is_dir() else shipped("configs")
            known = sorted(p.stem for p in folder.glob("*.py"))
            raise ConfigError(
                f"no config {str(name_or_file)!r}{nearest(path.stem, known)}",
                f"one of {', '.join(known)}, or a .py file",
            )
    if not path.is_file():
        raise ConfigError(f"{path}: no such config file")
    from mmengine.config import Config

    try:
        return dict(Config.fromfile(str(path)).to_dict())
    except Exception as error:  # a config is a program: anything may go wrong inside it
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def merge(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Later sections override earlier ones, key by key."""
    out: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping) and isinstance(out.get(key), Mapping):
                out[key] = merge(out[key], value)
            else:
                out[key] = dict(value) if isinstance(value, Mapping) else value
    return out


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """['train.epochs=5', …] as nested sections; values are Python literals, or text."""
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
        place = out
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return out


def build(cls: type[T], content: Mapping[str, Any], where: str = "") -> T:
    """An option dataclass from plain values; nested dataclasses from nested sections. ConfigError
    for an unknown key or a wrong type."""
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in content.items():
        label = f"{where}.{key}" if where else key
        if key not in known:
            raise ConfigError(
                f"unknown option {label}{nearest(key, known)}", f"known here: {', '.join(known)}"
            )
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{label} is a section, not a value")
            values[key] = build(typing.cast(type, hint), value, label)
        else:
            values[key] = _fit(value, hint, label)
    return cls(**values)


def _fit(value: Any, hint: Any, label: str) -> Any:
    """The value as the annotated type; an int may stand for a float, a list for a tuple, nothing
    else."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        return _fit(value, next(o for o in options if o is not type(None)), label)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(value)
    if hint == tuple[float, ...] and isinstance(value, int | float):
        return (float(value),)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    plain = origin or hint
    if isinstance(plain, type) and (
        not isinstance(value, plain) or (plain is int and isinstance(value, bool))
    ):
        raise ConfigError(f"{label} must be {plain.__name__}, got {value!r}")
    return value


def help_of(cls: type, name: str) -> str:
    """The help text of an option, for the command line and the docs."""
    return str(next(f.metadata.get("help", "") for f in dataclasses.fields(cls) if f.name == name))
