"""The readers of skeleton datasets, on format-true files and on damaged ones."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from skelact.datasets import kinetics, kth, ntu, nw_ucla, pyskl, splits, utd_mhad
from skelact.datasets.base import Item
from skelact.errors import DatasetError, InputError, LeakingSplit, MissingDataset
from skelact.readers import kinect
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence
from tests.conftest import SHARED, need

# --- NTU RGB+D ---


def body(number: int, joints: np.ndarray) -> str:
    """A body of a .skeleton file; joints (25, 3)."""
    lines = [f"7205759403792{number:04d} 0 1 1 0 0 0 0.1 -0.2 2", "25"]
    for n, (x, y, z) in enumerate(joints):
        colour = f"{960 + 300 * x:.3f} {540 - 300 * y:.3f}"
        state = 1 if n == 24 else 2
        lines.append(f"{x:.6f} {y:.6f} {z:.6f} 250.1 180.2 {colour} 0.1 0.2 0.3 0.4 {state}")
    return "\n".join(lines)


def skeleton_file(path: Path, frames: list[list[tuple[int, np.ndarray]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [str(len(frames))]
    for bodies in frames:
        parts.append(str(len(bodies)))
        parts += [body(*b) for b in bodies]
    path.write_text("\n".join(parts) + "\n")
    return path


def moving(seed: int, frames: int, speed: float) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(25, 3)) * [0.2, 0.6, 0.1] + [0, 0, 3]
    return [base + np.array([speed * np.sin(t / 3), 0, 0]) for t in range(frames)]


def test_all_fields_of_a_skeleton_file(tmp_path: Path) -> None:
    still, lively = moving(0, 20, 0.01), moving(1, 20, 0.5)
    frames = [[(1, a), (2, b)] for a, b in zip(still, lively, strict=True)]
    path = skeleton_file(tmp_path / "S001C001P001R001A050.skeleton", frames)
    first = kinect.read_bodies(path)[0]
    assert [b.id[-4:] for b in first] == ["0001", "0002"]
    assert first[0].joints.shape == (25, 12)
    np.testing.assert_allclose(first[0].joints[:, :3], still[0], atol=1e-6)
    found = kinect.read_sequence(path)
    assert found.xyz is not None and found.xyz.shape == (2, 20, 25, 3)
    np.testing.assert_allclose(found.xyz[0, 3], lively[3], atol=1e-5)  # the livelier first
    np.testing.assert_allclose(found.xy[0, 3, :, 0], 960 + 300 * lively[3][:, 0], atol=1e-2)
    assert found.score[0, 0, 0] == 1 and found.score[0, 0, 24] == 0.5


def test_a_third_body_and_flickering_ids(tmp_path: Path) -> None:
    a, b, c = moving(0, 30, 0.5), moving(1, 30, 0.3), moving(2, 30, 0.01)
    frames = [[(1, a[t]), (2, b[t]), (3, c[t])] for t in range(30)]
    path = skeleton_file(tmp_path / "S001C001P001R001A050.skeleton", frames)
    assert kinect.read_sequence(path).persons == 2
    # one person under two numbers, one after the other, and a ghost of five frames
    frames = [[(1, a[t])] if t < 15 else [(2, a[t])] for t in range(30)]
    for t in range(5):
        frames[t].append((9, c[t]))
    path = skeleton_file(tmp_path / "S001C001P001R001A001.skeleton", frames)
    found = kinect.read_sequence(path, denoise=True)
    assert found.persons == 1 and found.xyz is not None
    assert not np.isnan(found.xyz).any() and found.frames == 30


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda t: t[: len(t) // 2], "in frame"),
        (lambda t: "", "first line"),
        (lambda t: "RIFF" + t, "not a complete"),
        (lambda t: t.replace("\n25\n", "\n20\n", 1), "20 joints"),
        (lambda t: t.replace(" 0.1 0.2 0.3 0.4 2", " 0.1", 1), "values"),
        (lambda t: "1\n0\n", "no body"),
    ],
)
def test_damaged_skeleton_files(tmp_path: Path, damage, says: str) -> None:  # type: ignore[no-untyped-def]
    path = skeleton_file(
        tmp_path / "S001C001P001R001A001.skeleton", [[(1, j)] for j in moving(0, 6, 0.2)]
    )
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=says):
        kinect.read_sequence(path)


def test_ntu_protocols_and_the_missing_list(tmp_path: Path) -> None:
    gone = sorted(ntu.missing_samples())
    assert len(gone) == 535 and sum(int(n[-3:]) <= 60 for n in gone) == 302
    names = [f"S001C00{c}P00{p}R001A0{a:02d}" for c in (1, 2, 3) for p in (1, 3) for a in (1, 2)]
    for name in (*names, gone[0], "S018C001P008R001A061"):
        skeleton_file(tmp_path / f"{name}.skeleton", [[(1, moving(0, 1, 0)[0])]])
    found = ntu.find(tmp_path, 60)
    assert len(found.items) == 12 and "1 samples" in found.notice
    subsets = dict(
        zip((i.path.stem for i in found.items), splits.apply(found, "xsub"), strict=True)
    )
    assert subsets[names[0]] == "train" and subsets["S001C001P003R001A001"] == "test"
    views = splits.apply(found, "xview")
    assert [v == "test" for v in views] == [i.groups["camera"] == "001" for i in found.items]
    both = ntu.find(tmp_path, 120)
    assert "xset" in both.protocols and len(both.items) == 13
    with pytest.raises(MissingDataset):
        ntu.find(tmp_path / "nothing", 60)


def test_the_official_missing_list() -> None:
    file = need(SHARED / "data" / "ntu" / "NTU_RGBD120_samples_with_missing_skeletons.txt")
    official = {line.strip() for line in file.read_text().splitlines() if line.startswith("S0")}
    assert official == ntu.missing_samples()


# --- PYSKL's pickles ---


def annotation(name: str, label: int, frames: int = 12, joints: int = 17) -> dict[str, object]:
    rng = np.random.default_rng(label)
    return {
        "frame_dir": name,
        "total_frames": frames,
        "img_shape": (1080, 1920),
        "original_shape": (1080, 1920),
        "label": label,
        "keypoint": rng.uniform(10, 900, (2, frames, joints, 2)).astype(np.float16),
        "keypoint_score": rng.uniform(0.1, 1, (2, frames, joints)).astype(np.float16),
    }


def write_pickle(path: Path, **changes: object) -> Path:
    rows = [annotation(f"S001C001P00{p}R001A00{a + 1}", a) for p in (1, 3) for a in (0, 1)]
    names = [str(r["frame_dir"]) for r in rows]
    content: dict[str, object] = {
        "split": {"xsub_train": names[:2], "xsub_val": names[2:]},
        "annotations": rows,
    }
    with path.open("wb") as file:
        pickle.dump(content | changes, file)
    return path


def test_a_pickle_there_and_back(tmp_path: Path) -> None:
    found = pyskl.find(write_pickle(tmp_path / "ntu.pkl"))
    assert found.classes == ("A001", "A002") and splits.apply(found, "xsub").count("train") == 2
    assert found.read is not None
    sequences = [(i.key, int(i.label[1:]) - 1, found.read(i)) for i in found.items]
    split = {"xsub_train": [s[0] for s in sequences[:2]], "xsub_val": [s[0] for s in sequences[2:]]}
    assert pyskl.export(tmp_path / "again.pkl", sequences, split) == 4
    again = pyskl.find(tmp_path / "again.pkl")
    for a, b in zip(found.items, again.items, strict=True):
        assert (a.key, a.label) == (b.key, b.label) and again.read is not None
        np.testing.assert_array_equal(found.read(a).xy, again.read(b).xy)
        np.testing.assert_array_equal(found.read(a).score, again.read(b).score)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def test_damaged_pickles(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of type"):
        pyskl.find(write_pickle(tmp_path / "evil.pkl", note=Evil()))
    assert not Path("pwned").exists()
    whole = write_pickle(tmp_path / "half.pkl").read_bytes()
    (tmp_path / "half.pkl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        pyskl.find(tmp_path / "half.pkl")
    for content in ("none", ["none"]):
        with pytest.raises(InputError, match="not an annotation file"):
            pyskl.find(write_pickle(tmp_path / "odd.pkl", annotations=content))
    twice = [annotation("same", 0), annotation("same", 1)]
    with pytest.raises(DatasetError, match="two samples called 'same'"):
        pyskl.find(write_pickle(tmp_path / "twice.pkl", annotations=twice))
    leak = pyskl.find(
        write_pickle(tmp_path / "leak.pkl", split={"train": ["a", "b"], "val": ["b"]})
    )
    with pytest.raises(DatasetError, match="both subsets of the split: b"):
        splits.apply(leak, "official")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"keypoint": np.zeros((1, 5, 19, 2))}, "19 joints"),
        ({"keypoint": np.zeros((1, 0, 17, 2))}, "no frame"),
        ({"keypoint": np.full((1, 5, 17, 2), np.nan)}, "not finite"),
        ({"keypoint": np.zeros((5, 17))}, "no keypoint array"),
        ({"keypoint_score": np.zeros((1, 5, 17))}, "scores of shape"),
        ({"img_shape": 1080}, "img_shape"),
    ],
)
def test_damaged_annotations(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        pyskl.sequence_of(annotation("x", 0) | changes, "file.pkl:x")


# --- the small ones ---


def test_nw_ucla_as_it_is() -> None:
    import tarfile
    import tempfile

    archive = need(SHARED / "data" / "nw-ucla" / "all_sqe.tar.gz")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
        found = nw_ucla.find(Path(folder))
        assert len(found.items) == 1484 and len(found.classes) == 10
        subsets = splits.apply(found, "xview")
        assert (subsets.count("train"), subsets.count("test")) == (1020, 464)
        assert found.read is not None
        sequence = found.read(found.items[0])
        assert sequence.xyz is not None and sequence.xyz.shape[2:] == (20, 3)
        head, pelvis = (sequence.skeleton.index(j) for j in ("head", "pelvis"))
        assert np.nanmean(sequence.xyz[0, :, head, 1] - sequence.xyz[0, :, pelvis, 1]) > 0.3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ('{"label": 1}', "missing required field `skeletons`"),
        ('{"skeletons": []}', "shape"),
        ('{"skeletons": [[[0, 0, 0]]]}', "shape"),
        (json.dumps({"skeletons": [[[float("nan")] * 3] * 20]}), "not JSON"),
        (json.dumps({"skeletons": [[[1e300] * 3] * 20]}), "not finite"),
    ],
)
def test_damaged_ucla_files(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "a01_s01_e00_v01.json"
    path.write_text(content)
    found = nw_ucla.find(tmp_path)
    assert found.read is not None
    with pytest.raises(InputError, match=says):
        found.read(found.items[0])


def test_utd_mhad(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stored = rng.normal(size=(20, 3, 9))
    for subject in (1, 2):
        savemat(tmp_path / f"a1_s{subject}_t1_skeleton.mat", {"d_skel": stored})
        savemat(tmp_path / f"a2_s{subject}_t1_skeleton.mat", {"d_skel": stored})
    found = utd_mhad.find(tmp_path)
    assert splits.apply(found, "xsub") == ["train", "test", "train", "test"]
    assert found.read is not None
    sequence = found.read(found.items[0])
    head = sequence.skeleton.index("head")
    assert sequence.xyz is not None
    np.testing.assert_allclose(sequence.xyz[0, :, head], stored[0].T, rtol=1e-5)
    (tmp_path / "a1_s1_t1_skeleton.mat").write_bytes(b"not a mat file")
    with pytest.raises(InputError, match=r"damaged or not a \.mat file"):
        found.read(found.items[0])


def test_kinetics(tmp_path: Path) -> None:
    def person(level: float) -> dict[str, list[float]]:
        return {"pose": [level] * 36, "score": [level] * 18}

    for subset in ("train", "val"):
        folder = tmp_path / f"kinetics_{subset}"
        folder.mkdir()
        labels = {}
        for n in range(3):
            data = [
                {"frame_index": t + 1, "skeleton": [person(0.2), person(0.6), person(0.4)]}
                for t in range(4)
            ]
            (folder / f"{subset}{n}.json").write_text(json.dumps({"data": data}))
            labels[f"{subset}{n}"] = {
                "has_skeleton": n < 2,
                "label": f"class {n}",
                "label_index": n,
            }
        (tmp_path / f"kinetics_{subset}_label.json").write_text(json.dumps(labels))
    found = kinetics.find(tmp_path)
    assert len(found.items) == 4 and "2 samples" in found.notice
    assert splits.apply(found, "official") == ["train", "train", "test", "test"]
    assert found.read is not None
    sequence = found.read(found.items[0])
    assert sequence.xy.shape == (2, 4, 18, 2)
    np.testing.assert_allclose(sequence.score[:, 0, 0], [0.6, 0.4], rtol=1e-6)
    found.items[0].path.write_text('{"data": [{"frame_index": 1}]}')
    with pytest.raises(InputError, match="missing required field `skeleton`"):
        found.read(found.items[0])
    (tmp_path / "kinetics_val_label.json").write_text('{"a": {"has_skeleton": true}}')
    with pytest.raises(InputError, match="missing required field `label`"):
        kinetics.find(tmp_path)


def test_kth_names_splits_and_sub_sequences(tmp_path: Path) -> None:
    for person in range(1, 26):
        for action in kth.ACTIONS[:2]:
            (tmp_path / f"person{person:02d}_{action}_d1_uncomp.avi").touch()
    assert len(kth.find(tmp_path).items) == 50
    lines = ("Sequences", "person01_boxing_d1\tframes\t1-95, 96-185")
    lines += ("person02_boxing_d1\tframes\t*missing*",)
    (tmp_path / kth.SEQUENCES).write_text("\n".join(lines))
    found = kth.find(tmp_path)
    assert len(found.items) == 51 and found.items[0].span_s == (0, 95 / 25)
    for name, counts in (
        ("official", (8, 8, 9)),
        ("report-text", (10, 5, 5)),
        ("report-code", (15, 5, 5)),
    ):
        subsets = splits.apply(found, name)
        people = {
            subset: {
                i.groups["performer"]
                for i, s in zip(found.items, subsets, strict=True)
                if s == subset
            }
            for subset in ("train", "val", "test")
        }
        assert tuple(len(people[s]) for s in ("train", "val", "test")) == counts
        assert splits.hold_out(found.items, subsets, 0.25, 0) == subsets


def test_kth_from_openpose() -> None:
    import tarfile
    import tempfile

    archive = need(SHARED / "data" / "openpose" / "kth_body25_examples.tar.gz")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.name.startswith("boxing/")]
        tar.extractall(folder, members, filter="data")
        root = Path(folder)
        for file in root.rglob("boxing_*_keypoints.json"):  # under the dataset's own names
            file.rename(
                file.with_name(file.name.replace("boxing_", "person01_boxing_d1_uncomp_", 1))
            )
        found = kth.find(root)
        assert [i.label for i in found.items] == ["boxing"] and found.read is not None
        sequence = found.read(found.items[0])
        assert sequence.persons == 1 and sequence.frames > 50


def test_a_split_that_leaks_names_files() -> None:
    items = [Item(Path(f"{n}.mp4"), "ab"[n % 2], groups={"take": "same"}) for n in range(4)]
    with pytest.raises(LeakingSplit, match=r"0\.mp4 .* and 1\.mp4|1\.mp4 .* and 0\.mp4"):
        splits.check_leaks(items, ["train", "test", "train", "test"], ("take",))


def test_sequences_of_every_layout_fit() -> None:
    layouts = {17: "coco-17", 18: "openpose-18", 20: "kinect-20", 21: "hand-21", 25: "ntu-25"}
    for joints, layout in layouts.items():
        made = pyskl.sequence_of(annotation("x", 0, joints=joints))
        assert isinstance(made, PoseSequence) and made.skeleton == SKELETONS[layout]
