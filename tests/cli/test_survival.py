"""What skelact survives: every kind of bad input, damaged caches, full disks, strange names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from skelact.cache import Cache
from skelact.datasets.packed import Sample
from skelact.options import AugmentOptions
from skelact.sequence.normalise import NormaliseOptions, normalise
from skelact.sequence.sampling import SamplingOptions
from skelact.stages.sequences import SEQUENCES, load_sequences
from skelact.training.batches import DeviceClips
from skelact.video.decode import read_frames
from skelact.video.probe import probe
from tests.conftest import run, sample, short_clip
from tests.helpers import (
    encode,
    entries,
    kinect_clip,
    pack_samples,
    pattern,
)


@pytest.fixture
def bad_files(tmp_path: Path) -> Path:
    """A folder of everything that is no video."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video at all\n" * 100)
    encode(folder / "sound.mp4", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
    whole = pattern(tmp_path / "whole.mp4", "320x240", "25", "3").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    pattern(folder / "nobody.mp4", "320x240", "10", "1")
    return folder


def test_every_bad_file_gets_its_reason(bad_files: Path) -> None:
    done = run("extract", bad_files, "--json")
    assert done.returncode == 2  # nothing at all could be used
    failed = {Path(f["path"]).name: f for f in json.loads(done.stdout)["failed"]}
    assert set(failed) == {"empty.mp4", "text.mp4", "sound.mp4", "cut.mp4", "nobody.mp4"}
    says = {
        "empty": "is empty (0 bytes)",
        "text": "is not a video, but a text file",
        "sound": "holds no video that can be decoded",
        "cut": "is truncated: its index is missing",
        "nobody": "No person was found in any of 10 frames",
    }
    for name, words in says.items():
        assert failed[f"{name}.mp4"]["reason"].endswith(words)
    assert "Traceback" not in done.stderr
    shown = run("extract", bad_files)
    assert "5 failed" in shown.stderr and shown.returncode == 2


def test_an_empty_folder_and_a_missing_path(tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    for what, says in (("void", "No video in"), ("nowhere", "no such file")):
        done = run("extract", what)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_one_bad_file_among_a_hundred(tmp_path: Path) -> None:
    """Ninety-nine different clips of two frames, and a text file."""
    folder = tmp_path / "hundred"
    folder.mkdir()
    frames = list(read_frames(probe(sample("Kata_A1_C0.avi"))))
    for n in range(99):
        size = (256, 192)
        writer = cv2.VideoWriter(
            str(folder / f"{n:02d}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 15, size
        )
        for frame in frames[n : n + 2]:
            writer.write(cv2.resize(frame, size))
        writer.release()
    (folder / "50b.avi").write_text("not a video")
    done = run("extract", folder, "--json")
    content = json.loads(done.stdout)
    assert done.returncode == 1
    assert len(content["videos"]) == 99 and [Path(f["path"]).name for f in content["failed"]] == [
        "50b.avi"
    ]
    assert {v["frames"] for v in content["videos"]} == {2}


def test_awkward_but_good_videos(tmp_path: Path) -> None:
    """One frame, odd width, grey, 4K, turned, variable rate, strange names, twice the same name."""
    folder = tmp_path / "good"
    source = sample("Kata_A1_C0.avi")
    base = ("-i", str(source))
    encode(folder / "one frame.mp4", *base, "-frames:v", "1")
    encode(folder / "odd.avi", *base, "-frames:v", "4", "-vf", "crop=431:383", "-c:v", "ffv1")
    encode(folder / "grey.avi", *base, "-frames:v", "4", "-pix_fmt", "gray", "-c:v", "ffv1")
    encode(
        folder / "4k.mp4", *base, "-frames:v", "3", "-vf", "scale=3840:2160", "-preset", "ultrafast"
    )
    encode(tmp_path / "flat.mp4", *base, "-frames:v", "4", "-vf", "transpose=1")
    encode(
        folder / "turned.mp4",
        "-display_rotation",
        "90",
        "-i",
        str(tmp_path / "flat.mp4"),
        "-c",
        "copy",
    )
    encode(
        folder / "uneven.mp4",
        *base,
        "-frames:v",
        "8",
        "-vf",
        "select='not(eq(n,2)+eq(n,3))'",
        "-fps_mode",
        "vfr",
    )
    encode(folder / "ä \"quoted\" 'name' 東京.mp4", *base, "-frames:v", "4")
    encode(folder / "a" / "same.mp4", *base, "-frames:v", "4")
    encode(folder / "b" / "same.mp4", *base, "-frames:v", "5")
    done = run("extract", folder, "--json", "--out", "json")
    content = json.loads(done.stdout)
    assert done.returncode == 0, content["failed"]
    counts = {
        Path(v["path"]).relative_to(folder).as_posix(): v["frames_with_people"]
        for v in content["videos"]
    }
    assert counts["one frame.mp4"] == 1 and counts["a/same.mp4"] == 4 and counts["b/same.mp4"] == 5
    assert all(counts[n] >= 3 for n in counts if n != "one frame.mp4"), counts
    assert len(list((tmp_path / "json" / "a" / "same").iterdir())) == 4
    assert len(list((tmp_path / "json" / "b" / "same").iterdir())) == 5


def test_a_read_only_folder_of_videos(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    shutil.copy(clip, folder / "clip.mp4")
    before = sorted(folder.iterdir())
    folder.chmod(0o555)
    try:
        assert run("extract", folder).returncode == 0
    finally:
        folder.chmod(0o755)
    assert sorted(folder.iterdir()) == before  # nothing is ever written beside the videos


def test_an_unwritable_cache(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("extract", clip, "--cache-dir", tmp_path / "file" / "cache")
    assert done.returncode == 2 and "--cache-dir" in done.stderr and "Traceback" not in done.stderr


def test_a_full_disk(clip: Path, tmp_path: Path) -> None:
    """Files may not grow beyond 2 kB, as on a full disk: an error, and no half-written entry."""
    limited = (
        "import resource, signal, sys; from skelact.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "extract", str(clip), "--json-form", "lines"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "Cannot write" in done.stderr and "Traceback" not in done.stderr
    assert entries(tmp_path / ".skelact") == set()
    assert run("extract", clip).returncode == 0


def test_a_damaged_entry_is_found_and_redone(clip: Path, tmp_path: Path) -> None:
    assert run("extract", clip).returncode == 0
    cache = Cache(tmp_path / ".skelact")
    (name,) = entries(cache.root)
    file = cache.root / "poses" / name / "000007.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])  # shorter: seen at once
    done = run("extract", clip)
    assert done.returncode == 0 and "20 frames in" in done.stderr
    assert file.read_bytes() == whole
    file.write_bytes(b"#" * len(whole))  # same length: seen when read
    shutil.rmtree(cache.root / "sequences")
    done = run("extract", clip)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == whole and cache.verify() == []


@pytest.mark.parametrize("content", [b"", b"text", os.urandom(4096)])
def test_predict_refuses_what_is_no_checkpoint(content: bytes, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    done = run("predict", clip, "--model", "x.pt")
    assert done.returncode == 2 and "checkpoint" in done.stderr and "Traceback" not in done.stderr


def test_an_estimator_process_that_dies_takes_only_its_video_with_it(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that crashes the process on one file (simulated in the worker): the other files are
    done."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for n in range(3):
        short_clip(sample("Kata_A1_C0.avi"), folder / f"{n}.mp4", 12, start=15 * n)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os\n"
        "import skelact.video.probe as p\n"
        "whole = p.probe\n"
        "import multiprocessing\n"
        "def probe(path):\n"
        "    if path.name == '1.mp4' and multiprocessing.parent_process() is not None:\n"
        "        os._exit(139)\n"
        "    return whole(path)\n"
        "p.probe = probe\n"
    )
    search_path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    done = run("extract", folder, "--json", PYTHONPATH=search_path)
    content = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert [Path(v["path"]).name for v in content["videos"]] == ["0.mp4", "2.mp4"]
    assert "process of the estimator died" in content["failed"][0]["reason"]


def test_nan_free_all_the_way(cache_dir: Path, tmp_path: Path) -> None:
    """A person who is not seen in some frames, black ones longer than any gap that is bridged,
    reaches the network as numbers, in training as in prediction."""
    lit = probe(short_clip(sample("Kata_A1_C0.avi"), tmp_path / "lit.mp4", 40))
    video, size = tmp_path / "gap.avi", (lit.width, lit.height)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), lit.fps, size)
    for n, frame in enumerate(read_frames(lit)):
        writer.write(np.zeros_like(frame) if 14 <= n < 26 else frame)
    writer.release()

    done = run("extract", video, "--cache-dir", cache_dir, "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["videos"]
    assert told["frames_with_people"] < told["frames"] == 40
    entry = Cache(cache_dir).find(SEQUENCES, Path(told["sequences"]).name)
    assert entry is not None
    ((_, sequence),) = load_sequences(entry)
    unseen = np.isnan(sequence.xy[0]).all(axis=(1, 2))
    assert unseen[14:26].all() and not unseen.all()

    for dims in (2, 3):
        values = normalise(sequence, NormaliseOptions(dims=dims))
        assert np.isnan(values[0, unseen, :, :2]).all()
        clip = Sample(id="gap", label="kata", item=0, values=values, fps=sequence.fps)
        data = pack_samples(tmp_path / str(dims), [clip], ("kata",), sequence.skeleton, dims=dims)
        clips = DeviceClips(data, torch.device("cpu"))
        one, sampling, rng = np.array([0]), SamplingOptions(length=40), np.random.default_rng(0)
        trained, _ = clips.training(one, sampling, AugmentOptions(), rng)
        tested, _ = clips.arrays.test_input(one, sampling)
        for x in (trained, tested):
            assert x.shape[-1] == 3 and torch.isfinite(x).all()
            assert (x[0, 0] == 0).all(dim=(1, 2)).any()  # the frames without them

    done = run("predict", video, "--cache-dir", cache_dir, "--json")
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    assert predictions  # one, or two if the black frames are a scene cut
    for prediction in predictions:
        assert prediction["segments"]
        for segment in prediction["segments"]:
            assert np.isfinite(list(segment["probabilities"].values())).all()


def test_names_that_are_not_utf8(clip: Path, tmp_path: Path, cache_dir: Path) -> None:
    """They are names like any other, and are shown with their bytes escaped; the files that are
    written beside them have the same name."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clip, os.path.join(os.fsencode(folder), b"caf\xe9.mp4"))  # noqa: PTH118
    arguments = ("predict", folder, "--cache-dir", cache_dir)
    outputs = ("--csv", "a.csv", "--srt", "srt/", "--overlay", "drawn/")
    for name in ("srt", "drawn"):
        (tmp_path / name).mkdir()
    done = run(*arguments, *outputs, "--json")
    assert done.returncode == 0, done.stderr
    (predicted,) = json.loads(done.stdout)["predictions"]
    assert predicted["path"] == f"{folder}/caf\\xe9.mp4"
    assert f"{folder}/caf\\xe9.mp4" in (tmp_path / "a.csv").read_text(encoding="utf-8")
    for file in (b"srt/caf\xe9.srt", b"drawn/caf\xe9.mp4"):
        assert Path(os.fsdecode(file)).stat().st_size
    done = run(*arguments)
    assert done.returncode == 0 and "caf\\xe9.mp4" in done.stdout
    done = run("extract", folder, "--cache-dir", cache_dir, "--height", "128", "--out", "json")
    assert done.returncode == 0 and "caf\\xe9.mp4" in done.stdout, done.stderr


def test_training_on_names_that_are_not_utf8(tmp_path: Path) -> None:
    """In the names of the dataset, of a class and of files."""
    data = os.path.join(os.fsencode(tmp_path), b"d\xe9ta")  # noqa: PTH118
    for label in (b"caf\xe9", b"left"):
        (folder := Path(os.fsdecode(data + b"/" + label))).mkdir(parents=True)
        for n in range(12):
            clip = kinect_clip(2 * n + (label == b"left"))[0]
            np.save(folder / os.fsdecode(b"t\xe9st%d.npy" % n), clip)
    name = os.fsdecode(data)
    done = run("datasets", "check", name)
    assert done.returncode == 0 and "caf\\xe9" in done.stdout, done.stderr
    small = ("--model", "rocket", "--set", "model.kernels=100", "--device", "cpu", "--name", "r")
    done = run("train", "--dataset", name, *small)
    assert done.returncode == 0 and "d\\xe9ta" in done.stderr + done.stdout, done.stderr
    split = (tmp_path / "runs" / "r" / "split.json").read_text(encoding="utf-8")
    assert "caf\\\\xe9/t\\\\xe9st" in split
    done = run("predict", name, "--model", "runs/r", "--csv", "a.csv")
    assert done.returncode == 0 and "caf\\xe9/t\\xe9st" in done.stdout, done.stderr
