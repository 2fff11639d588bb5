"""Pictures and videos of a forecast: poses that were seen solid, future ones transparent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from skelact.files import write_bytes
from skelact.report.canvas import on_canvas
from skelact.report.palette import Bgr, bgr, person_colour
from skelact.skeletons import Skeleton, parts_of
from skelact.types import Floats, PoseSequence, VideoInfo
from skelact.video.decode import Frame, read_frames
from skelact.video.ffmpeg import feed, output_name

SUFFIXES = (".png", ".mp4")
_SHOWN = 4  # future poses of a picture or a frame, the last one at the horizon
_OPACITY = (0.6, 0.15)  # of the first and of the last of them


@dataclass(frozen=True, kw_only=True)
class DrawnPerson:
    """One person at one time: past poses (P, V, 2), the last of them now, and future poses (H, V,
    2), in pixels of the picture; NaN for missing joints."""

    person_id: int
    past: Floats
    future: Floats


def canvas_of(
    sequences: Sequence[Floats], skeleton: Skeleton, path: Path, fps: float
) -> tuple[VideoInfo, list[Floats], Frame]:
    """A blank frame that holds all poses (..., V, D) of `sequences`, in metres if D is 3, and these
    poses in its pixels."""
    flat = [s.reshape(-1, *s.shape[-2:]) for s in sequences]
    points = np.concatenate(flat)[None]  # (1, T, V, D)
    three_d = points.shape[-1] == 3
    blank = np.full((*points.shape[:-1], 2), np.nan, np.float32)
    everything = PoseSequence(
        xy=blank if three_d else points,
        score=np.ones(points.shape[:-1], np.float32),
        skeleton=skeleton,
        fps=fps,
        width=1,
        height=1,
        ids=(0,),
        xyz=points if three_d else None,
    )
    info, frames, images = on_canvas(everything, path)
    missing = np.full((points.shape[2], 2), np.nan, np.float32)
    drawn = np.stack([persons[0].xy if persons else missing for persons in frames])
    ends = np.cumsum([len(f) for f in flat])[:-1]
    parts = np.split(drawn, ends)
    placed = [p.reshape(*s.shape[:-1], 2) for p, s in zip(parts, sequences, strict=True)]
    return info, placed, next(iter(images))


def draw(image: Frame, persons: Sequence[DrawnPerson], skeleton: Skeleton) -> Frame:
    """A copy of the picture (H, W, 3) uint8 BGR with the persons."""
    out = image.copy()
    body = parts_of(skeleton)["pose"]
    edges = [e for e in skeleton.edge_indices if max(e) < body.stop]
    thickness = max(2, round(min(image.shape[:2]) / 150))
    for person in persons:
        colour = bgr(person_colour(person.person_id))
        steps = _spread(len(person.future))
        opacities = np.linspace(*_OPACITY, len(steps))
        for step, opacity in reversed(list(zip(steps, opacities, strict=True))):
            below = out.copy()
            _bones(out, person.future[step, body], edges, _light(colour), thickness)
            out = _mixed(below, out, float(opacity))
        for pose in person.past[:-1]:
            below = out.copy()
            _bones(out, pose[body], edges, colour, max(1, thickness // 2))
            out = _mixed(below, out, 0.5)
        _bones(out, person.past[-1, body], edges, (20, 20, 20), thickness + 2)
        _bones(out, person.past[-1, body], edges, colour, thickness, joints=True)
    return out


def write_picture(image: Frame, out: Path) -> None:
    """Write a PNG file. Raises OSError if it cannot be written."""
    import cv2

    done, content = cv2.imencode(".png", image)
    if not done:
        raise OSError(f"the picture of {image.shape} cannot be encoded")
    write_bytes(out, content.tobytes())


def write_video(
    info: VideoInfo,
    persons: Sequence[Sequence[DrawnPerson]],
    skeleton: Skeleton,
    out: Path,
    images: Iterable[Frame] | None = None,
) -> None:
    """Write the video with the persons of each frame as H.264. `images` are the frames to draw on
    if there is no video. Raises FfmpegError if `out` cannot be written."""
    width, height = info.width + info.width % 2, info.height + info.height % 2
    raw = f"-f rawvideo -pix_fmt bgr24 -s {width}x{height} -r {info.fps:.6f} -i pipe:0"
    encoder = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -movflags +faststart"
    with feed([*raw.split(), *encoder.split(), output_name(out)], out) as write:
        for number, image in enumerate(read_frames(info) if images is None else images):
            frame = np.zeros((height, width, 3), np.uint8)
            here = persons[number] if number < len(persons) else ()
            frame[: image.shape[0], : image.shape[1]] = draw(image, here, skeleton)
            write(frame.tobytes())


def frame_of(info: VideoInfo, number: int) -> Frame:
    """One frame of a video."""
    frames: Iterator[Frame] = iter(read_frames(info, number, number + 1))
    return next(frames)


def _spread(count: int) -> list[int]:
    """Up to _SHOWN indices of `count`, evenly spaced, the last one among them."""
    shown = min(_SHOWN, count)
    return [round((n + 1) * count / shown) - 1 for n in range(shown)]


def _light(colour: Bgr) -> Bgr:
    """Halfway to white."""
    b, g, r = ((c + w) // 2 for c, w in zip(colour, (255, 255, 255), strict=True))
    return b, g, r


def _mixed(below: Frame, above: Frame, opacity: float) -> Frame:
    mixed = below * np.float32(1 - opacity) + above * np.float32(opacity)
    return np.asarray(mixed.round(), np.uint8)


def _bones(
    image: npt.NDArray[np.uint8],
    pose: Floats,
    edges: Sequence[tuple[int, int]],
    colour: Bgr,
    thickness: int,
    joints: bool = False,
) -> None:
    import cv2

    size = 16 * max(image.shape)  # far outside, lines are not drawn
    known = np.isfinite(pose).all(axis=1) & (np.abs(np.nan_to_num(pose)) < size).all(axis=1)
    points = [
        (round(float(x) * 8), round(float(y) * 8)) if k else None
        for (x, y), k in zip(pose, known, strict=True)
    ]
    for a, b in edges:
        start, end = points[a], points[b]
        if start is not None and end is not None:
            cv2.line(image, start, end, colour, thickness, cv2.LINE_AA, 3)
    for point in points:
        if joints and point is not None:
            cv2.circle(image, point, thickness * 8, (255, 255, 255), -1, cv2.LINE_AA, 3)
