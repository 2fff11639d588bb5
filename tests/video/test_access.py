"""Neither the name nor the content of a file makes the decoder open another one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import cv2
import pytest

from skelact import sandbox
from skelact.errors import FfmpegError, InputError, NotAVideo, PathMissing
from skelact.types import ClipSpan, VideoInfo
from skelact.video import access, cut
from skelact.video.cut import CodingOptions
from skelact.video.decode import open_video, read_frames
from skelact.video.ffmpeg import ffmpeg
from skelact.video.probe import probe
from tests.helpers import encode, pattern

SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
MPD = '<MPD type="static" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"></MPD>'
# content -> what it is called
REFERENCES = {
    "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n": "HLS",
    "\ufeff  #EXTM3U\n": "HLS",
    "#EXTM3U\n\0\1\2#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nsecret.ts\n": "HLS",
    "ffconcat version 1.0\nfile 'secret.mp4'\n": "list of files",
    "file 'secret.mp4'\n": "text file",
    SDP: "SDP",
    f"\1\2\n{SDP[4:]}": "SDP",
    MPD: "DASH",
    f'<?xml version="1.0"?>{MPD}': "XML",
    f"\1\2{' ' * 9000}{MPD}": "DASH",
    "\1\2<CompositionPlaylist>": "IMF",
    "# VobSub index file, v7\n": "subtitles",
    "MLVI\0\0": "MLV",
    "ID3\3\0\0\0\0\0\x0a#EXTM3U\n": "ID3",
    "not a video at all\n" * 100: "text file",
}


@pytest.mark.parametrize(("content", "kind"), REFERENCES.items())
def test_lists_of_files_are_refused(content: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content.encode())
    for attempt in (probe, open_video):
        with pytest.raises(NotAVideo, match=f"is not a video, but .*{kind}"):
            attempt(path)
    info = VideoInfo(path=path, width=64, height=48, fps=25.0, frames=10)
    with pytest.raises(NotAVideo, match=kind):
        cut.cut(info, ClipSpan(0, 5), tmp_path / "out.mp4", CodingOptions())


@pytest.fixture
def lists(tmp_path: Path) -> list[Path]:
    """Files that make FFmpeg open secret.ts, named as videos."""
    pattern(tmp_path / "secret.mp4")
    encode(tmp_path / "secret.ts", "-i", str(tmp_path / "secret.mp4"), "-c", "copy")
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "hls.mp4").write_text(hls)
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile secret.ts\n")
    return [tmp_path / "hls.mp4", tmp_path / "concat.mp4"]


def test_the_program_opens_no_other_files(
    lists: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the content was not recognised."""
    monkeypatch.setattr(cut, "check_file", lambda path: None)
    codes = []
    for path in lists:
        info = VideoInfo(path=path, width=64, height=48, fps=25.0, frames=25)
        with pytest.raises(FfmpegError, match="ffmpeg failed"):
            cut.cut(info, ClipSpan(0, 5), path.with_name("out.mp4"), CodingOptions())
        done = subprocess.run(
            [ffmpeg(), "-v", "error", "-i", str(path), "-f", "null", "-"], check=False
        )
        codes.append(done.returncode)
    assert 0 in codes  # without the options it is opened


@pytest.mark.skipif(cv2.__version__.startswith("4.11."), reason="this release ignores the options")
def test_opencv_opens_no_other_files(lists: list[Path]) -> None:
    for path in lists:
        with access.opencv_options():
            assert not cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).isOpened()


@pytest.mark.parametrize("before", [None, "threads;1", ""])
def test_the_environment_is_put_back(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    with access.opencv_options():
        inside = os.environ[name]
    assert os.environ.get(name) == before
    assert inside.endswith(",".join(access.FORMATS)) and "protocol_whitelist;file|" in inside
    assert inside.startswith(before or "protocol")
    monkeypatch.setattr(sandbox, "expendable", True)  # in this process
    probe(pattern(tmp_path / "a.mp4"))
    assert os.environ.get(name) == before


NAMES = [
    *(b"-i.mp4", b"http:x.mp4", b"concat:a|b.mp4", b"a%d.mp4", b"a%03d.gif", b"[x]*?.mp4"),
    *(b"caf\xe9.mp4", b"\xff\xfe", b"line\nbreak.mp4", b"file:a.mp4", b"pipe:0", b"{x}.mp4"),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_only_a_name(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also as a relative path, and in a folder with such a name."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    suffix = ".gif" if name.endswith(b"gif") else ".mp4"
    source = pattern(tmp_path / f"source{suffix}", "64x48", "25", "0.4")
    for folder in (b".", b"in", b"in " + name):
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # bytes
        path = Path(os.fsdecode(folder)) / os.fsdecode(name)
        shutil.copy(source, path)
        info = probe(path)
        assert info.path == path and len(list(read_frames(info))) == info.frames == 10
        out = path.with_name(f"out {path.name}.mp4")
        cut.cut(info, ClipSpan(2, 6), out, CodingOptions())
        assert probe(out).frames == 4
    assert not list((tmp_path / "temporary").glob("skelact-*"))


def test_an_image_sequence_is_not_followed(tmp_path: Path) -> None:
    """a%d.jpg is one file, even if a1.jpg and a2.jpg are beside it."""
    encode(tmp_path / "a%d.jpg", "-f", "lavfi", "-i", "testsrc=duration=0.2")
    assert (tmp_path / "a2.jpg").exists()
    shutil.copy(tmp_path / "a1.jpg", tmp_path / "a%d.jpg")
    with contextlib.suppress(NotAVideo):  # OpenCV with the list of formats refuses images
        assert probe(tmp_path / "a%d.jpg").frames == 1


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.mp4"))
        for path in ("pipe.mp4", "folder.mp4", "socket.mp4", os.devnull, "/dev/zero"):
            with pytest.raises(NotAVideo, match="is not a regular file"):
                probe(tmp_path / path)
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    with pytest.raises(InputError):
        probe(tmp_path / "loop.mp4")
    (tmp_path / "dangling.mp4").symlink_to("nowhere.mp4")
    with pytest.raises(PathMissing):
        probe(tmp_path / "dangling.mp4")


def test_a_temporary_folder_with_such_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100%"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with (
        pytest.raises(InputError, match="temporary files"),
        access.safe_name(tmp_path / "a%d.mp4"),
    ):
        pass
    assert not list(folder.iterdir())
