"""The attack: every reader gets damaged and hostile files.

The default suite makes a few attempts for each reader. An attack of an hour:

    SKELACT_ATTACK=20000 pytest -m attack -s -n 2 tests/attack
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, so that `-m attack` runs them alone."""
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.attack)
