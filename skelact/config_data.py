"""Configuration files that hold no code: TOML, YAML and JSON. Reading one executes nothing."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from skelact.errors import ConfigError

MAX_BYTES = 200_000  # of one file; the longest shipped config has 2 kB
MAX_DEPTH = 8  # of nested sections and lists
_PLAIN = (str, int, float, bool, type(None))


def is_data(path: Path) -> bool:
    """Whether the suffix is that of a config without code."""
    return path.suffix.lower() in FORMATS


def read(path: Path) -> dict[str, Any]:
    """The content of a TOML, YAML or JSON file: nested sections of finite numbers, texts, true and
    false, null and lists. Raises ConfigError with the file, and the line where it is known, for
    anything else."""
    name, parse = FORMATS[path.suffix.lower()]
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES // 1000} kB", "Is it a config file?")
    try:
        content = parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} is not UTF-8 (at line {line})", "Save it as UTF-8.") from error
    except RecursionError as error:
        raise ConfigError(_too_deep(path)) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not {name}: {error}", "Correct the file.") from error
    if not isinstance(content, dict):
        found = "empty" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{path} is {found}", "A config holds sections, such as train and model.")
    _check(path, content, "", MAX_DEPTH)
    return content


def _too_deep(path: Path) -> str:
    return f"{path} is nested deeper than {MAX_DEPTH} levels"


def _check(path: Path, value: Any, where: str, depth: int) -> None:
    """Raises ConfigError unless a value is plain. `where` names it, `depth` is what may be below
    it."""
    if isinstance(value, dict | list) and depth == 0:
        raise ConfigError(_too_deep(path))
    if isinstance(value, dict):
        for key, below in value.items():
            if not isinstance(key, str) or not key:
                raise ConfigError(f"{path}: the key {key!r} in {where or 'the file'} is no name")
            _check(path, below, f"{where}.{key}" if where else key, depth - 1)
    elif isinstance(value, list):
        for below in value:
            _check(path, below, where, depth - 1)
    elif not isinstance(value, _PLAIN):
        raise ConfigError(f"{path}: {where} is a {type(value).__name__}, which no option takes")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path}: {where} must be a finite number, got {value}")


def _json(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f"the key {twice!r} is there twice")
        return dict(items)

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} (at line {error.lineno}, column {error.colno})") from error


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, _yaml_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or error.context}{place}") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ValueError(" ".join(str(error).split())) from error


@cache
def _yaml_loader() -> Any:
    """PyYAML's safe loader with the plain values of YAML 1.2, where 1e-3 is a number and `off` is a
    text. Aliases, which can make a small file huge, and repeated keys are errors."""
    import yaml

    class PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers: Any = {}  # noqa: RUF012  # PyYAML's own attribute of the class

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.composer.ComposerError(
                    None,
                    None,
                    "aliases are not read; write the values",
                    self.peek_event().start_mark,
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in names:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                names.add(str(key.value))
            return super().construct_mapping(node, deep)

    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
        ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ):
        regexp = re.compile(f"^(?:{pattern})$")
        PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", regexp, list(first))

    def integer(loader: Any, node: Any) -> int:
        return int(loader.construct_scalar(node))  # 010 is ten, not eight as in YAML 1.1

    PlainLoader.add_constructor("tag:yaml.org,2002:int", integer)
    return PlainLoader


FORMATS: dict[str, tuple[str, Callable[[str], Any]]] = {
    ".toml": ("TOML", tomllib.loads),
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
    ".json": ("JSON", _json),
}
