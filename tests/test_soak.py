"""A short soak test; `python -m benchmarks soak` runs for hours."""

from __future__ import annotations

import sys

import pytest

from benchmarks.soak import soak


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_random_commands_with_disturbances_change_no_result(networks: None) -> None:
    assert soak(minutes=0.1, seed=3) == []
