"""Cutting a video into clips: the plan (which frames), and the cutting itself (FFmpeg, exact frame
counts)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from skelact.errors import ConfigError
from skelact.types import ClipSpan, VideoInfo
from skelact.video.ffmpeg import run


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """How to cut. Seconds."""

    length_s: float = field(
        default=5.0, metadata={"help": "clip length [s]; 0 keeps each video whole"}
    )
    overlap_s: float = field(
        default=0.0, metadata={"help": "how much of a clip the next one repeats [s]"}
    )

    def __post_init__(self) -> None:
        if self.length_s < 0 or self.overlap_s < 0:
            raise ConfigError(
                f"clip length and overlap cannot be negative, got {self.length_s:g} s and "
                f"{self.overlap_s:g} s"
            )
        if self.length_s and self.overlap_s >= self.length_s:
            raise ConfigError(
                f"an overlap of {self.overlap_s:g} s does not move on through clips of "
                f"{self.length_s:g} s",
                "choose an overlap below the length",
            )


@dataclass(frozen=True, kw_only=True)
class CodingOptions:
    """What the pictures become on the way; None keeps them."""

    height: int | None = field(
        default=None, metadata={"help": "picture height [px]; the width follows"}
    )
    fps: float | None = field(default=None, metadata={"help": "frame rate [1/s]"})

    def __post_init__(self) -> None:
        if self.height is not None and self.height < 16:
            raise ConfigError(f"a picture height of {self.height} px is too small", "16 or more")
        if self.fps is not None and not 0 < self.fps <= 480:
            raise ConfigError(f"a frame rate of {self.fps:g} is not possible", "between 0 and 480")

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
