"""One followed person: poses, motion, colours, and the evidence that it is a person."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from skelact.pose.blazepose.appearance import difference
from skelact.pose.blazepose.landmarks import Fit, Region
from skelact.pose.blazepose.verify import Evidence
from skelact.pose.track import area
from skelact.types import Floats

_MOMENTUM, _COLOUR_RATE, _SIZE_RATE = 0.7, 0.2, 0.3
_MOTION_S = 0.5  # a prediction by motion loses its value in this time
_COLOUR_WEIGHT = 2.0
_BRIDGE_S = 0.2  # longest gap that is filled with weak poses


@dataclass(kw_only=True)
class Motion:
    """Where a person was seen last and how the body moved [px/frame]."""

    frame: int
    fit: Fit
    velocity: npt.NDArray[np.float32]

    def position(self, frame: int, fps: float) -> Floats:
        """(33, 2) joints predicted for a later frame; the motion fades out."""
        steps = frame - self.frame
        fade = _MOTION_S * fps
        return self.fit.xy + self.velocity * np.float32(fade * (1 - np.exp(-steps / fade)))


@dataclass(kw_only=True, eq=False)
class Track:
    """A person who is followed. `fits` holds the poses by frame, as far as they are not yet
    released. `region` is searched in the next frame."""

    born: int
    motion: Motion
    region: Region
    evidence: Evidence
    colours: Floats
    size: float  # side of the region, averaged over time [px]
    fps: float
    fits: dict[int, Fit] = field(default_factory=dict)
    weak: dict[int, Fit] = field(default_factory=dict)  # used only if the person is seen again soon
    missed: int = 0  # frames since the person was seen
    rival: Track | None = None  # who hides this person
    rival_before: Motion | None = None  # motion of the rival when that began
    person_id: int = -1
    accepted: bool = False
    ended: bool = False

    def see(self, frame: int, fit: Fit, colours: Floats | None) -> None:
        """Add the pose of a frame. `colours` are None if they may be those of somebody else."""
        steps = max(1, frame - self.motion.frame)
        step = np.median(fit.xy - self.motion.fit.xy, axis=0) / steps
        velocity = _MOMENTUM * self.motion.velocity + (1 - _MOMENTUM) * step
        self.motion = Motion(frame=frame, fit=fit, velocity=velocity.astype(np.float32))
        self.region, self.missed = fit.region, 0
        self.rival = self.rival_before = None
        for n, earlier in self.weak.items():
            self.add(n, earlier)
        self.weak.clear()
        self.add(frame, fit)
        if colours is not None:
            self.size = (1 - _SIZE_RATE) * self.size + _SIZE_RATE * fit.region.size
            self.colours = (1 - _COLOUR_RATE) * self.colours + _COLOUR_RATE * colours

    def add(self, frame: int, fit: Fit) -> None:
        """Add the pose of an earlier frame."""
        self.fits[frame] = fit
        self.evidence.add(fit)

    def miss(self, frame: int) -> None:
        """Nothing was found in this frame: predict the region of the next one."""
        self.missed = frame - self.motion.frame
        if self.missed > _BRIDGE_S * self.fps:
            self.weak.clear()
        moved = np.median(self.predicted(frame + 1) - self.motion.fit.xy, axis=0)
        self.region = self.motion.fit.region.moved(moved)

    def predicted(self, frame: int) -> Floats:
        """(33, 2) joints predicted for a frame."""
        return self.motion.position(frame, self.fps)

    def cost(self, frame: int, fit: Fit, colours: Floats, motion: Motion | None = None) -> float:
        """How badly a pose fits this person: distance to the predicted one in units of body size,
        less important the longer ago the person was seen, and difference of colours."""
        motion = motion or self.motion
        trust = float(np.exp(-max(0, frame - motion.frame - 1) / (_MOTION_S * self.fps)))
        size = float(np.sqrt(area(motion.fit.xy)))
        gaps = np.linalg.norm(fit.xy - motion.position(frame, self.fps), axis=1)
        far = min(1.0, float(np.median(gaps)) / size)
        return trust * far + _COLOUR_WEIGHT * difference(colours, self.colours)

    def exchange(self, other: Track, since: int) -> None:
        """Exchange the identities of two tracks: everything before the frame `since`."""
        for name in ("colours", "size", "evidence", "born", "person_id", "accepted"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, theirs)
            setattr(other, name, mine)
        early = [{n: f for n, f in t.fits.items() if n < since} for t in (self, other)]
        late = [{n: f for n, f in t.fits.items() if n >= since} for t in (self, other)]
        self.fits, other.fits = early[1] | late[0], early[0] | late[1]
