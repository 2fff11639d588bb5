"""Find what the modules of a package declare, so that an extension is a single new file."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any


def declared(package: str, path: Iterable[str], name: str) -> dict[str, Any]:
    """The elements of the tuples that modules of a package define under `name`, by their own names
    and in the order of the modules. Imports all modules of the package, which are found in the
    folders `path`. Raises ValueError if two elements have the same name."""
    elements: dict[str, Any] = {}
    for info in pkgutil.iter_modules(path, f"{package}."):
        for element in getattr(import_module(info.name), name, ()):
            if element.name in elements:
                raise ValueError(f"{package}: two elements of {name} are called {element.name!r}")
            elements[element.name] = element
    return elements
