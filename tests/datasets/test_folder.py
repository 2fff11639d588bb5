"""Own videos, JHMDB, the ground truth of MADS, and the check of a dataset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from skelact import config
from skelact.config import shipped
from skelact.datasets import check, folder, jhmdb, mads_truth, registry, splits
from skelact.errors import ConfigError, InputError, LeakingSplit, MissingDataset
from skelact.recipe import Recipe
from skelact.sequence.normalise import normalise
from tests.conftest import SHARED, need, run, sample, short_clip


def touch(root: Path, *names: str) -> Path:
    for n, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([n]))
    return root


def test_a_folder_for_every_class(tmp_path: Path) -> None:
    names = [f"{c}/deep/{c}{n}.mp4" for c in ("jump", "run") for n in range(6)]
    found = folder.folder(
        touch(tmp_path, *names, "run/run0 copy.mp4", "loose.mp4", "jump/note.txt")
    )
    assert found.classes == ("jump", "run") and len(found.items) == 13
    subsets = dict(
        zip((i.path.name for i in found.items), splits.apply(found, "takes"), strict=True)
    )
    assert list(subsets.values()).count("test") == 4
    assert (
        subsets["run0 copy.mp4"] == subsets["run0.mp4"]
    )  # a copy stays in the subset of the original
    with pytest.raises(MissingDataset, match="no class folder"):
        folder.folder(touch(tmp_path / "flat", "a.mp4"))


def write_table(root: Path, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "labels.csv").write_text(text, encoding="latin-1")
    return root / "labels.csv"


def test_a_table_of_labels(tmp_path: Path) -> None:
    rows = "".join(f"v{n}.mp4,{'ab'[n % 2]},{n},{n + 4},anna{n % 3}\n" for n in range(12))
    found = folder.table(write_table(tmp_path, "path,label,start,end,subject\n" + rows))
    assert found.items[3].span_s == (3, 7) and found.items[3].path == tmp_path / "v3.mp4"
    assert list(found.protocols) == ["takes", "xsub"]
    subsets = splits.apply(found, "xsub")
    assert {
        i.groups["subject"] for i, s in zip(found.items, subsets, strict=True) if s == "test"
    } == {"anna2"}
    assert found.items[3].name(tmp_path) == "v3.mp4@3-7"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,label\nx,a\n", "path and label"),
        ("path,label\n", "no rows"),
        ("path,label\nx.mp4,\n", "line 2"),
        ("path,label,start,end\nx.mp4,a,5,3\n", "must be after"),
        ("path,label,start\nx.mp4,a,soon\n", "line 2"),
        ("path,label,subset\nx.mp4,a,middle\n", "subset 'middle'"),
        ("path,label,start,end\nx.mp4,a,1,nan\n", "must be after"),
        ("path,label,start\nx.mp4,a,inf\n", "must be after"),
        ("path,label\nx.mp4,caf\xe9\n", "UTF-8"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        folder.table(write_table(tmp_path, text))
    assert says in error.value.message + error.value.hint


def test_a_leaking_table_is_refused(tmp_path: Path) -> None:
    rows = "a.mp4,x,0,5,train\na.mp4,x,5,10,test\nb.mp4,y,0,5,train\nc.mp4,y,0,5,test\n"
    found = folder.table(write_table(tmp_path, "path,label,start,end,subset\n" + rows))
    with pytest.raises(LeakingSplit, match=r"a\.mp4"):
        splits.apply(found, "own")


def test_jhmdb_as_it_is() -> None:
    found = jhmdb.find(need(SHARED / "data" / "jhmdb"))
    assert len(found.items) == 928 and len(found.classes) == 21
    counts = [splits.apply(found, f"split{n}") for n in (1, 2, 3)]
    assert [(c.count("train"), c.count("test")) for c in counts] == [
        (660, 268),
        (658, 270),
        (663, 265),
    ]
    most = splits.apply(found, "most")
    left = [i for i, subset in zip(found.items, most, strict=True) if subset == "test"]
    assert {i.label for i in left} == set(found.classes) and len(left) < 100
    assert found.official == ["split1", "split2", "split3"]


# --- MADS's ground truth, on the sample set's own files ---


def test_ground_truth_in_3d() -> None:
    found = mads_truth.find(shipped("sample_videos"), projected=False)
    assert len(found.items) == 24 and found.classes == ("HipHop", "Jazz", "Kata", "Taichi")
    assert found.read is not None
    sequence = found.read(found.items[0])
    assert sequence.xyz is not None
    up = sequence.xyz[0, :, :, 2]
    head, foot = (sequence.skeleton.index(j) for j in ("head", "left_foot"))
    assert 1.2 < np.nanmedian(up[:, head] - up[:, foot]) < 2  # metres, z up
    assert "xview" not in found.protocols


def test_ground_truth_projected_is_where_the_renderer_put_it() -> None:
    found = mads_truth.find(shipped("sample_videos"), projected=True)
    assert len(found.items) == 72 and found.read is not None
    for item in found.items[::24]:
        truth = loadmat(item.path)[f"GTpixels_C{item.key}"]
        np.testing.assert_allclose(found.read(item).xy[0], truth, atol=0.05)


def test_fifteen_joints_and_damage(tmp_path: Path) -> None:
    poses = np.empty((1, 4), dtype=object)
    for t in range(4):
        poses[0, t] = np.full((15, 3), float(t))
    savemat(tmp_path / "Kata_F2_GT.mat", {"GTpose2": poses})
    whole = mads_truth.poses(tmp_path / "Kata_F2_GT.mat")
    assert whole.shape == (4, 19, 3) and np.isnan(whole).any(axis=(0, 2)).sum() == 4
    savemat(tmp_path / "Kata_F3_GT.mat", {"other": 1})
    with pytest.raises(InputError, match="GTpose2"):
        mads_truth.poses(tmp_path / "Kata_F3_GT.mat")
    (tmp_path / "Kata_P3_GT.mat").write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        mads_truth.poses(tmp_path / "Kata_P3_GT.mat")


# --- the table, the check ---


@pytest.mark.parametrize("name", registry.dataset_specs())
def test_every_dataset_has_a_config(name: str) -> None:
    recipe = Recipe.from_dict(config.load(f"datasets/{name}"))
    assert recipe.dataset.name == name


def test_where_datasets_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'ntu60'"):
        registry.find("ntu6", None, None)
    with pytest.raises(MissingDataset) as error:
        registry.find("ntu60", None, None)
    assert "rose1.ntu.edu.sg" in error.value.hint
    assert registry.kind_of(Path("x.csv")) == "labels" and registry.kind_of(tmp_path) == "folder"


def footage(root: Path) -> Path:
    """Two classes of real clips, a copy, an empty file."""
    for label, name in (("kata", "Kata_A1_C0.avi"), ("jazz", "Jazz_A1_C0.avi")):
        for n in range(3):
            short_clip(sample(name), root / label / f"{label}{n}.avi", 20, start=20 * n)
    shutil.copy(root / "kata" / "kata0.avi", root / "jazz" / "stray.avi")
    (root / "jazz" / "empty.avi").touch()
    return root


def test_check_reports_problems(tmp_path: Path) -> None:
    found = check.inspect("folder", footage(tmp_path / "mine"))
    assert {c.label: c.items for c in found.classes} == {"jazz": 4, "kata": 3}
    text = "\n".join(found.warnings)
    assert "empty.avi" in text and "same content but different labels" in text
    assert "only 3 items" in text
    done = run("datasets", "check", tmp_path / "mine", "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["items"] == 8
    unknown = run("datasets", "check", tmp_path / "mine", "--dataset", "foldr")
    assert unknown.returncode == 2 and "did you mean 'folder'" in unknown.stderr


def test_datasets_are_listed() -> None:
    done = run("datasets", "--json")
    assert {row["name"] for row in json.loads(done.stdout)} == set(registry.dataset_specs())


def test_3d_only_sequences_say_so() -> None:
    found = mads_truth.find(shipped("sample_videos"), projected=False)
    assert found.read is not None
    with pytest.raises(ConfigError, match="3-D and have no image"):
        normalise(found.read(found.items[0]), Recipe().normalise)
