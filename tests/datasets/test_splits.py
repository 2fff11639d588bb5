"""Stratified group splits, folds, split files, and items of nearly the same content."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets import folder, similar, splits, utd_mhad
from skelact.datasets.base import Collection, Item
from skelact.datasets.grouping import connected, divide
from skelact.errors import ConfigError, DatasetError, InputError, LeakingSplit
from skelact.recipe import Recipe
from skelact.runs.auto import RULES, choose, count_clips
from skelact.types import Floats, PoseSequence
from tests.conftest import sequence_of


def own_table(root: Path, clips: int, recordings: int, classes: int = 5) -> Collection:
    """Clips that were cut from recordings of all classes."""
    rows = [f"v{n}.mp4,c{n % classes},recording{n * recordings // clips}" for n in range(clips)]
    (root / "labels.csv").write_text("path,label,source\n" + "\n".join(rows))
    return folder.table(root / "labels.csv")


@pytest.mark.parametrize(("clips", "recordings"), [(60, 6), (120, 4), (120, 12)])
def test_recordings_of_all_classes_leave_most_clips_for_training(
    tmp_path: Path, clips: int, recordings: int
) -> None:
    """Takes chosen class by class left 6 of 60 clips for training, and 0 of 120."""
    found = own_table(tmp_path, clips, recordings)
    subsets = splits.hold_out(found.items, splits.apply(found, ""), 0.25, 0)
    counts = Counter(subsets)
    assert counts["train"] >= 0.4 * clips and counts["test"] >= 0.2 * clips
    labels = [i.label for i in found.items]
    splits.check_counts(labels, subsets, found.classes)
    splits.check_leaks(found.items, subsets, ("take",))
    assert {x for x, s in zip(labels, subsets, strict=True) if s == "val"} == set(found.classes)


def test_one_recording_cannot_be_split(tmp_path: Path) -> None:
    found = own_table(tmp_path, 20, 1)
    with pytest.raises(DatasetError, match="only one take, recording0") as caught:
        splits.apply(found, "")
    assert "--no-test" in caught.value.hint
    assert set(splits.apply(found, "no-test")) == {"train"}


def test_shares_of_unequal_groups_with_rare_classes() -> None:
    rng = np.random.default_rng(0)
    labels, groups = [], []
    for group in range(30):
        for label in rng.choice(5, rng.integers(1, 12), p=[0.5, 0.3, 0.1, 0.07, 0.03]):
            labels.append(str(label))
            groups.append(str(group))
    parts = divide(labels, groups, [1 / 3] * 3)
    for label in set(labels):
        share = Counter(p for p, x in zip(parts, labels, strict=True) if x == label)
        assert all(0.2 < share[p] / share.total() < 0.45 for p in range(3))
    assert parts == divide(labels, groups, [1 / 3] * 3)


def test_too_few_clips_of_a_class_are_an_error() -> None:
    subsets, labels = ["train", "train", "train", "test"], ["a", "a", "b", "a"]
    with pytest.raises(DatasetError, match=r"train subset: b \(1\); each class needs 2"):
        splits.check_counts(labels, subsets, ("a", "b"))
    splits.check_counts(["a", "a", "b", "b"], ["train"] * 4, ("a", "b"))


def test_folds_are_grouped_and_cover_everything_once(tmp_path: Path) -> None:
    found = own_table(tmp_path, 100, 10)
    assert splits.folds("kfold5") == [f"kfold5-{n}" for n in range(1, 6)]
    tested: Counter[int] = Counter()
    for fold in splits.folds("kfold5"):
        subsets = splits.apply(found, fold)
        tested.update(n for n, s in enumerate(subsets) if s == "test")
        assert 10 <= subsets.count("test") <= 30
    assert tested == Counter(range(100))
    with pytest.raises(LeakingSplit, match="10 takes, fewer than 20 folds"):
        splits.apply(found, "kfold20-1")
    with pytest.raises(ConfigError, match="no such fold"):
        splits.apply(found, "kfold5-6")
    with pytest.raises(ConfigError, match="two folds"):
        splits.folds("kfold1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", "path,subset\nv0.mp4,train\nv1.mp4,train\nv2.mp4,test\n./v3.mp4,test\n"),
        ("s.json", '{"train": ["v0.mp4", "v1"], "test": ["v2.mp4", "v3.mp4"]}'),
        ("s.toml", 'train = ["v0.mp4", "v1.mp4"]\ntest = ["v2.mp4", "v3.mp4"]\n'),
    ],
)
def test_a_split_file(tmp_path: Path, name: str, text: str) -> None:
    found = own_table(tmp_path, 6, 3, classes=2)
    (tmp_path / name).write_text(text)
    subsets = splits.apply(found, str(tmp_path / name))
    assert subsets == ["train", "train", "test", "test", "none", "none"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("s.csv", "path,subset\nv0.mp4,train\nnowhere.mp4,test\n", "does not have: nowhere.mp4"),
        ("s.csv", "path,subset\nv0.mp4,train\nv0.mp4,test\n", "in the subsets train and test"),
        ("s.csv", "path,subset\nv0.mp4,trian\n", "'trian'"),
        ("s.csv", "file,subset\nv0.mp4,train\n", "columns are file"),
        ("s.json", "[1]", "lists"),
        ("s.json", '{"train": "v0.mp4"}', "not a list"),
        ("s.toml", "train = [", "cannot be used"),
    ],
)
def test_split_files_that_cannot_be_used(tmp_path: Path, name: str, text: str, says: str) -> None:
    found = own_table(tmp_path, 6, 3, classes=2)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        splits.apply(found, str(tmp_path / name))
    assert says in caught.value.message


def test_unknown_performers_of_utd_mhad_are_left_out(tmp_path: Path) -> None:
    for action in (1, 2):
        for performer in (1, 2, 9):
            (tmp_path / f"a{action}_s{performer}_t1_skeleton.mat").touch()
    found = utd_mhad.find(tmp_path)
    assert "performers 9" in found.notice
    pairs = zip(found.items, splits.apply(found, "xsub"), strict=True)
    assert {(i.groups["performer"], s) for i, s in pairs} == {
        ("1", "train"),
        ("2", "test"),
        ("9", "none"),
    }


def _points(seed: int, length: int = 40) -> Floats:
    """A smooth random motion of 17 joints."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(length, 17, 2)).cumsum(axis=0) * 0.1
    return (rng.normal(size=(17, 2)) + steps).astype(np.float32)


def track(seed: int, length: int = 40) -> Floats:
    return similar.pose_track(_points(seed, length), 10.0)


def test_noisy_and_trimmed_copies_are_found_and_other_motions_are_not() -> None:
    tracks = [track(seed) for seed in range(8)]
    rng = np.random.default_rng(0)
    noisy = tracks[2] + rng.normal(scale=0.01, size=tracks[2].shape).astype(np.float32)
    still = np.tile(tracks[0][:1], (40, 1))
    found = similar.similar_pairs([*tracks, noisy, tracks[5][12:], still, still.copy()])
    assert found == [(2, 8), (5, 9)]


def test_of_too_many_clips_the_first_of_every_item_are_compared() -> None:
    items = [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert similar.first_rows(items) == list(range(9))
    assert similar.first_rows(items, 5) == [0, 1, 3, 4, 5]
    assert similar.first_rows(items, 2) == [0, 3]


def test_crossing_a_room_is_no_similarity() -> None:
    """The way of the whole body is larger than the motion of its joints."""
    way = np.linspace(0, 5, 40, dtype=np.float32)[:, None, None] * np.array([1, 0], np.float32)
    assert not similar.similar_pairs([similar.pose_track(_points(n) + way, 10.0) for n in (0, 1)])
    copy = _points(0) + way + 3  # elsewhere in the room
    tracks = [similar.pose_track(p, 10.0) for p in (_points(0), copy)]
    assert similar.similar_pairs(tracks) == [(0, 1)]


def test_overlapping_parts_of_one_file_are_one_take(tmp_path: Path) -> None:
    rows = "a.mp4,x,0,5,one\na.mp4,y,4,9,two\na.mp4,x,20,25,three\n"
    (tmp_path / "labels.csv").write_text("path,label,start,end,source\n" + rows)
    items = folder.table(tmp_path / "labels.csv").items
    pairs = similar.overlapping(items)
    assert pairs == [(0, 1)]
    assert connected([i.groups["take"] for i in items], pairs) == ["one", "one", "three"]


def test_the_network_follows_the_number_of_clips_and_the_device() -> None:
    assert choose(40, False).model == choose(40, True).model == "rocket"
    assert [r.cpu for r in RULES][-1] == choose(100_000, False).model
    assert choose(3_000, True).model == "stgcnpp" and choose(3_000, False).model == "rocket"
    assert "about 40 clips and no GPU" in choose(40, False).reason


def test_long_skeleton_files_are_counted_by_their_clips() -> None:
    """Twenty files of 1 and 3 minutes in turn, one of them damaged."""

    def read(item: Item) -> PoseSequence:
        if item.label == "damaged":
            raise InputError("damaged")
        return sequence_of(np.zeros((1, 600 if item.label == "short" else 1800, 17, 2)))

    labels = ["damaged", *("short", "long") * 9, "short"]
    items = tuple(Item(Path(f"{n}.npy"), c, groups={"take": f"{n}"}) for n, c in enumerate(labels))
    data = Collection(name="c", root=Path(), items=items, protocols={}, read=read)
    for length_s, least, most in ((0.0, 20, 20), (2.0, 1000, 1400)):
        recipe = Recipe.from_dict({"clips": {"length_s": length_s}})
        assert least <= count_clips(data, recipe) <= most
