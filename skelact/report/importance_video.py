"""The video of an explanation: every joint has the colour and the size of its contribution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.report.body import heat
from skelact.report.text import alpha_of as text_mask
from skelact.skeletons import Skeleton, convert
from skelact.types import PersonPose, VideoInfo
from skelact.video.decode import Frame, read_frames
from skelact.video.ffmpeg import feed, output_name

_SMOOTH_S = 0.12  # deviation of the kernel over time: single frames would flicker
_STRIP = 2.6  # height of the strip below the video, in lines of text
_ROWS = 8  # persons with a strip
_MIN_SCORE = 0.3
_GREY = (150, 150, 150)


@dataclass(frozen=True, kw_only=True)
class PersonHeat:
    """What is drawn of one person: the contributions (T, V) from frame `start` of the video on, in
    the joints of `skeleton`, and the words above the strip."""

    person_id: int
    title: str
    values: npt.NDArray[np.float64]
    start: int
    skeleton: Skeleton


def smooth(values: npt.NDArray[np.float64], fps: float) -> npt.NDArray[np.float64]:
    """Values (T, V) after a Gaussian kernel over time that keeps the sums."""
    reach = max(1, round(3 * _SMOOTH_S * fps))
    kernel = np.exp(-np.square(np.arange(-reach, reach + 1) / (_SMOOTH_S * fps)) / 2)
    padded = np.pad(
        values, ((reach, reach), (0, 0)), mode="reflect" if len(values) > reach else "edge"
    )
    columns = [np.convolve(c, kernel / kernel.sum(), "valid") for c in padded.T]
    return np.stack(columns, axis=1)


def write_importance(
    info: VideoInfo,
    frames: Sequence[list[PersonPose]],
    source: Skeleton,
    people: Sequence[PersonHeat],
    out: Path,
    images: Iterable[Frame] | None = None,
) -> None:
    """Write the video as H.264. `frames` are the persons of each frame in the joints of `source`,
    `images` the frames to draw on if there is no video. Raises FfmpegError if `out` cannot be
    written."""
    painter = _HeatPainter(info, source, people, len(frames))
    size = f"{painter.width}x{painter.height}"
    raw = f"-f rawvideo -pix_fmt bgr24 -s {size} -r {info.fps:.6f} -i pipe:0"
    encoder = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -movflags +faststart"
    with feed([*raw.split(), *encoder.split(), output_name(out)], out) as write:
        for n, image in enumerate(read_frames(info) if images is None else images):
            write(painter.paint(image, frames[n] if n < len(frames) else [], n).tobytes())


class _HeatPainter:
    def __init__(
        self, info: VideoInfo, source: Skeleton, people: Sequence[PersonHeat], frames: int
    ) -> None:
        self.width = info.width + info.width % 2
        self.video_height = info.height
        self.line = max(11, round(min(info.width, info.height) / 26))
        self.row = round(self.line * _STRIP)
        strip = self.row * min(len(people), _ROWS)
        self.height = info.height + strip + (info.height + strip) % 2
        self.source, self.people, self.frames = source, people, max(frames, 1)
        self.unit = max(2.0, min(info.width, info.height) / 90)
        self.heat: dict[int, npt.NDArray[np.float64]] = {}
        for p in people:
            values = smooth(p.values, info.fps)
            limit = max(float(np.percentile(np.abs(values).max(axis=1), 95)), 1e-12)
            scaled = (values / limit).clip(-1, 1)[..., None]
            own = convert(scaled, p.skeleton, source)[..., 0]  # NaN for joints it does not see
            self.heat[p.person_id] = own
        self.strip = self._draw_strip()

    def _draw_strip(self) -> npt.NDArray[np.uint8]:
        """For each person the words, and below them the sum of all joints over time."""
        out = np.full((self.height - self.video_height, self.width, 3), (38, 34, 32), np.uint8)
        for n, p in enumerate(self.people[:_ROWS]):
            top = n * self.row
            mask = text_mask(p.title, self.line)[:, : self.width - 8]
            part = out[top + 2 : top + 2 + len(mask), 4 : 4 + mask.shape[1]]
            part[:] = (part * (1 - mask) + 255 * mask).astype(np.uint8)
            values = np.nansum(self.heat[p.person_id], axis=1)
            values = values / max(float(np.abs(values).max()), 1e-12)
            at = np.arange(self.width) * self.frames // self.width - p.start
            inside = (at >= 0) & (at < len(values))
            colours = [
                _bgr(values[t]) if ok else (58, 52, 50) for t, ok in zip(at, inside, strict=True)
            ]
            out[top + round(1.5 * self.line) : top + self.row - 3] = np.array(colours, np.uint8)
        return out

    def paint(
        self, image: Frame, persons: Sequence[PersonPose], number: int
    ) -> npt.NDArray[np.uint8]:
        """The frame with everything drawn on it, (H', W', 3) uint8 BGR."""
        out = np.zeros((self.height, self.width, 3), np.uint8)
        out[: self.video_height, : image.shape[1]] = image[: self.video_height, : self.width]
        by_id = {p.person_id: p for p in self.people}
        for n, person in enumerate(persons):
            heat_of = by_id.get(person.person_id if person.person_id >= 0 else n)
            row = None
            if heat_of is not None and 0 <= number - heat_of.start < len(heat_of.values):
                row = self.heat[heat_of.person_id][number - heat_of.start]
            self._person(out[: self.video_height], person, row)
        out[self.video_height :] = self.strip
        x = min(self.width - 2, number * self.width // self.frames)
        out[self.video_height :, x : x + 2] = 255
        return out

    def _person(
        self,
        frame: npt.NDArray[np.uint8],
        person: PersonPose,
        row: npt.NDArray[np.float64] | None,
    ) -> None:
        import cv2

        points = [
            (round(float(p[0]) * 8), round(float(p[1]) * 8))
            if score >= _MIN_SCORE and not np.isnan(p).any()
            else None
            for p, score in zip(person.xy, person.score, strict=True)
        ]
        thin = max(1, round(self.unit / 2))
        for shade, width in (((20, 20, 20), thin + 2), (_GREY, thin)):
            for a, b in self.source.edge_indices:
                pa, pb = points[a], points[b]
                if pa is not None and pb is not None:
                    cv2.line(frame, pa, pb, shade, width, cv2.LINE_AA, 3)
        if row is None:
            return
        for v in np.argsort(np.abs(np.nan_to_num(row)), kind="stable"):
            point = points[v]
            if point is None or np.isnan(row[v]):
                continue
            radius = round(8 * self.unit * (0.5 + 1.6 * abs(float(row[v])) ** 0.5))
            cv2.circle(frame, point, radius + 8, (20, 20, 20), -1, cv2.LINE_AA, 3)
            cv2.circle(frame, point, radius, _bgr(float(row[v])), -1, cv2.LINE_AA, 3)


def _bgr(value: float) -> tuple[int, int, int]:
    red, green, blue = (int(heat(value)[n : n + 2], 16) for n in (1, 3, 5))
    return blue, green, red
