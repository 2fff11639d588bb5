"""How fast a step advances and how long it will still take."""

from __future__ import annotations

import math

_SETTLING_S = 60.0  # speeds of the last minute count most, later those of the last half of the time


class Pace:
    """A smoothed speed: units and seconds decay exponentially with a time constant that grows with
    the elapsed time, so that the estimate settles. `now` is a time in seconds of any clock."""

    def __init__(self, now: float) -> None:
        self.started = self.last = now
        self.units = self.seconds = 0.0

    def add(self, units: float, now: float) -> None:
        """Count `units` that were finished since the last call."""
        passed = max(0.0, now - self.last)
        decay = math.exp(-passed / max(_SETTLING_S, (now - self.started) / 2))
        self.units = self.units * decay + units
        self.seconds = self.seconds * decay + passed
        self.last = now

    @property
    def per_second(self) -> float:
        """Units per second; 0 while it is unknown."""
        return self.units / self.seconds if self.seconds > 0 else 0.0

    def rate(self, unit: str) -> str:
        """Such as "12 steps/s", or "3.4 s/step" if a unit takes longer than a second."""
        speed = self.per_second
        if not speed:
            return ""
        if speed < 1:
            return f"{1 / speed:.1f} s/{unit}"
        return f"{speed:.0f} {unit}s/s"

    def left(self, units: float) -> str:
        """The time that `units` will take, such as "about 4 min"."""
        return f"about {duration(units / self.per_second)}" if self.per_second else ""


def duration(seconds: float) -> str:
    """A rounded duration: "40 s", "25 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds)) if seconds < 10 else 5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60 // 10 * 10} min"
