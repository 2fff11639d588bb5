"""What a browser can play, and the conversion of the rest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from skelact.app import media as media_module
from skelact.app.media import MediaLibrary, plays_as_it_is
from skelact.cache import Cache
from skelact.errors import InputError
from skelact.video.probe import probe
from tests.helpers import encode

SOURCE = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1")


@pytest.mark.parametrize(
    ("name", "arguments", "plays"),
    [
        ("a.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p"), True),
        ("a.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p"), True),
        ("a.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv444p"), False),
        ("a.mp4", ("-c:v", "mpeg4"), False),
        ("a.avi", ("-c:v", "libx264", "-pix_fmt", "yuv420p"), False),
        ("a.mkv", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p"), False),
    ],
)
def test_what_browsers_play(
    name: str, arguments: tuple[str, ...], plays: bool, tmp_path: Path
) -> None:
    assert plays_as_it_is(encode(tmp_path / name, *SOURCE, *arguments)) == plays


def test_a_video_is_converted_once(tmp_path: Path) -> None:
    video = encode(tmp_path / "a.avi", *SOURCE, "-c:v", "mjpeg")
    media = MediaLibrary(Cache(tmp_path / "cache"))
    first = media.playable(video)
    assert (first.state, first.file, first.info.frames) == ("converting", None, 10)
    while (now := media.playable(video)).state == "converting":
        time.sleep(0.05)
    assert now.state == "ready" and now.file is not None and plays_as_it_is(now.file)
    assert probe(now.file).frames == 10 and media.playable(video).file == now.file
    # a browser that cannot play the original asks for a conversion
    plain = encode(tmp_path / "a.mp4", *SOURCE, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    assert media.playable(plain).file == plain
    assert media.playable(plain, convert=True).state == "converting"
    media.close()
    (tmp_path / "b.mp4").write_bytes(b"\0" * 1000)
    with pytest.raises(InputError):
        media.playable(tmp_path / "b.mp4")


def test_a_conversion_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media_module, "cut_video", full)
    media = MediaLibrary(Cache(tmp_path / "cache"))
    for name in ("a.avi", "b.avi"):
        video = encode(tmp_path / name, *SOURCE, "-c:v", "mjpeg")
        media.playable(video)
        while (now := media.playable(video)).state == "converting":
            time.sleep(0.05)
        assert now.state == "failed" and "No space left" in now.error
    media.close()
    media.thread.join(10)
    assert not media.thread.is_alive()
