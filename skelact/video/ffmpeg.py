"""Find and run the FFmpeg program."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from skelact.errors import FfmpegError


@cache
def ffmpeg() -> str:
    """The path of the system's ffmpeg, else of the one inside imageio-ffmpeg. Raises FfmpegError if
    there is neither."""
    path = shutil.which("ffmpeg")
    if path:
        return path
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise FfmpegError(
            "No ffmpeg was found",
            "Run pip install imageio-ffmpeg, or install ffmpeg on the system.",
        ) from None


def version() -> str:
    """The first line of `ffmpeg -version`, shortened to 'ffmpeg version x'."""
    line = subprocess.run(
        [ffmpeg(), "-version"], capture_output=True, text=True, check=False
    ).stdout.split("\n", 1)[0]
    return " ".join(line.split()[:3])


def run(arguments: list[str], about: Path) -> None:
    """Run ffmpeg with `arguments` to process the file `about`. Raises FfmpegError with the last
    lines of its output if it fails."""
    command = [ffmpeg(), "-nostdin", "-y", "-loglevel", "error", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        last = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise FfmpegError(f"ffmpeg failed on {about}: {last}")
