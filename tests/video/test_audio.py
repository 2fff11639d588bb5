"""The sound of overlay videos."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import FfmpegError, InputError
from skelact.report.options import OverlayOptions
from skelact.report.overlay import write_overlay
from skelact.skeletons import SKELETONS
from skelact.video.decode import read_frames
from skelact.video.ffmpeg import ffmpeg
from skelact.video.probe import probe

RATE = 48000


def run(*arguments: str) -> bytes:
    command = [ffmpeg(), "-nostdin", "-loglevel", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def flash_and_beep(path: Path, *changes: str, picture_s: float = 0, sound_s: float = 0) -> Path:
    """Three seconds of video, white and loud from 2 s to 2.4 s; `changes` are options for the
    output. Picture or sound is cut at its start by some seconds, and keeps its times."""
    picture = "color=black:s=64x48:r=25:d=3,drawbox=t=fill:c=white:enable='between(t,2,2.4)'"
    sound = f"sine=f=440:r={RATE}:d=3,volume=0:enable='lt(t,2)+gt(t,2.4)'"
    sources = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-copyts")
    filters = ("-vf", f"trim={picture_s}", "-af", f"atrim={sound_s}")
    run(*sources, *filters, "-preset", "ultrafast", "-g", "10", *changes, str(path))
    return path


def onsets(path: Path) -> tuple[float, float | None]:
    """When a video becomes white, and when it becomes loud [s]; None without sound."""
    info = probe(path)
    white = np.array([frame[:48, :64].mean() > 128 for frame in read_frames(info)])
    try:
        raw = run("-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-")
    except subprocess.CalledProcessError:
        return float(white.argmax() / info.fps), None
    samples = np.frombuffer(raw, np.int16)
    return float(white.argmax() / info.fps), float((np.abs(samples) > 1000).argmax() / RATE)


def overlay_of(path: Path, options: OverlayOptions | None = None) -> Path:
    out = path.with_name("overlay.mp4")
    info = probe(path)
    write_overlay(info, [[]] * info.frames, SKELETONS["coco-17"], [], out, options=options)
    return out


@pytest.mark.parametrize(
    ("name", "changes", "starts"),
    [
        ("late picture.ts", (), {"picture_s": 0.16}),
        ("late sound.mkv", (), {"sound_s": 0.6}),
        ("old.avi", ("-c:a", "mp3"), {}),
        ("variable.mkv", ("-vf", "select='lt(n,20)+not(mod(n,3))'", "-fps_mode", "vfr"), {}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_sound_and_picture_stay_together(
    name: str, changes: tuple[str, ...], starts: dict[str, float], tmp_path: Path
) -> None:
    source = flash_and_beep(tmp_path / name, *changes, **starts)
    out = overlay_of(source)
    white, loud = onsets(out)
    assert white == pytest.approx(onsets(source)[0], abs=0.06) and 1.5 < white < 2.5
    assert loud == pytest.approx(white, abs=0.06)


def test_a_cut_without_encoding_stays_together(tmp_path: Path) -> None:
    """Such a file begins before its first visible frame, which an edit list says."""
    whole = flash_and_beep(tmp_path / "whole.mp4")
    part = tmp_path / "part.mp4"
    run("-ss", "0.5", "-i", str(whole), "-c", "copy", str(part))
    white, loud = onsets(overlay_of(part))
    assert loud == pytest.approx(white, abs=0.06)


def test_sound_can_be_left_out_or_missing(tmp_path: Path) -> None:
    source = flash_and_beep(tmp_path / "a.mp4")
    assert onsets(overlay_of(source, OverlayOptions(audio=False)))[1] is None
    silent = flash_and_beep(tmp_path / "b.mp4", "-an")
    assert onsets(overlay_of(silent))[1] is None


def test_sound_that_cannot_be_decoded_is_an_error(tmp_path: Path) -> None:
    """The codec's name in the file is one that nothing knows."""
    source = flash_and_beep(tmp_path / "a.avi", "-c:a", "pcm_s16le")
    content = source.read_bytes()
    at = content.index(b"strf", content.index(b"auds")) + 8
    source.write_bytes(content[:at] + b"\x34\x12" + content[at + 2 :])
    with pytest.raises(FfmpegError, match="sound") as caught:
        overlay_of(source)
    assert "--no-audio" in caught.value.hint
    assert onsets(overlay_of(source, OverlayOptions(audio=False)))[0] == pytest.approx(2, abs=0.05)


def test_a_missing_video_has_no_sound(tmp_path: Path) -> None:
    from skelact.video.audio import beside_frames

    with pytest.raises(InputError), beside_frames(tmp_path / "none.mp4"):
        pass
