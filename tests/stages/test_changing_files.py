"""Files that change while they are read: their results are not stored, the other files are done."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.datasets import folder
from skelact.datasets.base import Item
from skelact.errors import InputError
from skelact.recipe import Recipe
from skelact.skeletons import SKELETONS
from skelact.stages import cut as cut_stage
from skelact.stages.pack import pack
from skelact.types import PoseSequence
from skelact.video.cut import ClipOptions, CodingOptions
from tests.conftest import run
from tests.helpers import add_module, kinect_clip, pattern

TOY = """
import os
from pathlib import Path
import numpy as np
from skelact.pose.base import EstimatorSpec, EstimatorStatus
from skelact.skeletons import SKELETONS
from skelact.types import PersonPose

CHANGING = Path(os.environ["CHANGING"])


class Toy:
    name, fingerprint, skeleton = "toy", "1", SKELETONS["coco-17"]

    def __init__(self, options):
        pass

    def run(self, frames):
        for frame in frames:
            if CHANGING.exists() and frame.frame == 5:
                times = CHANGING.stat()
                content = CHANGING.read_bytes()
                CHANGING.write_bytes(content[:-4] + b"EDIT")
                os.utime(CHANGING, ns=(times.st_atime_ns, times.st_mtime_ns))
            xy = np.linspace(10 + frame.frame, 60, 34, dtype=np.float32).reshape(17, 2)
            yield frame, [PersonPose(xy, np.full(17, 0.9, np.float32))]


ESTIMATORS = (
    EstimatorSpec(
        name="toy",
        open=Toy,
        fingerprint=lambda options: "1",
        status=lambda: EstimatorStatus(ready=True, text="ready"),
        parallel="PARALLEL",
    ),
)
"""


@pytest.mark.parametrize("parallel", ["processes", "batches"])
def test_a_video_that_changes_during_extraction(parallel: str, tmp_path: Path) -> None:
    """Even if its size and time stay the same."""
    env = add_module(tmp_path, "pose/toy.py", TOY.replace("PARALLEL", parallel))
    changing = pattern(tmp_path / "changing.mp4")
    pattern(tmp_path / "other.mp4", "64x48", "20")
    arguments = ("extract", changing, tmp_path / "other.mp4", "--pose", "toy", "--json")
    done = run(*arguments, **env, CHANGING=str(changing))
    assert done.returncode == 1, done.stderr
    content = json.loads(done.stdout)
    assert [Path(v["path"]).name for v in content["videos"]] == ["other.mp4"]
    (failed,) = content["failed"]
    assert failed["reason"] == f"{changing} changed while it was read"
    assert "run the same command again" in failed["hint"]
    assert len(list((tmp_path / ".skelact" / "poses").glob("*/manifest.json"))) == 1
    done = run(*arguments, **env, CHANGING=str(tmp_path / "nothing"))
    assert done.returncode == 0, done.stderr  # with the hash of the new content
    assert len(json.loads(done.stdout)["videos"]) == 2


def test_a_video_that_changes_or_disappears_while_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, cache = pattern(tmp_path / "a.mp4"), Cache(tmp_path / "cache")
    real = cut_stage.cut

    def change(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        with video.open("ab") as file:
            file.write(b"more")

    def remove(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        video.unlink()

    options = (ClipOptions(length_s=0), CodingOptions(height=32), cache)
    monkeypatch.setattr(cut_stage, "cut", change)
    with pytest.raises(InputError, match="changed while it was read"):
        cut_stage.cut_video(video, *options)
    monkeypatch.setattr(cut_stage, "cut", remove)
    with pytest.raises(InputError, match="disappeared while it was read"):
        cut_stage.cut_video(video, *options)
    assert not list((tmp_path / "cache").glob("clips/*/manifest.json"))
    assert not list((tmp_path / "cache").glob("clips/tmp-*"))


def test_a_skeleton_file_that_changes_while_a_dataset_is_packed(tmp_path: Path) -> None:
    for n in range(6):
        path = tmp_path / "data" / ("left", "right")[n % 2] / f"{n}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, kinect_clip(n)[0])
    found = folder.folder(tmp_path / "data")
    changing = found.items[2].path
    assert found.read is not None
    reader = found.read

    def read(item: Item) -> PoseSequence:
        sequence = reader(item)
        if item.path == changing:
            np.save(changing, kinect_clip(20, frames=20 + len(states))[0])
            states.append(item)
        return sequence

    states: list[Item] = []
    cache, skeleton = Cache(tmp_path / "cache"), SKELETONS["kinect-20"]
    recipe = Recipe.from_dict({"normalise": {"dims": 3}})
    arguments = (replace(found, read=read), recipe, skeleton, cache)
    packed, failures = pack(*arguments, extracted={}, mirrored={})
    assert [f.path for f in failures] == [changing] and "changed while" in failures[0].reason
    assert len(packed) == 5 and 2 not in packed.items.tolist()
    again, failures = pack(replace(found, read=reader), *arguments[1:], extracted={}, mirrored={})
    assert len(again) == 6 and not failures


def test_a_hash_is_forgotten(tmp_path: Path) -> None:
    """A file that was changed while it was read is known by its new content after the failure, also
    if its size and times are the same."""
    path, cache = tmp_path / "a", Cache(tmp_path / "cache")
    path.write_bytes(b"one")
    old, status = cache.content_hash(path), path.stat()
    cache.check_unchanged(path, old)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match="changed"):
        cache.check_unchanged(path, old)
    for other in (cache, Cache(tmp_path / "cache")):
        assert other.content_hash(path) != old


def test_only_regular_files_have_a_hash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path, Path(os.devnull)):
        with pytest.raises(InputError, match="not a regular file"):
            Cache(tmp_path / "cache").content_hash(path)


def test_an_overlay_of_another_video(tmp_path: Path, clip: Path, networks: None) -> None:
    """The video is replaced after its poses were extracted, before it is drawn."""
    from skelact.pose.base import PoseOptions
    from skelact.report.writers import overlay
    from skelact.stages.poses import poses_of

    video = Path(shutil.copy(clip, tmp_path / "a.mp4"))
    (extracted,) = poses_of([video], Cache(tmp_path / "cache"), PoseOptions()).results

    class Result:
        path, predictions = video, ()

    Result.extracted = extracted  # type: ignore[attr-defined]
    overlay.write([Result()], tmp_path / "out.mp4")  # type: ignore[list-item]
    pattern(video)
    with pytest.raises(InputError, match="changed while it was read"):
        overlay.write([Result()], tmp_path / "out.mp4")  # type: ignore[list-item]
