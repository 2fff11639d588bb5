"""The sound of a video, for a new video made from its frames."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from skelact import limits
from skelact.errors import FfmpegError
from skelact.video.access import check_file, input_options, safe_name
from skelact.video.ffmpeg import output_name, run

_LIMIT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Arguments for FFmpeg that add the sound of a video as its second input: those before and
    those after the input's place. There are none for a video without sound."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@contextlib.contextmanager
def beside_frames(path: Path) -> Iterator[Sound]:
    """The sound of a video for the frames of `decode.read_frames`, the first of which is at time 0.

    Sound and picture of a file may begin at different times. What is heard before the first frame
    is left out, what is missing is silence, and the sound ends with the last frame. Raises
    FfmpegError if there is sound that cannot be decoded."""
    check_file(path)
    with safe_name(path) as name:
        source = [*(v for k, o in input_options().items() for v in (f"-{k}", o)), "-i"]
        source.append(f"file:{name}")
        start_s = _first_frame_s(source, path)
        if start_s is None:
            yield Sound()
            return
        # -copyts: time stamps as in the file, not relative to the earlier of sound and picture
        shift = f"asetpts=PTS-({start_s:.6f})/TB,aresample=async=1000:first_pts=0,apad"
        yield Sound(
            inputs=("-copyts", *source),
            outputs=("-map", "0:v", "-map", "1:a:0", "-af", shift, "-c:a", "aac", "-shortest"),
        )


def _first_frame_s(source: list[str], path: Path) -> float | None:
    """The time stamp of the first frame [s]; None if the video has no sound. One frame and a part
    of the sound are decoded for it."""
    with tempfile.TemporaryDirectory(prefix="skelact-") as folder:
        first_frame, streams = Path(folder) / "frame.txt", Path(folder) / "streams.txt"
        picture = ("-map", "0:v:0", "-frames:v", "1", "-f", "framecrc", output_name(first_frame))
        # the picture here too: older versions of ffmpeg refuse an output without any stream
        both = "-map 0:a:0? -map 0:v:0 -frames:v 1 -frames:a 1 -f framecrc".split()
        try:
            run(["-copyts", *source, *picture, *both, output_name(streams)], path, _LIMIT_S)
        except FfmpegError as error:
            raise FfmpegError(
                f"The sound of {path} cannot be copied: {error.message}",
                "Write the overlay without it: --no-audio.",
            ) from error
        sound = "audio" in limits.read_text(streams)
        text = limits.read_text(first_frame)
    unit = re.search(r"^#tb 0: (\d+)/(\d+)", text, re.MULTILINE)
    first = re.search(r"^0, +-?\d+, +(-?\d+),", text, re.MULTILINE)
    if not sound or not unit or not first:
        return None
    return float(int(first[1]) * Fraction(int(unit[1]), int(unit[2])))
