"""Draw skeletons, person ids, labels and a timeline onto a video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.skeletons import Skeleton, parts_of
from skelact.types import UNKNOWN, PersonPose, Prediction, Segment, VideoInfo
from skelact.video.decode import Frame, read_frames
from skelact.video.ffmpeg import feed, output_name

Colour = tuple[int, int, int]  # BGR
PERSON_COLOURS: tuple[Colour, ...] = (
    (80, 200, 255),
    (255, 170, 60),
    (120, 230, 120),
    (220, 120, 240),
    (90, 120, 255),
    (230, 220, 90),
)
CLASS_COLOURS: tuple[Colour, ...] = (
    (119, 68, 51),
    (51, 119, 238),
    (0, 136, 102),
    (119, 51, 204),
    (187, 119, 0),
    (17, 68, 170),
    (136, 34, 136),
    (85, 119, 17),
    (60, 60, 190),
    (150, 100, 60),
)
WHITE: Colour = (255, 255, 255)
UNLABELLED: Colour = (60, 60, 60)  # no label, or unknown
ROWS = 4  # persons on the timeline
Box = tuple[int, int, int, int]  # left, top, right, bottom [px], without the last two
_MIN_SCORE = 0.3
_WEAK_SCORE = 0.5  # persons with a lower mean score are drawn faint
_FAINT = 0.3  # opacity of faint persons


def write_overlay(
    info: VideoInfo,
    frames: Sequence[list[PersonPose]],
    skeleton: Skeleton,
    predictions: Sequence[Prediction],
    out: Path,
    images: Iterable[Frame] | None = None,
) -> None:
    """Write the video with everything drawn on it as H.264. `frames` are the persons of each frame,
    `images` the frames to draw on if there is no video.

    Raises FfmpegError if `out` cannot be written."""
    painter = _Painter(info, skeleton, predictions, len(frames))
    size = f"{painter.width}x{painter.height}"
    raw = f"-f rawvideo -pix_fmt bgr24 -s {size} -r {info.fps:.6f} -i pipe:0"
    encoder = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -movflags +faststart"
    with feed([*raw.split(), *encoder.split(), output_name(out)], out) as write:
        for n, image in enumerate(read_frames(info) if images is None else images):
            persons = frames[n] if n < len(frames) else []
            write(painter.paint(image, persons, n / info.fps).tobytes())


@lru_cache(maxsize=512)
def _text(content: str, size: int) -> npt.NDArray[np.float32]:
    """A line of text in DejaVu Sans as an alpha mask (h, w, 1) float32 in [0, 1]."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size
    )
    left, _, right, _ = font.getbbox(content)
    image = Image.new("L", (max(1, int(right - left) + 2), int(size * 1.35)))
    ImageDraw.Draw(image).text((1 - left, 0), content, fill=255, font=font)
    return np.asarray(image, np.float32)[..., None] / 255


class _Painter:
    def __init__(
        self, info: VideoInfo, skeleton: Skeleton, predictions: Sequence[Prediction], frames: int
    ) -> None:
        self.width = info.width + info.width % 2
        self.size = max(11, round(min(info.width, info.height) / 26))
        self.by_person = {p.person_id: p for p in predictions}
        self.rows = list(predictions)[:ROWS]
        self.row_height = round(self.size * 1.9)
        strip = self.row_height * max(1, len(self.rows)) + self.size
        self.height = info.height + strip + (info.height + strip) % 2
        self.video_height = info.height
        self.skeleton = skeleton
        self.body = parts_of(skeleton)["pose"]
        edges = skeleton.edge_indices
        self.edges = [e for e in edges if max(e) < self.body.stop]
        self.detail_edges = [e for e in edges if max(e) >= self.body.stop]  # hands and face
        self.duration = max(frames / info.fps, 1e-6)
        self.thickness = max(1, round(min(info.width, info.height) / 180))
        self.left = round(self.size * 3.2)
        self.timeline = self._draw_timeline()

    def class_colour(self, label: str, classes: tuple[str, ...]) -> Colour:
        if label not in classes:
            return UNLABELLED
        return CLASS_COLOURS[classes.index(label) % len(CLASS_COLOURS)]

    def _x(self, time_s: float) -> int:
        width = self.width - self.left - self.size // 2
        return self.left + round(width * min(time_s / self.duration, 1))

    def _put(
        self,
        image: npt.NDArray[np.uint8],
        content: str,
        x: int,
        y: int,
        colour: Colour,
        max_width: int | None = None,
    ) -> None:
        """Draw text with its top left corner at (x, y), unless it is wider than `max_width`
        pixels."""
        alpha = _text(content, self.size)
        h, w = alpha.shape[:2]
        if max_width is not None and w > max_width:
            return
        x, y = max(0, min(x, image.shape[1] - w)), max(0, min(y, image.shape[0] - h))
        part = image[y : y + h, x : x + w]
        a = alpha[: part.shape[0], : part.shape[1]]
        part[:] = (part * (1 - a) + np.array(colour, np.float32) * a).astype(np.uint8)

    def _draw_timeline(self) -> npt.NDArray[np.uint8]:
        strip = np.full((self.height - self.video_height, self.width, 3), (38, 34, 32), np.uint8)
        for row, prediction in enumerate(self.rows):
            top = self.size // 2 + row * self.row_height
            bottom = top + self.row_height - self.size // 3
            name = "all" if prediction.person_id < 0 else f"#{prediction.person_id}"
            colour = PERSON_COLOURS[prediction.person_id % len(PERSON_COLOURS)]
            self._put(strip, name, self.size // 2, top + self.size // 5, colour)
            strip[top:bottom, self._x(0) : self._x(self.duration)] = (58, 52, 50)
            for segment in prediction.segments:
                a, b = self._x(segment.start_s), self._x(segment.end_s)
                colour = self.class_colour(segment.label, prediction.classes)
                strip[top:bottom, a : max(a + 1, b - 1)] = colour
                x, y = a + self.size // 3, top + self.size // 5
                self._put(strip, segment.label, x, y, WHITE, max(1, b - a - self.size // 2))
        return strip

    def paint(
        self, image: Frame, persons: Sequence[PersonPose], time_s: float
    ) -> npt.NDArray[np.uint8]:
        """The frame with everything drawn on it and the timeline below, (H', W', 3) uint8 BGR."""
        out = np.zeros((self.height, self.width, 3), np.uint8)
        out[: self.video_height, : image.shape[1]] = image[: self.video_height, : self.width]
        frame = out[: self.video_height]
        # weak persons first, below the others; strong ones choose the place of their label first
        ranked = sorted(persons, key=lambda p: (self._is_weak(p, time_s), -mean_score(p)))
        for person in reversed(ranked):
            if self._is_weak(person, time_s):
                below = frame.copy()
                self._bones(frame, person)
                frame[:] = (frame * _FAINT + below * (1 - _FAINT)).astype(np.uint8)
            else:
                self._bones(frame, person)
        taken: list[Box] = []
        for person in ranked:
            self._label(frame, person, time_s, taken)
        out[self.video_height :] = self.timeline
        x = self._x(time_s)
        out[self.video_height + 2 : self.height - 2, x : x + max(2, self.thickness)] = WHITE
        return out

    def _is_weak(self, person: PersonPose, time_s: float) -> bool:
        """Whether a person is probably none: a low score, or too briefly visible for a label."""
        if mean_score(person) < _WEAK_SCORE:
            return True
        prediction = self.by_person.get(person.person_id) or self.by_person.get(-1)
        return prediction is None and bool(self.by_person)

    def _bones(self, frame: npt.NDArray[np.uint8], person: PersonPose) -> None:
        import cv2

        colour = PERSON_COLOURS[person.person_id % len(PERSON_COLOURS)]
        visible = (person.score >= _MIN_SCORE) & ~np.isnan(person.xy).any(axis=1)
        points = [
            (round(float(x) * 8), round(float(y) * 8)) if ok else None
            for (x, y), ok in zip(person.xy, visible, strict=True)
        ]
        thin = max(1, self.thickness // 3)
        dark: Colour = (20, 20, 20)
        layers = [(self.edges, self.thickness + 2, dark), (self.edges, self.thickness, colour)]
        if thin > 1:  # thinner lines would be hidden by their outline
            layers.append((self.detail_edges, thin + 2, dark))
        for edges, thickness, shade in (*layers, (self.detail_edges, thin, colour)):
            for a, b in edges:
                pa, pb = points[a], points[b]
                if pa is not None and pb is not None:
                    cv2.line(frame, pa, pb, shade, thickness, cv2.LINE_AA, 3)
        for point in filter(None, points[self.body]):
            cv2.circle(frame, point, self.thickness * 8, WHITE, -1, cv2.LINE_AA, 3)

    def _label(
        self,
        frame: npt.NDArray[np.uint8],
        person: PersonPose,
        time_s: float,
        taken: list[Box],
    ) -> None:
        """Draw the label of a person where it covers none of the boxes in `taken`, and add its box
        to them. A label without a free place is left out if the person is weak."""
        body = person.xy[self.body]
        if np.isnan(body).all():
            return
        prediction = self.by_person.get(person.person_id) or self.by_person.get(-1)
        segment = _segment_at(prediction.segments, time_s) if prediction else None
        content, fill = f"#{person.person_id}", UNLABELLED
        if segment and prediction:
            content += f"  {segment.label}"
            if segment.label != UNKNOWN:
                content += f" {segment.probability:.0%}"
            fill = self.class_colour(segment.label, prediction.classes)
        alpha = _text(content, self.size)
        h, w = alpha.shape[0] + self.size // 2, alpha.shape[1] + self.size
        centre = float(np.nanmean(body[:, 0]))
        x = max(0, min(round(centre - w / 2), frame.shape[1] - w))
        top = float(np.nanmin(body[:, 1]))
        y = max(0, min(round(top - h - self.size * 1.2), frame.shape[0] - h))
        weak = self._is_weak(person, time_s)
        place = free_place(x, y, w, h, taken, frame.shape[0])
        if place is None:
            if weak:
                return
            place = (x, y, x + w, y + h)
        taken.append(place)
        x, y = place[:2]
        box = frame[y : y + h, x : x + w]
        share = 0.4 if weak else 0.85
        box[:] = (box * (1 - share) + np.array(fill, np.float32) * share).astype(np.uint8)
        self._put(frame, content, x + self.size // 2, y + self.size // 4, WHITE)


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


def _segment_at(segments: Sequence[Segment], time_s: float) -> Segment | None:
    return next((s for s in segments if s.start_s <= time_s < s.end_s), None)
