from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache, CacheEntry
from skelact.errors import CacheError, InputError, PathMissing
from skelact.pose import importers
from skelact.pose.store import frame_json, parse_frame, read_poses, write_poses
from skelact.pose.track import TrackOptions
from skelact.schemas import PosesManifest
from skelact.skeletons import SKELETONS, Skeleton, parts_of, with_details
from skelact.stages.extraction import POSES
from skelact.types import PersonPose
from tests.conftest import SHARED, need, walking

COCO = SKELETONS["coco-17"]


def people() -> list[list[PersonPose]]:
    rng = np.random.default_rng(0)
    out = []
    for t in range(5):
        xy = rng.uniform(0, 400, (17, 2)).astype(np.float32)
        score = rng.uniform(0.1, 1, 17).astype(np.float32)
        xyz = rng.normal(size=(17, 3)).astype(np.float32)
        xy[3], xyz[3], score[3] = np.nan, np.nan, 0
        out.append([PersonPose(xy, score, xyz=xyz, person_id=4)] if t != 2 else [])
    return out


def same(a: PersonPose, b: PersonPose) -> None:
    np.testing.assert_allclose(a.xy, b.xy, atol=0.006)
    np.testing.assert_allclose(a.score, b.score, atol=1e-4)
    assert a.xyz is not None and b.xyz is not None
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-4)
    assert a.person_id == b.person_id


def stored(root: Path, write: Callable[[Path], object]) -> CacheEntry[PosesManifest]:
    """A cache entry with the files that `write` makes."""
    manifest = PosesManifest(
        source="video.mp4",
        content="0a",
        estimator="blazepose",
        weights="0b",
        skeleton=SKELETONS["coco-17"],
        width=640,
        height=480,
        fps=10.0,
        pose={},
        track={},
        frames=5,
        frames_with_people=4,
        people_found=4,
        persons=1,
    )

    def fill(folder: Path) -> PosesManifest:
        write(folder)
        return manifest

    return Cache(root).write(POSES, "k", fill)


@pytest.mark.parametrize("form", ["frames", "lines"])
def test_written_and_read(tmp_path: Path, form: str) -> None:
    frames = people()
    entry = stored(tmp_path, lambda folder: write_poses(folder, frames, COCO, form))  # type: ignore[arg-type]
    again = read_poses(entry)
    assert [len(p) for p in again] == [1, 1, 0, 1, 1]
    same(frames[4][0], again[4][0])


def test_the_json_is_openpose_shaped() -> None:
    content = json.loads(frame_json(people()[0], COCO))
    assert set(content) == {"version", "people"}
    person = content["people"][0]
    assert person["person_id"] == [4] and len(person["pose_keypoints_2d"]) == 51
    assert person["pose_keypoints_2d"][9:12] == [0, 0, 0]  # missing, as OpenPose writes it
    assert json.loads(frame_json([], COCO)) == {"version": 1.3, "people": []}


def test_hands_and_face_have_keys_of_their_own() -> None:
    skeleton = with_details(SKELETONS["blazepose-33"], hands=True, face=True)
    rng = np.random.default_rng(0)
    xy = rng.uniform(1, 400, (145, 2)).astype(np.float32)
    score = rng.uniform(0.1, 1, 145).astype(np.float32)
    xyz = rng.normal(size=(145, 3)).astype(np.float32)
    parts = parts_of(skeleton)
    xy[parts["hand_right"]], score[parts["hand_right"]] = np.nan, 0
    xyz[parts["hand_right"]], xyz[parts["face"]] = np.nan, np.nan
    person = PersonPose(xy, score, xyz=xyz, person_id=1)
    (record,) = json.loads(frame_json([person], skeleton))["people"]
    lengths = {key: len(values) for key, values in record.items()}
    assert lengths == {
        "person_id": 1,
        **{"pose_keypoints_2d": 99, "pose_keypoints_3d": 132, "face_keypoints_2d": 210},
        **{f"hand_{side}_keypoints_2d": 63 for side in ("left", "right")},
        "hand_left_keypoints_3d": 84,  # the others have no 3-D coordinates
    }
    assert record["hand_right_keypoints_2d"] == [0] * 63
    same(person, parse_frame(frame_json([person], skeleton), skeleton)[0])


def test_hands_without_a_key_are_missing() -> None:
    """OpenPose writes empty lists for parts that it did not estimate."""
    skeleton = with_details(COCO, hands=True)
    record = {"pose_keypoints_2d": [1, 2, 0.5] * 17, "hand_left_keypoints_2d": []}
    (person,) = parse_frame(json.dumps({"people": [record]}), skeleton)
    assert np.isfinite(person.xy[:17]).all() and np.isnan(person.xy[17:]).all()
    assert not person.score[17:].any() and person.xyz is None
    record["hand_left_keypoints_2d"] = [1, 2, 0.5]
    with pytest.raises(ValueError, match="hand_left"):
        parse_frame(json.dumps({"people": [record]}), skeleton)


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", '{"people": 3}', '{"people": [3]}', "nonsense"),
        '{"people": [{"pose_keypoints_2d": [1, 2]}]}',
    ],
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_frame(text, COCO)


def test_stored_nonsense_is_a_cache_error(tmp_path: Path) -> None:
    entry = stored(tmp_path, lambda folder: (folder / "000000.json").write_text("nonsense"))
    with pytest.raises(CacheError):
        read_poses(entry)


# --- imports ---


def openpose_files(
    folder: Path, stem: str, frames: list[list[PersonPose]], skeleton: Skeleton
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n, these in enumerate(frames):
        text = frame_json(these, skeleton)
        content = json.loads(text.replace('"person_id":[4]', '"person_id":[-1]'))
        (folder / f"{stem}_{n:012d}_keypoints.json").write_text(json.dumps(content))


def test_openpose_folder(tmp_path: Path) -> None:
    skeleton = SKELETONS["openpose-18"]
    openpose_files(tmp_path / "v", "v", [[p] for p in walking(8, skeleton)], skeleton)
    found = importers.sources(tmp_path)
    made = importers.read(found["v"], 8, 10.0, TrackOptions())
    assert made.program == "openpose" and made.skeleton == skeleton
    assert [p[0].person_id for p in made.frames] == [0] * 8


def test_openpose_hands_and_faces_on_request(tmp_path: Path) -> None:
    body = SKELETONS["body-25"]
    skeleton = with_details(body, hands=True)
    openpose_files(tmp_path / "v", "v", [[p] for p in walking(4, skeleton)], skeleton)
    source = importers.sources(tmp_path)["v"]
    plain = importers.read(source, 4, 10.0, TrackOptions())
    assert plain.skeleton == body and plain.frames[0][0].xy.shape == (25, 2)
    hands = importers.read(source, 4, 10.0, TrackOptions(), hands=True)
    assert hands.skeleton == skeleton and hands.skeleton.name == "body-25-hands"
    np.testing.assert_allclose(hands.frames[3][0].xy, walking(4, skeleton)[3].xy, atol=0.006)
    with pytest.raises(InputError, match="no person has face_keypoints_2d"):
        importers.read(source, 4, 10.0, TrackOptions(), hands=True, face=True)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InputError, match="only OpenPose"):
        importers.read(importers.sources(tmp_path)["a"], 4, 10.0, TrackOptions(), hands=True)


def test_alphapose_and_coco_results(tmp_path: Path) -> None:
    frames = walking(6)
    flat = [np.c_[p.xy, p.score].ravel().tolist() for p in frames]
    (tmp_path / "a.json").write_text(
        json.dumps(
            [
                {"image_id": f"{n}.jpg", "keypoints": k, "score": 1.0, "idx": 7}
                for n, k in enumerate(flat)
                if n != 2
            ]
        )
    )
    (tmp_path / "c.json").write_text(
        json.dumps(
            [
                {"image_id": n + 1, "category_id": 1, "keypoints": k, "score": 1.0}
                for n, k in enumerate(flat)
            ]
        )
    )
    found = importers.sources(tmp_path)
    alpha = importers.read(found["a"], 6, 10.0, TrackOptions())
    assert alpha.program == "alphapose" and [len(f) for f in alpha.frames] == [1, 1, 0, 1, 1, 1]
    assert alpha.frames[5][0].person_id == 7  # its own ids are kept
    np.testing.assert_allclose(alpha.frames[3][0].xy, frames[3].xy, atol=1e-3)
    coco = importers.read(found["c"], 6, 10.0, TrackOptions())  # numbered from 1
    assert coco.program == "coco" and len(coco.frames) == 6
    np.testing.assert_allclose(coco.frames[0][0].xy, frames[0].xy, atol=1e-3)


def test_bad_imports(tmp_path: Path) -> None:
    with pytest.raises(PathMissing):
        importers.sources(tmp_path / "no")
    with pytest.raises(InputError, match="no pose JSON"):
        importers.sources(tmp_path)
    (tmp_path / "x.json").write_text('{"a": 1}')
    (tmp_path / "y.json").write_text('[{"image_id": "none", "keypoints": [0, 0, 0]}]')
    (tmp_path / "z_000_keypoints.json").write_text('{"people": [3]}')
    found = importers.sources(tmp_path)
    for name in ("x", "y", "z"):
        with pytest.raises(InputError, match=r"\(pose JSON\)"):
            importers.read(found[name], 5, 10.0, TrackOptions())


def test_real_openpose_output(tmp_path: Path) -> None:
    archive = need(SHARED / "data" / "openpose" / "kth_body25_examples.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(tmp_path, filter="data")
    found = importers.sources(tmp_path)
    assert len(found) == 6
    for source in found.values():
        made = importers.read(source, None, 25.0, TrackOptions())
        assert made.skeleton.name == "openpose-mpi-15" and len(made.frames) >= 50
        assert sum(map(bool, made.frames)) > 20
