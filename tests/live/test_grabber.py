"""Reading a source: the newest frame only, pace, lost sources, time limits."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from skelact.errors import ConfigError, NotAVideo, PathMissing, StreamError
from skelact.escaping import without_password
from skelact.live import grabber as module
from skelact.live.capture import Capture, find_source
from skelact.live.grabber import Grabber, LiveFrame
from skelact.video.ffmpeg import ffmpeg
from tests.helpers import pattern
from tests.live.fakes import FakeCapture, Stamped, silent_source, source_of
from tests.pose.blazepose_world import number_of


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_S", 0.01)


def take_all(grabber: Grabber) -> list[LiveFrame]:
    frames = []
    while True:
        try:
            frame = grabber.take(0.05)
        except EOFError:
            return frames
        if frame is not None:
            frames.append(frame)


def test_a_slow_consumer_gets_the_newest_frame() -> None:
    with Grabber(source_of(FakeCapture(40, interval_s=0.005)), reconnect_s=0) as grabber:
        seen = []
        while (frame := grabber.take(1.0)) is not None:
            seen.append(frame)
            time.sleep(0.06)
            assert frame.number == number_of(frame.image)
            if grabber.captured == 40:
                break
        newest = grabber.take(1.0) if seen[-1].number < 39 else seen[-1]
    assert newest is not None and newest.number == 39
    taken = len(seen) + (newest is not seen[-1])
    assert taken + grabber.dropped == grabber.captured == 40
    assert grabber.dropped > 0
    times = [f.time_s for f in seen]
    assert times == sorted(times) and times[0] == 0


def test_without_pace_nothing_is_dropped() -> None:
    source = source_of(Stamped(30, fps=10), kind="file")
    with Grabber(source, paced=False, every=True) as grabber:
        frames = take_all(grabber)
    assert [f.number for f in frames] == list(range(30)) and grabber.dropped == 0
    assert [f.time_s for f in frames] == pytest.approx([n / 10 for n in range(30)])


def test_a_file_is_played_at_its_pace() -> None:
    with Grabber(source_of(Stamped(5, fps=20), kind="file")) as grabber:
        frames = take_all(grabber)
    first = frames[0].arrived
    assert all(f.arrived - first >= f.time_s - 1e-3 for f in frames)


def test_a_file_can_be_played_again() -> None:
    source = source_of(*(Stamped(10, fps=10) for _ in range(3)), kind="file")
    with Grabber(source, paced=False, every=True, loop=True) as grabber:
        frames = [grabber.take(1.0) for _ in range(25)]
    times = [f.time_s for f in frames if f is not None]
    assert times == pytest.approx([n / 10 for n in range(25)])


def test_a_lost_camera_returns() -> None:
    gone = StreamError("gone")
    source = source_of(FakeCapture(3), gone, gone, FakeCapture(4, first=3), kind="stream")
    with Grabber(source, every=True, reconnect_s=0.3) as grabber:
        numbers = []
        with pytest.raises(StreamError, match="did not return within"):
            while True:
                frame = grabber.take(0.05)
                numbers += [] if frame is None else [number_of(frame.image)]
        assert numbers == list(range(7)) and grabber.reconnected == 1
        lost, back, again = grabber.notices()
    assert "camera 0 is lost" in lost and "is back after" in back and again == lost


def test_a_source_that_opens_without_frames_does_not_count_as_back() -> None:
    empty = [FakeCapture(0) for _ in range(3)]
    with Grabber(source_of(FakeCapture(2), *empty), every=True, reconnect_s=0.2) as grabber:
        with pytest.raises(StreamError, match="did not return"):
            while True:
                grabber.take(0.05)
        assert not any("is back" in text for text in grabber.notices())
    assert all(capture.released for capture in empty) and grabber.reconnected == 0


def test_no_answer_is_an_error_after_the_time_limit() -> None:
    release = threading.Event()
    with pytest.raises(StreamError, match="does not answer within") as caught:
        Grabber(silent_source(release), timeout_s=0.1).__enter__()
    release.set()
    assert "--timeout" in caught.value.hint


def test_a_driver_that_hangs_is_an_error() -> None:
    class Hanging(FakeCapture):
        def read(self) -> None:
            release.wait()

    release = threading.Event()
    source = source_of(Hanging(1))
    with Grabber(source, timeout_s=0.1, reconnect_s=0) as grabber:
        with pytest.raises(StreamError, match="does not answer"):
            while True:
                grabber.take(0.1)
        release.set()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    for name, error in (("a.mp4", NotAVideo), ("b.mp4", PathMissing), (".", NotAVideo)):
        with pytest.raises(error), Grabber(find_source(str(tmp_path / name))):
            pass
    with pytest.raises(StreamError, match="Camera 98 cannot be opened"), Grabber(find_source(98)):
        pass


@pytest.mark.parametrize("text", ["file:///etc/passwd", "concat:a|b://x", "100", "9" * 30])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(ConfigError):
        find_source(text)


def test_passwords_are_not_shown() -> None:
    source = find_source("rtsp://user:secret@127.0.0.1:1/a?b=c")
    assert source.name == "rtsp://127.0.0.1:1/a?b=c" and source.kind == "stream"
    with pytest.raises(StreamError) as caught:
        source.open(2.0)
    assert "secret" not in str(caught.value)
    assert without_password("rtsp://[::1/x") == "rtsp://[::1/x"


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StreamError, match="does not answer within"):
            find_source(f"http://127.0.0.1:{port}/live").open(0.5)


def test_a_stream_that_ends_and_returns(tmp_path: Path) -> None:
    """FFmpeg sends a video by TCP, ends, and sends it again."""
    video = pattern(tmp_path / "a.mp4", seconds="1", rate="10")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    def serve() -> subprocess.Popen[bytes]:
        address = f"tcp://127.0.0.1:{port}?listen=1&listen_timeout=20000"
        command = [ffmpeg(), "-loglevel", "error", "-i", str(video), "-c:v", "mpeg2video"]
        return subprocess.Popen([*command, "-f", "mpegts", address], stdin=subprocess.DEVNULL)

    found = find_source(f"tcp://127.0.0.1:{port}")

    def patiently(limit_s: float) -> Capture:
        """The program may not listen yet."""
        while time.monotonic() < deadline:
            with contextlib.suppress(StreamError):
                return found.open(limit_s)
            time.sleep(0.1)
        raise StreamError("nobody listens")

    source = replace(found, open=patiently)
    deadline = time.monotonic() + 60
    servers = [serve()]
    try:
        with Grabber(source, timeout_s=10, every=True, reconnect_s=30) as grabber:
            while grabber.reconnected == 0 and time.monotonic() < deadline:
                grabber.take(0.05)
                if len(servers) == 1 and servers[0].poll() is not None:
                    servers.append(serve())
            while (frame := grabber.take(1.0)) is None and time.monotonic() < deadline:
                pass
            assert frame is not None and frame.image.shape == (48, 64, 3)
            assert grabber.reconnected == 1 and any("is back" in t for t in grabber.notices())
    finally:
        for process in servers:
            process.kill()
            process.wait()
