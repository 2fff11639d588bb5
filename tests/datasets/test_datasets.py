from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.config import shipped
from skelact.datasets import mads, packed, splits
from skelact.datasets.base import Item
from skelact.datasets.registry import find
from skelact.errors import (
    CacheError,
    ConfigError,
    DatasetError,
    InputError,
    LeakingSplit,
    MissingDataset,
)
from skelact.skeletons import SKELETONS
from tests.helpers import pack_samples


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def mads_like(root: Path) -> Path:
    """The file names of MADS, with Sports and with files that do not belong to the dataset."""
    names = [
        f"MADS_multiview/MADS/multi_view_data/{a}/{a}_{s}_C{c}.avi"
        for a, takes in (
            ("HipHop", "123456"),
            ("Kata", ("F2", "F3", "P3", "P5", "N2", "N3")),
            ("Sports", ("Tennis", "Volleyball")),
        )
        for s in takes
        for c in range(3)
    ]
    return touch(
        root,
        *names,
        "MADS_depth/MADS/depth_data/Kata/Kata_F2_Left.avi",
        "x/Kata_F2_GT.mat",
        "x/Kata.avi",
    )


def test_mads_is_found_by_name_anywhere_below_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mads_like(tmp_path / "mads")
    found = find("mads", tmp_path / "mads", None)
    assert (found.name, found.classes, len(found.items)) == ("mads", ("HipHop", "Kata"), 36)
    monkeypatch.setenv("SKELACT_DATA", str(tmp_path))
    assert len(find("mads", None, None).items) == 36
    monkeypatch.delenv("SKELACT_DATA")
    mads_like(tmp_path / "data" / "mads")
    assert find("mads", None, ("Kata", "Sports")).classes == ("Kata", "Sports")


def test_without_mads_the_sample_set_is_used_and_said() -> None:
    found = find("mads", None, None)
    assert found.name == "mads-sample" and "was not found" in found.notice
    assert found.classes == ("HipHop", "Jazz", "Kata", "Taichi") and len(found.items) == 72
    assert {i.groups["performer"] for i in found.items} == set("ABCD")


def test_a_given_folder_without_mads_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataset):
        find("mads", tmp_path, None)
    with pytest.raises(ConfigError, match="did you mean 'Kata'"):
        find("mads", mads_like(tmp_path), ("Katta", "HipHop"))
    with pytest.raises(DatasetError, match="only the class Kata"):
        find("mads", tmp_path, ("Kata",))


@pytest.mark.parametrize("protocol", ["xseq", "xview", "xsub"])
def test_protocols_on_the_sample_set(protocol: str) -> None:
    found = find("mads", None, None)
    subsets = splits.apply(found, protocol)
    by = {"xseq": "take", "xview": "camera", "xsub": "performer"}[protocol]
    groups = {
        subset: {i.groups[by] for i, s in zip(found.items, subsets, strict=True) if s == subset}
        for subset in ("train", "test")
    }
    assert groups["train"] and groups["test"] and not groups["train"] & groups["test"]
    if protocol == "xview":
        assert groups["test"] == {"0"}
    held = splits.hold_out(found.items, subsets, 0.25, 0)
    assert [s for s in held if s == "test"] == [s for s in subsets if s == "test"]
    takes = {
        subset: {i.groups["take"] for i, s in zip(found.items, held, strict=True) if s == subset}
        for subset in ("train", "val")
    }
    assert takes["val"] and not takes["train"] & takes["val"]
    assert {t.split("_")[0] for t in takes["val"]} == set(found.classes)


def test_cross_subject_needs_performers(tmp_path: Path) -> None:
    found = find("mads", mads_like(tmp_path), None)
    with pytest.raises(DatasetError, match=r"The performer of \w+ is unknown") as caught:
        splits.apply(found, "xsub")
    assert "performers.json" in caught.value.hint
    for text, says in (("{", "not JSON"), ("[]", "Expected `object`")):
        (tmp_path / "performers.json").write_text(text)
        with pytest.raises(InputError, match=says):
            find("mads", tmp_path, None)


def test_one_performer_per_class_is_ill_posed_and_said(tmp_path: Path) -> None:
    """The thesis's own cross-subject split of MADS: a class would have no training clip."""
    mads_like(tmp_path)
    takes = {i.groups["take"]: i.label for i in mads.scan(tmp_path)}
    (tmp_path / "performers.json").write_text(__import__("json").dumps(takes))
    with pytest.raises(LeakingSplit, match="no train clip of"):
        splits.apply(find("mads", tmp_path, None), "xsub")


def test_a_leak_names_the_files() -> None:
    items = [Item(Path(f"{n}.avi"), "a", groups={"take": "one"}) for n in "xy"]
    with pytest.raises(LeakingSplit, match=r"Take one .* x.avi .* y.avi|y.avi .* x.avi"):
        splits.check_leaks(items, ["train", "test"], ("take",))
    splits.check_leaks(items, ["train", "train"], ("take",))


def test_unknown_protocol() -> None:
    with pytest.raises(ConfigError, match="did you mean 'xview'"):
        splits.apply(find("mads", None, None), "xviev")


def test_an_only_take_is_never_held_out() -> None:
    items = [
        Item(Path("a"), "a", groups={"take": "1"}),
        Item(Path("b"), "b", groups={"take": "2"}),
        Item(Path("c"), "b", groups={"take": "3"}),
    ]
    assert splits.hold_out(items, ["train"] * 3, 0.9, 0).count("val") == 1


def test_fingerprint_depends_on_who_is_where_only() -> None:
    assert splits.fingerprint(["a", "b"], ["train", "test"]) == splits.fingerprint(
        ["b", "a"], ["test", "train"]
    )
    assert splits.fingerprint(["a", "b"], ["train", "test"]) != splits.fingerprint(
        ["a", "b"], ["test", "train"]
    )


def test_packed_round_trip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = [
        packed.Sample(
            id=f"s{i}",
            label="ab"[i % 2],
            item=i,
            values=rng.normal(size=(m, 5 + i, 17, 3)).astype(np.float32),
            fps=10.0,
            is_mirrored=i == 2,
        )
        for i, m in enumerate((1, 2, 3))
    ]
    data = pack_samples(tmp_path, samples, ("a", "b"), persons=2)
    entry = Cache(tmp_path).find(packed.PACKED, "samples")
    assert entry is not None and entry.manifest.samples == 3
    assert isinstance(data.keypoints, np.memmap) and data.lengths.tolist() == [5, 6, 7]
    assert data.labels.tolist() == [0, 1, 0] and data.ids == ("s0", "s1", "s2")
    assert data.is_mirrored.tolist() == [False, False, True] and data.fps.tolist() == [10.0] * 3
    assert (data.dataset, data.dims, data.minmax, data.y_up) == ("samples", 2, False, False)
    first = data.keypoints[: data.offsets[1]]
    np.testing.assert_array_equal(first[:, 0], samples[0].values[0])
    assert np.isnan(first[:, 1]).all()  # a second person who is not there
    (entry.path / "index.json").write_text("x")
    with pytest.raises(CacheError):
        packed.open_packed(entry)


def test_the_sample_sets_truth_is_consistent() -> None:
    """MADS's own .mat layout: millimetres, and a calibration that projects them onto the pixels."""
    import cv2
    from scipy.io import loadmat

    root = shipped("sample_videos") / "Kata"
    truth = loadmat(root / "Kata_A1_GT.mat")
    poses = np.stack([truth["GTpose2"][0, t] for t in range(truth["GTpose2"].shape[1])])
    names = [str(np.ravel(n)[0]) for n in truth["joints"].ravel()]
    assert poses.shape[1:] == (19, 3) and tuple(names) == SKELETONS["mads-19"].joints
    assert (
        400 < np.abs(poses[:, 18, 1] - poses[:, 1, 1]).mean() < 900
    )  # head above pelvis, y up, mm
    for camera in range(3):
        c = loadmat(root / f"Calib_Cam{camera}.mat")
        pixels, _ = cv2.projectPoints(
            poses.reshape(-1, 3), c["om_ext"], c["T_ext"], c["KK"], c["kc"]
        )
        np.testing.assert_allclose(
            pixels.reshape(-1, 19, 2), truth[f"GTpixels_C{camera}"], atol=0.05
        )
