"""Draw the skeletons and labels of persons on a frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from skelact.report import text
from skelact.report.palette import DARK, LIGHT, bgr, class_colour, person_colour, text_on
from skelact.skeletons import Skeleton, parts_of
from skelact.types import UNKNOWN, PersonPose, Segment

Image = npt.NDArray[np.uint8]  # (H, W, 3) BGR
Box = tuple[int, int, int, int]  # left, top, right, bottom [px], without the last two
EVERYBODY = -1  # the person id of labels for all persons together
_MIN_SCORE = 0.3
_WEAK_SCORE = 0.5  # persons with a lower mean score are drawn faint
_FAINT = 0.3  # opacity of faint persons


def font_size(width: int, height: int) -> int:
    """The size of the text for a frame of this size [px]."""
    return max(11, round(min(width, height) / 28))


def name_of(person_id: int) -> str:
    """How a person is called: #3, or all."""
    return "all" if person_id == EVERYBODY else f"#{person_id}"


class Painter:
    """Draws persons on frames of one size. `known` are the ids of the persons that have a label at
    some time; others are drawn faint, unless `known` is empty."""

    def __init__(
        self,
        width: int,
        height: int,
        skeleton: Skeleton,
        classes: Sequence[str],
        known: Collection[int] = (),
    ) -> None:
        self.size = font_size(width, height)
        self.thickness = max(1, round(min(width, height) / 180))
        self.classes, self.known = classes, frozenset(known)
        self.body = parts_of(skeleton)["pose"]
        edges = skeleton.edge_indices
        self.edges = [e for e in edges if max(e) < self.body.stop]
        self.detail_edges = [e for e in edges if max(e) >= self.body.stop]  # hands and face

    def draw(
        self, frame: Image, persons: Sequence[PersonPose], labels: Mapping[int, Segment]
    ) -> None:
        """Draw the persons of a frame on it. `labels` are those of the moment by person id, or one
        of EVERYBODY."""
        # weak persons first, below the others; strong ones choose the place of their label first
        ranked = sorted(persons, key=lambda p: (self._is_weak(p), -mean_score(p)))
        for person in reversed(ranked):
            if self._is_weak(person):
                below = frame.copy()
                self._bones(frame, person)
                frame[:] = (frame * _FAINT + below * (1 - _FAINT)).astype(np.uint8)
            else:
                self._bones(frame, person)
        taken: list[Box] = []
        for person in ranked:
            label = labels.get(person.person_id) or labels.get(EVERYBODY)
            self._label(frame, person, label, taken)

    def _is_weak(self, person: PersonPose) -> bool:
        """Whether a person is probably none: a low score, or too briefly visible for a label."""
        if mean_score(person) < _WEAK_SCORE:
            return True
        return bool(self.known) and not {person.person_id, EVERYBODY} & self.known

    def _bones(self, frame: Image, person: PersonPose) -> None:
        import cv2

        colour = bgr(person_colour(person.person_id))
        visible = (person.score >= _MIN_SCORE) & ~np.isnan(person.xy).any(axis=1)
        points = [
            (round(float(x) * 8), round(float(y) * 8)) if ok else None
            for (x, y), ok in zip(person.xy, visible, strict=True)
        ]
        thin = max(1, self.thickness // 3)
        dark = bgr(DARK)
        layers = [(self.edges, self.thickness + 2, dark), (self.edges, self.thickness, colour)]
        if thin > 1:  # thinner lines would be hidden by their outline
            layers.append((self.detail_edges, thin + 2, dark))
        for edges, thickness, shade in (*layers, (self.detail_edges, thin, colour)):
            for a, b in edges:
                pa, pb = points[a], points[b]
                if pa is not None and pb is not None:
                    cv2.line(frame, pa, pb, shade, thickness, cv2.LINE_AA, 3)
        for point in filter(None, points[self.body]):
            cv2.circle(frame, point, self.thickness * 8, bgr(LIGHT), -1, cv2.LINE_AA, 3)

    def _label(
        self, frame: Image, person: PersonPose, label: Segment | None, taken: list[Box]
    ) -> None:
        """Draw the label of a person where it covers none of the boxes in `taken`, and add its box
        to them. A label without a free place is left out if the person is weak."""
        body = person.xy[self.body]
        if np.isnan(body).all():
            return
        content, colour = name_of(person.person_id), class_colour("", ())
        if label is not None:
            content += f"  {label.label}"
            if label.label != UNKNOWN:
                content += f" {label.probability:.0%}"
            colour = class_colour(label.label, self.classes)
        stripe = max(3, self.size // 3)  # in the colour of the person
        content = text.shortened(content, self.size, frame.shape[1] - self.size - stripe)
        alpha = text.alpha_of(content, self.size)
        h, w = alpha.shape[0] + self.size // 2, alpha.shape[1] + self.size + stripe
        centre = float(np.nanmean(body[:, 0]))
        x = max(0, min(round(centre - w / 2), frame.shape[1] - w))
        top = float(np.nanmin(body[:, 1]))
        y = max(0, min(round(top - h - self.size * 1.2), frame.shape[0] - h))
        weak = self._is_weak(person)
        place = free_place(x, y, w, h, taken, frame.shape[0])
        if place is None:
            if weak:
                return
            place = (x, y, x + w, y + h)
        taken.append(place)
        left, top_, _, bottom = place
        opacity = 0.4 if weak else 0.9
        text.fill(frame, place, colour, opacity)
        own = (left, top_, left + stripe, bottom)
        text.fill(frame, own, person_colour(person.person_id), opacity)
        ink = LIGHT if weak else text_on(colour)
        x, y = left + stripe + self.size // 2, top_ + self.size // 4
        text.put(frame, content, x, y, self.size, ink)


def mean_score(person: PersonPose) -> float:
    """The mean score of the joints of a person that are not missing."""
    known = ~np.isnan(person.xy).any(axis=1) & (person.score > 0)
    return float(person.score[known].mean()) if known.any() else 0.0


def free_place(
    x: int, y: int, width: int, height: int, taken: Sequence[Box], image_height: int
) -> Box | None:
    """The box of this size nearest to (x, y), moved up or down by whole heights, that overlaps none
    of the boxes in `taken` and is inside the image. None if there is none within four heights."""
    for step in (0, -1, 1, -2, 2, -3, 3, -4, 4):
        top = y + step * (height + 1)
        box = (x, top, x + width, top + height)
        if 0 <= top <= image_height - height and not any(_overlap(box, other) for other in taken):
            return box
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
