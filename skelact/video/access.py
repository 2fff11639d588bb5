"""Which files FFmpeg may open, in this process (OpenCV) or as a program: a video is one regular
file in a container format, and neither its name nor its content makes FFmpeg open another file."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from skelact.errors import InputError, NotAVideo, PathMissing

# demuxers that read nothing but the file itself: no playlists, image sequences or devices
FORMATS = (
    *("avi", "mov", "matroska", "mpeg", "mpegts", "mpegvideo", "asf", "flv", "live_flv", "ogg"),
    *("gif", "m4v", "h264", "hevc", "av1", "obu", "ivf", "mjpeg", "h261", "h263", "vc1", "dv"),
    *("mxf", "nut", "yuv4mpegpipe"),
)
PROTOCOLS = ("file",)

_OPENCV_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_environment = threading.Lock()
# characters of names that are wildcards of FFmpeg or cannot be passed to OpenCV (bytes that are not
# UTF-8, which Python represents by surrogates)
_SPECIAL = re.compile(r"[%*?\[\]{}|\x00-\x1f\x7f\ud800-\udfff]")
# OpenCV 4.11 ignores the options below, so content that makes FFmpeg open other files is recognised
# here too. FFmpeg looks at the beginning of a file, and in text for these words up to a zero byte.
_PROBED_BYTES = 1 << 20  # as FFmpeg does
_STARTS = {
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat": "a list of files for FFmpeg",
    b"v=0": "a description of a stream (SDP)",
    b"<?xml": "a playlist or another document in XML",
    b"# VobSub": "an index of subtitles",
    b"MLVI": "a recording in several files (MLV)",
    b"ID3": "an audio file, or another file with an ID3 tag",
}
_WORDS = {
    b"c=IN IP": "a description of a stream (SDP)",
    b"<mpd": "a DASH manifest",
    b"<compositionplaylist": "an IMF playlist",
}
_TEXT = re.compile(rb"[\t\n\r\f\x20-\x7e\x80-\xff]*")


def check_file(path: Path) -> None:
    """Raises PathMissing or NotAVideo unless `path` is a regular file that can be read, has
    content, and is not a list of other files."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotAVideo(f"{path} is not a regular file", "Name a video file.")
        if status.st_size == 0:
            raise NotAVideo(f"{path} is empty (0 bytes)", "Copy or download it again.")
        with path.open("rb") as file:
            kind = _other_kind(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PathMissing(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NotAVideo(f"{path} cannot be read: {reason}") from error
    if kind:
        raise NotAVideo(
            f"{path} is not a video, but {kind}",
            "Name the video files themselves. Lists of files are not opened.",
        )


def _other_kind(file: IO[bytes]) -> str:
    """What a file is if it cannot be a video, or could make FFmpeg open other files; else ''."""
    head = file.read(4096)
    if b"\0" not in head:
        head += file.read(_PROBED_BYTES - len(head))
    for start, kind in _STARTS.items():
        if head.removeprefix(b"\xef\xbb\xbf").lstrip()[: len(start)] == start:
            return kind
    words = head.partition(b"\0")[0].lower()
    for word, kind in _WORDS.items():
        if word.lower() in words:
            return kind
    return "a text file" if _TEXT.fullmatch(head[:1024]) else ""


@contextlib.contextmanager
def safe_name(path: Path) -> Iterator[str]:
    """A name for FFmpeg under which it opens exactly the file `path`: the absolute path, which
    cannot be taken for an option or a URL, or, if a part of it has a meaning for FFmpeg or is not
    UTF-8, a symbolic link in a temporary folder that is removed at the end. Raises InputError if
    there can be no link."""
    name = str(path.absolute())
    if not _SPECIAL.search(name):
        yield name
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="skelact-"))
            suffix = path.suffix if re.fullmatch(r"\.[A-Za-z0-9]+", path.suffix) else ""
            link = Path(folder) / f"video{suffix}"
            link.symlink_to(path.absolute())
        except OSError as error:
            raise InputError(
                f"{path} cannot be opened under a name that FFmpeg accepts: {error.strerror}",
                "Rename the file: letters, digits, spaces and the characters . _ - are accepted.",
            ) from error
        if _SPECIAL.search(str(link)):
            raise InputError(
                f"The folder for temporary files, {folder}, has a name that FFmpeg does not accept",
                "Set TMPDIR to another folder.",
            )
        yield str(link)


def input_options() -> dict[str, str]:
    """The options of the FFmpeg program before an input file."""
    return {"protocol_whitelist": ",".join(PROTOCOLS), "format_whitelist": ",".join(FORMATS)}


@contextlib.contextmanager
def opencv_options() -> Iterator[None]:
    """Within the block, OpenCV opens files with the same restrictions. It takes the options of
    FFmpeg from an environment variable, whose own value is kept and put back."""
    with _environment:
        before = os.environ.get(_OPENCV_OPTIONS)
        ours = (f"{name};{value}" for name, value in input_options().items())
        os.environ[_OPENCV_OPTIONS] = "|".join([before, *ours] if before else ours)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPENCV_OPTIONS]
            else:
                os.environ[_OPENCV_OPTIONS] = before
