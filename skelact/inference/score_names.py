"""The names of scores, and which ones networks can give; `scores` computes them. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skelact.schemas import ClassStatistics
from skelact.schemas.checkpoints import SCORE_NAMES

PROBABILITY, ENERGY, DISTANCE, AGREEMENT, COMBINED = SCORES = SCORE_NAMES
CONSTANT = "constant"  # of a combination


def obstacle(
    name: str,
    groups: Sequence[Sequence[ClassStatistics | None]],
    combination: Mapping[str, float] | None = None,
) -> str:
    """Why networks cannot give a score, empty if they can. `groups` are the statistics of the
    networks, of those that see the same windows together; `combination` are the parameters of the
    score "combined", where they are known."""
    if name == AGREEMENT and (len(groups) > 1 or len(groups[0]) < 2):
        return "it needs at least two networks that see the same windows"
    if name == DISTANCE and any(s is None for group in groups for s in group):
        return "a network has no statistics of its training clips"
    if name == COMBINED and combination is not None:
        parts = [part for part in combination if part != CONSTANT]
        if not parts:
            return "its parameters are missing"
        return next(filter(None, (obstacle(part, groups) for part in parts)), "")
    return ""
