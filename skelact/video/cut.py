"""Cut a video into clips: plan the spans of frames, and write them with FFmpeg, frame by frame
exact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from skelact.config import check_ranges, option
from skelact.errors import ConfigError
from skelact.types import ClipSpan, VideoInfo
from skelact.video.access import check_file, input_options, safe_name
from skelact.video.ffmpeg import output_name, run

_BASE_S, _S_PER_S = 600.0, 60.0  # time limit of a cut, and for each second before its end


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """Division of videos into clips."""

    length_s: float = option(
        5.0, "Clip length in seconds; 0 keeps each video as one clip.", min=0, max=86_400
    )
    overlap_s: float = option(0.0, "Overlap of successive clips in seconds.", min=0, max=86_400)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.length_s and self.overlap_s >= self.length_s:
            raise ConfigError(
                f"The overlap of {self.overlap_s:g} s must be less than the clip length of "
                f"{self.length_s:g} s"
            )


@dataclass(frozen=True, kw_only=True)
class CodingOptions:
    """Re-encoding of videos; None keeps the original value."""

    height: int | None = option(
        None,
        "Frame height in pixels; the width is scaled to match.",
        min=16,
        max=8192,
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
    """The spans of the clips of a video of `frames` frames. The remainder becomes a clip if it has
    at least half the length; a video that is shorter than one clip is kept as one."""
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
    """Write the frames of `span` to `out` as H.264. Frames are counted at the constant rate
    info.fps, so a video of variable rate keeps its timing. Raises FfmpegError if ffmpeg fails."""
    import ffmpeg

    check_file(info.path)
    with safe_name(info.path) as name:
        stream = ffmpeg.input(f"file:{name}", **input_options()).video.filter("fps", fps=info.fps)
        stream = stream.filter("trim", start_frame=span.start, end_frame=span.end).filter(
            "setpts", "PTS-STARTPTS"
        )
        if coding.fps is not None:
            stream = stream.filter("fps", fps=coding.fps)
        if coding.height is not None:
            stream = stream.filter("scale", -2, coding.height - coding.height % 2)
        else:
            # yuv420p requires even sizes
            stream = stream.filter("crop", "trunc(iw/2)*2", "trunc(ih/2)*2", 0, 0)
        output = stream.output(
            "",  # replaced below: ffmpeg-python needs a name in UTF-8
            vcodec="libx264",
            crf=18,
            preset="veryfast",
            pix_fmt="yuv420p",
            movflags="+faststart",
        )
        arguments = [*output.get_args()[:-1], output_name(out)]
        run(arguments, info.path, _BASE_S + _S_PER_S * span.end / info.fps)
