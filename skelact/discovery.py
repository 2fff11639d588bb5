"""Find what the modules of a package declare, so that an extension is a single new file."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any


def declared(package: ModuleType, name: str) -> list[Any]:
    """The elements of the tuples that modules of `package` define under `name`, in the order of the
    module names. Imports all modules of the package."""
    modules = [
        import_module(f"{package.__name__}.{m.name}")
        for m in pkgutil.iter_modules(package.__path__)
    ]
    return [element for module in modules for element in getattr(module, name, ())]
