"""Draw skeletons, person ids, labels and a timeline onto a video."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from skelact.report.drawing import Image, Painter
from skelact.report.faces import Region, blur, head_regions
from skelact.report.options import OverlayOptions
from skelact.report.panel import Panel
from skelact.report.timeline import SegmentStrip
from skelact.skeletons import Skeleton
from skelact.types import PersonPose, Prediction, Segment, VideoInfo
from skelact.video import audio
from skelact.video.decode import Frame, read_frames
from skelact.video.ffmpeg import feed, output_name


def write_overlay(
    info: VideoInfo,
    frames: Sequence[list[PersonPose]],
    skeleton: Skeleton,
    predictions: Sequence[Prediction],
    out: Path,
    images: Iterable[Frame] | None = None,
    options: OverlayOptions | None = None,
) -> None:
    """Write the video with everything drawn on it as H.264, with its sound as AAC. `frames` are the
    persons of each frame, `images` the frames to draw on if there is no video.

    Raises FfmpegError if `out` cannot be written or the sound cannot be decoded."""
    options = options or OverlayOptions()
    painter = _OverlayPainter(info, skeleton, predictions, len(frames), panel=options.panel)
    hidden = head_regions(frames, skeleton, info.fps) if options.blur_faces else []
    size = f"{painter.width}x{painter.height}"
    raw = f"-f rawvideo -pix_fmt bgr24 -s {size} -r {info.fps:.6f} -i pipe:0"
    encoder = "-c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -movflags +faststart"
    with contextlib.ExitStack() as stack:
        sound = audio.Sound()
        if options.audio and images is None:
            sound = stack.enter_context(audio.beside_frames(info.path))
        arguments = [*raw.split(), *sound.inputs, *encoder.split(), *sound.outputs]
        write = stack.enter_context(feed([*arguments, output_name(out)], out))
        for n, image in enumerate(read_frames(info) if images is None else images):
            persons = frames[n] if n < len(frames) else []
            regions = hidden[min(n, len(hidden) - 1)] if hidden else ()
            write(painter.paint(image, persons, n / info.fps, regions).tobytes())


class _OverlayPainter:
    """Paints the frames of one video: the panel beside the image, the timeline below."""

    def __init__(
        self,
        info: VideoInfo,
        skeleton: Skeleton,
        predictions: Sequence[Prediction],
        frames: int,
        *,
        panel: bool = False,
    ) -> None:
        self.predictions = predictions
        classes = predictions[0].classes if predictions else ()
        known = [p.person_id for p in predictions]
        self.painter = Painter(info.width, info.height, skeleton, classes, known)
        self.video = (info.height, info.width)
        size = self.painter.size
        self.panel = Panel(info.height, size, classes) if panel else None
        width = info.width + (self.panel.width if self.panel else 0)
        self.width = width + width % 2
        duration_s = max(frames / info.fps, 1e-6)
        self.timeline = SegmentStrip(self.width, info.height, size, predictions, duration_s)
        height = info.height + self.timeline.height
        self.height = height + height % 2

    def paint(
        self,
        image: Frame,
        persons: Sequence[PersonPose],
        time_s: float,
        regions: Sequence[Region] = (),
    ) -> Image:
        """The frame with everything drawn on it, (H', W', 3) uint8 BGR; `regions` are blurred."""
        out = np.zeros((self.height, self.width, 3), np.uint8)
        height, width = self.video
        frame = out[:height, :width]
        frame[: image.shape[0], : image.shape[1]] = image[:height, :width]
        blur(frame, regions)
        labels = dict(_labels(self.predictions, time_s))
        self.painter.draw(frame, persons, labels)
        if self.panel:
            out[:height, width : width + self.panel.width] = self.panel.draw(labels)
        out[height : height + self.timeline.height] = self.timeline.at(time_s)
        return out


def _labels(predictions: Sequence[Prediction], time_s: float) -> Iterator[tuple[int, Segment]]:
    """The segment of each person at a time, by its id."""
    for p in predictions:
        for s in p.segments:
            if s.start_s <= time_s < s.end_s:
                yield p.person_id, s
                break
