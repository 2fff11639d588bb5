"""`extract`, `cut` and `cache` as a user runs them, on small real clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from skelact.cli import main
from skelact.video.probe import probe
from tests.conftest import run


def test_extract_then_nothing_to_do(clip: Path, cache_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(clip, tmp_path / "videos" / "one.mp4")
    first = run("extract", "videos", "--cache-dir", cache_dir, "--json", "--out", "json")
    assert first.returncode == 0, first.stderr
    video = json.loads(first.stdout)["videos"][0]
    assert video["frames"] == 20 and video["frames_with_people"] == 20 and video["persons"] == 1
    frames = sorted((tmp_path / "json" / "one").iterdir())
    assert [f.name for f in frames] == [f"{n:06d}.json" for n in range(20)]
    person = json.loads(frames[0].read_text())["people"][0]
    assert len(person["pose_keypoints_2d"]) == 99 and person["person_id"] == [0]
    assert len(person["pose_keypoints_3d"]) == 132
    # renamed and copied: the content is the same, so nothing is done
    shutil.move(tmp_path / "videos" / "one.mp4", tmp_path / "videos" / "other name.mp4")
    again = run("extract", "videos", "--cache-dir", cache_dir)
    assert again.returncode == 0 and "nothing to do" in again.stderr and again.stdout == ""


def test_extract_lines_and_recoding(clip: Path, tmp_path: Path) -> None:
    done = run("extract", clip, "--json-form", "lines", "--height", "192", "--json", "--out", "o")
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "o" / "clip").iterdir()
    assert file.name == "frames.jsonl" and len(file.read_text().splitlines()) == 20
    entry = Path(json.loads(done.stdout)["videos"][0]["poses"])
    assert json.loads((entry / "manifest.json").read_text())["manifest"]["height"] == 192


def test_either_json_form_comes_out_of_the_cache(clip: Path, tmp_path: Path) -> None:
    assert run("extract", clip).returncode == 0
    assert run("extract", clip, "--json-form", "lines", "--out", "a").returncode == 0
    assert run("extract", clip, "--out", "b").returncode == 0
    lines = (tmp_path / "a" / "clip" / "frames.jsonl").read_text().splitlines()
    frames = [f.read_text() for f in sorted((tmp_path / "b" / "clip").iterdir())]
    assert lines == frames and len(frames) == 20


def test_a_folder_without_videos_beside_others_is_reported(
    clip: Path, openpose: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    shutil.copy(clip, tmp_path / "full" / "clip.mp4")
    for words, notice in (
        (["extract"], "empty contains no video"),
        (["predict", "--model", "everyday"], "empty contains no video and no skeleton file"),
    ):
        options = ["--poses-from", str(openpose), "--json"]
        assert main([*words, "full", "empty", str(clip), *options]) == 0
        told = capsys.readouterr()
        assert notice in told.err and "full contains" not in told.err and json.loads(told.out)
        assert main([*words, "full", "empty", *options, "--quiet"]) == 0
        assert capsys.readouterr().err == ""
    assert main(["cut", "full", "empty", "--length", "0.4", "--json"]) == 0
    told = capsys.readouterr()
    assert "empty contains no video" in told.err and "full contains" not in told.err


def test_a_file_that_ffmpeg_cannot_cut_fails_alone(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skelact.errors import FfmpegError
    from skelact.stages import cut as stage

    bad = shutil.copy(clip, tmp_path / "bad.mp4")
    with Path(bad).open("ab") as file:  # another content, so another cache entry
        file.write(b"tail")
    whole = stage.cut

    def cut(info, *rest):  # type: ignore[no-untyped-def]
        if info.path.name == "bad.mp4":
            raise FfmpegError("ffmpeg failed on bad.mp4")
        whole(info, *rest)

    monkeypatch.setattr(stage, "cut", cut)
    assert main(["cut", str(bad), str(clip)]) == 1
    assert len(list((tmp_path / "clips").iterdir())) == 1


def test_cut(clip: Path, tmp_path: Path) -> None:
    arguments = ("cut", clip, "--length", "0.5", "--overlap", "0.1", "--out", "clips", "--json")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    clips = json.loads(done.stdout)["videos"][0]["clips"]
    assert [(c["start_frame"], c["end_frame"], c["frames"]) for c in clips] == [
        (0, 8, 8),
        (6, 14, 8),
        (12, 20, 8),
    ]
    assert [probe(p).frames for p in sorted((tmp_path / "clips").iterdir())] == [8, 8, 8]
    assert run(*arguments).stdout == done.stdout
    assert run("cut", clip, "--length", "1", "--overlap", "2").returncode == 2


def test_cache_commands(clip: Path, tmp_path: Path) -> None:
    assert run("extract", clip, "--length", "0").returncode == 0
    listed = json.loads(run("cache", "ls", "--json").stdout)
    assert listed["poses"]["entries"] == 1 and listed["sequences"]["entries"] == 1
    assert run("cache", "verify").returncode == 0
    (entry,) = (p for p in (tmp_path / ".skelact" / "poses").iterdir() if p.is_dir())
    (entry / "000003.json").write_text("{}")
    bad = run("cache", "verify")
    assert bad.returncode == 1 and str(entry.name) in bad.stdout
    assert run("cache", "prune", "--damaged").returncode == 0
    assert "poses" not in json.loads(run("cache", "ls", "--json").stdout)
