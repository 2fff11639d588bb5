"""Find and run the FFmpeg program. This is the only module that starts it: its messages go to a
file, so that no full pipe stops it, every wait has a limit, and it never outlives this process."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO

from skelact.errors import FfmpegError
from skelact.processes import Watchdog, end, exit_reason, linked

_VERSION_S = 60.0
_WRITE_S = 300.0  # for one frame
_FINISH_S = 1800.0  # after the last frame; moving the index to the start copies the file
_OPTIONS = ("-nostdin", "-y", "-loglevel", "error")


@cache
def ffmpeg() -> str:
    """The path of the system's ffmpeg, else of the one inside imageio-ffmpeg. Raises FfmpegError if
    there is neither."""
    path = shutil.which("ffmpeg")
    if path:
        return str(Path(path).absolute())
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise FfmpegError(
            "No ffmpeg was found",
            "Run pip install imageio-ffmpeg, or install ffmpeg on the system.",
        ) from None


def version() -> str:
    """The first line of `ffmpeg -version`, shortened to 'ffmpeg version x'. Raises FfmpegError if
    there is no answer."""
    try:
        done = subprocess.run(
            [ffmpeg(), "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_VERSION_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FfmpegError(f"{ffmpeg()} cannot be run: {error}") from error
    return " ".join(done.stdout.split("\n", 1)[0].split()[:3])


def output_name(path: Path) -> str:
    """The name of a file to write, which cannot be taken for an option or a URL."""
    return f"file:{path.absolute()}"


def run(arguments: list[str], about: Path, limit_s: float) -> None:
    """Run ffmpeg with `arguments` to process the file `about`. Raises FfmpegError with the last
    lines of its output if it fails, or if it has not ended after `limit_s`."""
    command = linked([ffmpeg(), *_OPTIONS, *arguments])
    with _started(command, about) as (process, watchdog), watchdog.limit(limit_s):
        process.wait()


@contextlib.contextmanager
def feed(
    arguments: list[str], about: Path, *, own_group: bool = False
) -> Iterator[Callable[[bytes], None]]:
    """Run ffmpeg with `arguments` and yield a function that writes to its standard input. At the
    end of the block, ffmpeg gets the time to finish; if the block raises, ffmpeg is killed. With
    `own_group`, an interrupt at the terminal does not reach it, so that it can finish. Raises
    FfmpegError with the last lines of its output if it fails or does not go on."""
    command = [ffmpeg(), *_OPTIONS, *arguments]
    with _started(command, about, own_group) as (process, watchdog):
        stdin = process.stdin
        assert stdin is not None

        def write(content: bytes) -> None:
            rest = memoryview(content)
            with watchdog.limit(_WRITE_S):
                while rest:
                    rest = rest[stdin.write(rest) :]

        # when the pipe breaks, ffmpeg has ended; `_started` reports its message
        with contextlib.suppress(BrokenPipeError):
            yield write
        with watchdog.limit(_FINISH_S):
            stdin.close()
            process.wait()


@contextlib.contextmanager
def _started(
    command: list[str], about: Path, own_group: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], Watchdog]]:
    """A running ffmpeg, which has ended when the block is left. Raises FfmpegError if it failed."""
    with tempfile.TemporaryFile() as messages:
        try:
            process = subprocess.Popen(
                command,
                bufsize=0,  # so that closing the pipe never has to write
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                start_new_session=own_group,
            )
        except OSError as error:
            raise FfmpegError(f"{command[0]} cannot be run: {error.strerror}") from error
        watchdog = Watchdog(process)
        try:
            yield process, watchdog
        finally:
            watchdog.close()
            end(process)
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        if watchdog.expired:
            raise FfmpegError(
                f"ffmpeg was stopped on {about}: it did not go on",
                "Try it again; if it happens again, re-encode the video.",
            )
        if process.returncode:
            raise FfmpegError(
                f"ffmpeg failed on {about}: {_last_lines(messages, process.returncode)}",
                "Check that the folder exists and that the disk is not full.",
            )


def _last_lines(messages: IO[bytes], code: int) -> str:
    """The last lines that ffmpeg printed, or how it ended if it printed nothing."""
    size = messages.seek(0, 2)
    messages.seek(max(0, size - 4096))
    lines = messages.read().decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or exit_reason(code)
