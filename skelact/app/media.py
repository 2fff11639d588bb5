"""Videos for the browser: as they are if it can play them, else converted to H.264 in the cache."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skelact import sandbox
from skelact.cache import Cache
from skelact.errors import InputError
from skelact.stages.cut import cut_video
from skelact.types import Failure, VideoInfo
from skelact.video.access import check_file
from skelact.video.cut import ClipOptions, CodingOptions
from skelact.video.decode import open_video
from skelact.video.probe import probe

_MP4, _WEBM = (b"ftyp", b"moov"), b"\x1a\x45\xdf\xa3"
_MP4_CODECS = ("h264", "avc1", "av01")
_WEBM_CODECS = ("VP80", "VP90", "vp08", "vp09", "AV01", "av01")
_PIXELS = ("I420", "YV12", "")  # 8-bit 4:2:0, which every browser has
_MAX_HEIGHT = 1080  # of a converted video [px]
_WHOLE = ClipOptions(length_s=0)


@dataclass(frozen=True, kw_only=True)
class Playable:
    """A video for the browser. `file` is None while it is converted, and if that failed."""

    info: VideoInfo
    file: Path | None
    state: Literal["ready", "converting", "failed"]
    error: str = ""
    hint: str = ""


class MediaLibrary:
    """Finds out what a browser can play, and converts the rest, one video at a time."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.lock = threading.Lock()
        self.closed = threading.Event()
        self.queue: queue.SimpleQueue[tuple[tuple[Path, int], VideoInfo] | None] = (
            queue.SimpleQueue()
        )
        # the end of the program does not wait for a conversion: the cache keeps whole files only
        self.thread = threading.Thread(target=self._run, name="convert", daemon=True)
        self.thread.start()
        self._known: dict[tuple[Path, int], Playable] = {}

    def close(self) -> None:
        """Start no more conversions."""
        self.closed.set()
        self.queue.put(None)

    def playable(self, path: Path, convert: bool = False) -> Playable:
        """The video for the browser; with `convert`, because it could not play the original.
        Starts a conversion if one is needed. Raises InputError if it is no video."""
        try:
            key = (path, path.stat().st_mtime_ns)
        except OSError as error:
            raise InputError(f"{path.name} cannot be read: {error.strerror}") from error
        with self.lock:
            known = self._known.get(key)
        if known is not None and not (convert and known.file == path):
            return known
        check_file(path)
        info = probe(path)
        if not convert and plays_as_it_is(path):
            return self._remember(key, Playable(info=info, file=path, state="ready"))
        out = self._remember(key, Playable(info=info, file=None, state="converting"))
        self.queue.put((key, info))
        return out

    def _remember(self, key: tuple[Path, int], video: Playable) -> Playable:
        with self.lock:
            self._known[key] = video
        return video

    def _run(self) -> None:
        while (waiting := self.queue.get()) is not None and not self.closed.is_set():
            self._convert(*waiting)

    def _convert(self, key: tuple[Path, int], info: VideoInfo) -> None:
        """Convert a video with the stage that cuts clips: one clip with all frames."""
        height = _MAX_HEIGHT if info.height > _MAX_HEIGHT else None
        try:
            entry, _ = cut_video(key[0], _WHOLE, CodingOptions(height=height), self.cache)
            file = entry.path / entry.manifest.clips[0].file
            self._remember(key, Playable(info=info, file=file, state="ready"))
        except Exception as error:  # whatever it is, the next video is converted
            reason = Failure.from_error(key[0], error)
            failed = Playable(
                info=info, file=None, state="failed", error=reason.reason, hint=reason.hint
            )
            self._remember(key, failed)


def plays_as_it_is(path: Path) -> bool:
    """Whether browsers can play a file: by its container, its codec and its form of pixels."""
    head, codec, pixels = sandbox.call(_codec, path)
    if pixels not in _PIXELS:
        return False
    if bytes.fromhex(head)[4:8] in _MP4:
        return str(codec) in _MP4_CODECS
    is_webm = bytes.fromhex(head).startswith(_WEBM) and path.suffix.lower() == ".webm"
    return is_webm and str(codec) in _WEBM_CODECS


def _codec(path: Path) -> tuple[str, str, str]:
    """The first bytes of a file in hexadecimal form, and the four-character codes of its codec and
    pixels. Runs in a child process."""
    import cv2

    from skelact import limits

    with limits.open_file(path) as file:
        head = file.read(16).hex()
    capture = open_video(path)
    try:
        codec = _four_characters(capture.get(cv2.CAP_PROP_FOURCC))
        pixels = _four_characters(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT))
    finally:
        capture.release()
    return head, codec, pixels


def _four_characters(value: float) -> str:
    number = int(value)
    if number <= 0:
        return ""
    return number.to_bytes(4, "little").decode("latin-1").strip("\0 ")
