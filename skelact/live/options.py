"""Options of live recognition."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.config import check_ranges, option


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """Decisions on a camera, and what happens when it stops."""

    every_s: float = option(0.5, "Decide at this interval, in seconds.", min=0.05, max=3600)
    whole_s: float = option(
        3.0,
        "Window of networks that were trained on complete videos, in seconds.",
        flag="length",
        min=0.1,
        max=60,
    )
    timeout_s: float = option(
        10.0, "A source that delivers nothing for this time is lost, in seconds.", min=0.5, max=600
    )
    reconnect_s: float = option(
        600.0,
        "Try to open a lost camera or stream again for this time, in seconds; 0 ends at once.",
        min=0,
        max=604_800,
    )
    cooldown_s: float = option(
        10.0, "A trigger runs its program at most once in this time, in seconds.", min=0, max=86_400
    )
    duration_s: float | None = option(
        None,
        "End after this time, in seconds.",
        above=0,
        max=2_678_400,
        default_text="no limit",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
