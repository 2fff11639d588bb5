"""Probe, decode and cut real files of many kinds."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from skelact.errors import BadSpan, ConfigError, InputError, NotAVideo, PathMissing, TruncatedVideo
from skelact.types import ClipSpan, VideoInfo
from skelact.video.cut import ClipOptions, CodingOptions, cut, plan
from skelact.video.decode import has_usable_times, read_frames
from skelact.video.probe import find_videos, probe
from tests.helpers import encode, pattern


def test_probe_and_read(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "a.mp4", rate="30000/1001"))
    assert (info.width, info.height, info.frames) == (64, 48, 30)
    assert info.fps == pytest.approx(29.97, abs=0.01)
    frames = list(read_frames(info))
    assert len(frames) == 30 and frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8


@pytest.mark.parametrize(
    "name", ["ä ö 'quoted' \"name\" 東京.mp4", "two  spaces.mp4", "-dash.mp4", "100%.mp4"]
)
def test_names(tmp_path: Path, name: str) -> None:
    pattern(tmp_path / "plain.mp4")
    path = shutil.copy(tmp_path / "plain.mp4", tmp_path / name)
    info = probe(Path(path))
    assert len(list(read_frames(info))) == 25
    cut(info, ClipSpan(5, 15), tmp_path / "out é.mp4", CodingOptions())
    assert probe(tmp_path / "out é.mp4").frames == 10


def test_odd_sizes(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "odd.avi", "63x47", "25", "1", "-c:v", "ffv1"))
    assert (info.width, info.height) == (63, 47)
    cut(info, ClipSpan(0, 10), tmp_path / "out.mp4", CodingOptions())
    assert probe(tmp_path / "out.mp4").frames == 10


def test_grey(tmp_path: Path) -> None:
    info = probe(
        pattern(tmp_path / "grey.avi", "64x48", "25", "1", "-pix_fmt", "gray", "-c:v", "ffv1")
    )
    frame = next(read_frames(info))
    assert frame.shape == (48, 64, 3)
    assert (frame[..., 0] == frame[..., 2]).all()


def test_4k(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "4k.mp4", "3840x2160", "5", "1", "-preset", "ultrafast"))
    assert (info.width, info.height, info.frames) == (3840, 2160, 5)


def test_one_frame(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "one.mp4", "64x48", "25", "0.04"))
    assert info.frames == 1 and len(list(read_frames(info))) == 1


def test_rotation_in_metadata(tmp_path: Path) -> None:
    pattern(tmp_path / "flat.mp4", "80x40")
    turned = encode(
        tmp_path / "turned.mp4",
        "-display_rotation",
        "90",
        "-i",
        str(tmp_path / "flat.mp4"),
        "-c",
        "copy",
    )
    info = probe(turned)
    assert (info.width, info.height) == (40, 80)
    assert next(read_frames(info)).shape == (80, 40, 3)


def test_variable_frame_rate_keeps_its_timing(tmp_path: Path) -> None:
    """Ten frames at 25/s, a frame that lasts 0.6 s, ten more: all at the constant rate."""
    for n in range(21):
        cv2.imwrite(str(tmp_path / f"{n:02d}.png"), np.full((48, 64, 3), n * 10, np.uint8))
    lines = []
    for n in range(21):
        lines += [f"file '{n:02d}.png'", f"duration {0.6 if n == 10 else 0.04}"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    path = encode(
        tmp_path / "vfr.mp4",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        str(tmp_path / "list.txt"),
        "-fps_mode",
        "vfr",
        "-enc_time_base",
        "1:1000",
        "-c:v",
        "libx264",
        "-qp",
        "0",
        "-pix_fmt",
        "yuv444p",
    )
    info = VideoInfo(path=path, width=64, height=48, fps=25.0, frames=probe(path).frames)
    values = [round(float(f.mean()) / 10) for f in read_frames(info)]
    assert values[:11] == list(range(11))
    assert values.count(10) == 15
    assert values[25:] == list(range(11, 21))


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("empty.mp4", b"", NotAVideo, "0 bytes"),
        ("text.mp4", b"this is a text file, called a video\n" * 50, NotAVideo, "a text file"),
        ("noise.avi", bytes(range(256)) * 40, NotAVideo, "no video"),
    ],
)
def test_no_videos(
    tmp_path: Path, name: str, content: bytes, kind: type[Exception], says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=says):
        probe(tmp_path / name)


def test_missing_and_audio_only(tmp_path: Path) -> None:
    with pytest.raises(PathMissing):
        probe(tmp_path / "nowhere.mp4")
    encode(tmp_path / "sound.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
    with pytest.raises(NotAVideo):
        probe(tmp_path / "sound.mp4")


def test_truncated(tmp_path: Path) -> None:
    whole = pattern(tmp_path / "whole.mp4", "320x240", "25", "4").read_bytes()
    (tmp_path / "noindex.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedVideo, match="index is missing"):
        probe(tmp_path / "noindex.mp4")
    fast = pattern(
        tmp_path / "fast.mp4", "320x240", "25", "4", "-movflags", "+faststart"
    ).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(fast[: len(fast) // 2])
    with pytest.raises(TruncatedVideo, match="of 100 frames"):
        list(read_frames(probe(tmp_path / "cut.mp4")))


@pytest.mark.parametrize("lasts_s", [1, 8])
def test_a_long_last_picture_is_not_a_truncated_file(tmp_path: Path, lasts_s: int) -> None:
    """The frame rate that such a file announces is its mean, so fewer frames are shown at it."""
    timing = f"setts=duration=if(eq(N\\,19)\\,{lasts_s}/TB_OUT\\,0.1/TB_OUT)"
    more = ("-c:v", "libx264", "-enc_time_base", "1:1000", "-video_track_timescale", "1000")
    path = pattern(tmp_path / "a.mp4", "64x48", "10", "2", *more, "-bf", "0", "-bsf:v", timing)
    info = probe(path)
    assert info.frames == 20 and info.fps == pytest.approx(20 / (1.9 + lasts_s), rel=0.01)
    assert 0 < len(list(read_frames(info))) < 16  # of the first 1.9 s


def test_find_videos(tmp_path: Path) -> None:
    for name in ("b/x.mp4", "a/x.mp4", "a/y.AVI", "a/.hidden/z.mp4", "a/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    names = lambda paths: [p.relative_to(tmp_path).as_posix() for p in paths]  # noqa: E731
    assert names(find_videos([tmp_path])) == ["a/x.mp4", "a/y.AVI", "b/x.mp4"]
    assert names(find_videos([tmp_path / "b", tmp_path])) == ["b/x.mp4", "a/x.mp4", "a/y.AVI"]
    assert names(find_videos([f"{tmp_path}/*/x.mp4"])) == ["a/x.mp4", "b/x.mp4"]
    assert names(find_videos([tmp_path / "a" / "notes.txt"])) == [
        "a/notes.txt"
    ]  # asked for by name
    with pytest.raises(PathMissing):
        find_videos([tmp_path / "c"])
    (tmp_path / "void").mkdir()
    assert names(find_videos([f"{tmp_path}/*"])) == ["a/x.mp4", "a/y.AVI", "b/x.mp4"]
    with pytest.raises(InputError, match="No video in"):
        find_videos([tmp_path / "void"])


@pytest.mark.parametrize(
    ("frames", "fps", "length", "overlap", "expected"),
    [
        (150, 15, 5, 0, [(0, 75), (75, 150)]),
        (200, 15, 5, 0, [(0, 75), (75, 150), (150, 200)]),  # remainder of 50 >= 37.5
        (185, 15, 5, 0, [(0, 75), (75, 150)]),  # 35 < 37.5
        (188, 15, 5, 0, [(0, 75), (75, 150), (150, 188)]),
        (20, 15, 5, 0, [(0, 20)]),  # short video: one clip
        (75, 15, 5, 0, [(0, 75)]),
        (120, 10, 4, 2, [(0, 40), (20, 60), (40, 80), (60, 100), (80, 120)]),
        (130, 10, 4, 2, [(0, 40), (20, 60), (40, 80), (60, 100), (80, 120), (100, 130)]),
        (90, 29.97, 1, 0, [(0, 30), (30, 60), (60, 90)]),
        (100, 25, 0, 0, [(0, 100)]),
    ],
)
def test_plan(
    frames: int, fps: float, length: float, overlap: float, expected: list[tuple[int, int]]
) -> None:
    spans = plan(frames, fps, ClipOptions(length_s=length, overlap_s=overlap))
    assert [(s.start, s.end) for s in spans] == expected


@pytest.mark.parametrize("options", [(-1, 0), (5, 5), (5, 7), (5, -1)])
def test_bad_split_options(options: tuple[float, float]) -> None:
    with pytest.raises(ConfigError):
        ClipOptions(length_s=options[0], overlap_s=options[1])
    with pytest.raises(BadSpan):
        ClipSpan(3, 3)


def test_cut_has_exactly_the_frames(tmp_path: Path) -> None:
    """The frames of a clip from the middle of a video are exactly those of the source."""
    info = probe(pattern(tmp_path / "a.mp4", "160x120", "25", "8"))
    source = list(read_frames(info))
    for start, end in ((0, 25), (77, 140), (180, 200)):
        out = tmp_path / f"{start}.mp4"
        cut(info, ClipSpan(start, end), out, CodingOptions())
        frames = list(read_frames(probe(out)))
        assert len(frames) == end - start
        for n in (0, len(frames) // 2, len(frames) - 1):
            near = [
                np.abs(frames[n].astype(int) - source[start + n + d]).mean()
                for d in (0, 1, -1)
                if 0 <= start + n + d < 200
            ]
            assert near[0] == min(near) and near[0] < 6


def test_cut_recodes(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "a.mp4", "160x120", "30", "2"))
    cut(info, ClipSpan(0, 60), tmp_path / "b.mp4", CodingOptions(height=60, fps=10))
    out = probe(tmp_path / "b.mp4")
    assert (out.width, out.height, out.frames, out.fps) == (80, 60, 20, 10)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("long-group.mp4", ("-c:v", "libx264", "-g", "250", "-bf", "3")),
        ("open-group.mp4", ("-c:v", "libx264", "-g", "30", "-x264-params", "open-gop=1")),
        ("variable.mp4", ("-vf", "select='not(between(n,60,110))*mod(n,7)'", "-fps_mode", "vfr")),
        ("motion-jpeg.avi", ("-c:v", "mjpeg")),
        ("b-frames.avi", ("-c:v", "mpeg4", "-bf", "2")),
        ("transport.ts", ("-c:v", "libx264", "-g", "100")),
        ("matroska.mkv", ("-c:v", "libx264", "-g", "100")),
    ],
)
def test_frames_from_any_number_on(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    """They are those that a reader from the start gets, pixel by pixel."""
    info = probe(pattern(tmp_path / name, "96x64", "25", "8", *arguments))
    assert has_usable_times(info.path)
    frames = list(read_frames(info))
    assert 120 <= len(frames) <= 200
    end = len(frames)
    for start, stop in ((0, 20), (1, 30), (26, 40), (70, 90), (100, None), (end - 2, end + 5)):
        part = list(read_frames(info, start, stop))
        assert len(part) == len(frames[start:stop])
        assert all(np.array_equal(a, b) for a, b in zip(part, frames[start:stop], strict=True))
    assert list(read_frames(info, end + 10)) == []


def test_times_that_cannot_be_used(tmp_path: Path) -> None:
    assert not has_usable_times(pattern(tmp_path / "raw.h264", "64x48", "25", "2"))
    assert not has_usable_times(pattern(tmp_path / "one.mp4", "64x48", "25", "0.04"))


def test_a_part_of_a_truncated_video(tmp_path: Path) -> None:
    """A part that is complete is read, one that is not raises."""
    content = pattern(
        tmp_path / "whole.mp4", "320x240", "25", "8", "-movflags", "+faststart", "-g", "10"
    ).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    info = probe(tmp_path / "cut.mp4")
    assert len(list(read_frames(info, 40, 60))) == 20
    for start, stop in ((60, 190), (150, None)):
        with pytest.raises(TruncatedVideo, match="of 200 frames"):
            list(read_frames(info, start, stop))
