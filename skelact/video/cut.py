"""Cutting a video into clips: the plan (which frames), and the cutting itself (FFmpeg, exact frame
counts)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.types import ClipSpan, VideoInfo
from skelact.video.ffmpeg import run


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """Division of videos into clips."""

    length_s: float = option(5.0, "Clip length in seconds; 0 keeps each video as one clip.", min=0)
    overlap_s: float = option(0.0, "Overlap of successive clips in seconds.", min=0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.length_s and self.overlap_s >= self.length_s:
            raise ConfigError(
                f"an overlap of {self.overlap_s:g} s must be less than the clip length of "
                f"{self.length_s:g} s"
            )


@dataclass(frozen=True, kw_only=True)
class CodingOptions:
    """Re-encoding of videos; None keeps the original value."""

    height: int | None = option(
        None,
        "Frame height in pixels; the width is scaled to match.",
        min=16,
        default_text="unchanged",
    )
    fps: float | None = option(
        None, "Frame rate in frames per second.", above=0, max=480, default_text="unchanged"
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def changes(self) -> bool:
        return self.height is not None or self.fps is not None


def plan(frames: int, fps: float, options: ClipOptions) -> list[ClipSpan]:
    """The clips of a video of `frames` frames. The remainder is kept if it is at least half a clip,
    and a video shorter than that is one clip."""
    length = round(options.length_s * fps)
    if length <= 0 or frames <= length:
        return [ClipSpan(0, frames)]
    step = max(1, round((options.length_s - options.overlap_s) * fps))
    spans = [ClipSpan(start, start + length) for start in range(0, frames - length + 1, step)]
    start = len(spans) * step
    if frames - start >= length / 2 and spans[-1].end < frames:
        spans.append(ClipSpan(start, frames))
    return spans


def cut(info: VideoInfo, span: ClipSpan, out: Path, coding: CodingOptions) -> None:
    """Write the frames of `span` to `out` as H.264, counted on the constant grid of info.fps (so a
    variable-rate video keeps its timing).

    FfmpegError if ffmpeg fails."""
    import ffmpeg

    stream = ffmpeg.input(str(info.path)).video.filter("fps", fps=info.fps)
    stream = stream.filter("trim", start_frame=span.start, end_frame=span.end).filter(
        "setpts", "PTS-STARTPTS"
    )
    if coding.fps is not None:
        stream = stream.filter("fps", fps=coding.fps)
    if coding.height is not None:
        stream = stream.filter("scale", -2, coding.height - coding.height % 2)
    else:
        stream = stream.filter(
            "crop", "trunc(iw/2)*2", "trunc(ih/2)*2", 0, 0
        )  # yuv420p has no odd sizes
    made = stream.output(
        str(out),
        vcodec="libx264",
        crf=18,
        preset="veryfast",
        pix_fmt="yuv420p",
        movflags="+faststart",
    )
    run(made.get_args(), info.path)
