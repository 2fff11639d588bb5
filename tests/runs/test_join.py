"""Datasets of 2-D poses as folders of files, joined with common classes, and trained on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from skelact.cache import Cache
from skelact.cli import main
from skelact.datasets import registry, splits
from skelact.datasets.pose_folder import LabelledPoses, write_pose_folder
from skelact.errors import ConfigError, DatasetError, InputError, LeakingSplit
from skelact.recipe import compose
from skelact.runs.export import export_files
from skelact.runs.join import Joined, join
from skelact.skeletons import SKELETONS, Skeleton
from skelact.stages.dataset import load_dataset
from skelact.types import PoseSequence
from tests.readers import motion

COCO = SKELETONS["coco-17"]


def poses(seed: int, skeleton: Skeleton = COCO) -> PoseSequence:
    rng = np.random.default_rng(seed)
    points = rng.uniform(50, 200, (1, 1, len(skeleton.joints), 2)) + rng.normal(
        size=(1, 24, len(skeleton.joints), 2)
    )
    return PoseSequence(
        xy=points.astype(np.float32),
        score=np.full((1, 24, len(skeleton.joints)), 0.9, np.float32),
        skeleton=skeleton,
        fps=24.0,
        width=320,
        height=240,
        ids=(0,),
    )


def dataset(folder: Path, labels: dict[str, int], skeleton: Skeleton = COCO, **groups: str) -> Path:
    """Clips of each label, every clip of another subject."""
    rows = [
        LabelledPoses(
            name=f"clip{n}",
            label=label,
            sequence=poses(n, skeleton),
            groups={"subject": str(n), "source": f"{label}{n}", "dataset": folder.name, **groups},
        )
        for label, count in labels.items()
        for n in range(count)
    ]
    write_pose_folder(folder, rows, skeleton)
    return folder


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    return [
        dataset(tmp_path / "film", {"run": 4, "walk": 4, "golf": 3}),
        dataset(tmp_path / "mocap", {"jog": 5, "walking": 6, "sword": 4}),
    ]


CLASSES = (
    "dataset,label,class\nmocap,jog,run\nmocap,walking,walk\n*,golf,golf\nmocap,*,background\n"
)


def joined(tmp_path: Path, places: list[Path], **changes: object) -> Joined:
    (tmp_path / "classes.csv").write_text(CLASSES)
    options = {"classes": tmp_path / "classes.csv", **changes}
    return join(places, tmp_path / "all", **options)  # type: ignore[arg-type]


def test_labels_become_common_classes(tmp_path: Path, places: list[Path]) -> None:
    result = joined(tmp_path, places)
    assert result.classes == {"background": 4, "golf": 3, "run": 9, "walk": 10}
    assert result.datasets == {"film": 11, "mocap": 15}
    assert "golf occurs in film only" in result.notices
    found = registry.find("labels", tmp_path / "all" / "labels.csv", None)
    assert found.read is not None
    assert all(found.read(i).frames == 24 for i in found.items)
    assert {i.groups["subject"] for i in found.items} >= {"film/0", "mocap/0"}
    assert len({i.name(found.root) for i in found.items}) == 26


def test_a_dataset_can_be_held_out(tmp_path: Path, places: list[Path]) -> None:
    joined(tmp_path, places)
    found = registry.find("labels", tmp_path / "all" / "labels.csv", None)
    with pytest.raises(LeakingSplit, match="golf"):
        splits.apply(found, "without-film")
    some = found.select_classes(("run", "walk", "background"))
    subsets = splits.apply(some, "without-film")
    for item, subset in zip(some.items, subsets, strict=True):
        assert (subset == "test") == (item.groups["dataset"] == "film")
    recipe = compose(
        "labels",
        "rocket",
        None,
        {"dataset": {"protocol": "without-mocap", "classes": ("run", "walk", "golf")}},
        tmp_path / "all" / "labels.csv",
    )
    ready = load_dataset(recipe, Cache(tmp_path / "cache"), tmp_path / "all" / "labels.csv")
    assert ready.clip_counts["test"] == 11  # golf has no test clip
    assert ready.packed.skeleton == COCO and ready.packed.dims == 2


def test_labels_that_the_table_does_not_name(tmp_path: Path, places: list[Path]) -> None:
    table = tmp_path / "some.csv"
    table.write_text("dataset,label,class\nmocap,jog,run\nmocap,sword,\n")
    for n, (other, classes) in enumerate(
        (
            ("keep", {"golf": 3, "run": 9, "walk": 4, "walking": 6}),
            ("drop", {"run": 5}),
            ("background", {"background": 17, "run": 5}),
        )
    ):
        result = join(places, tmp_path / f"out{n}", classes=table, other=other)
        assert result.classes == classes
        assert result.left_out["mocap/sword"] == 4


def test_limits_are_drawn_by_the_seed(tmp_path: Path, places: list[Path]) -> None:
    tables = []
    for n, seed in enumerate((0, 0, 1)):
        result = join(places, tmp_path / f"out{n}", most={"mocap": 2}, seed=seed)
        assert result.datasets == {"film": 11, "mocap": 6}
        tables.append((tmp_path / f"out{n}" / "labels.csv").read_text())
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_stated_subsets_are_kept_and_the_others_train(tmp_path: Path) -> None:
    places = [
        dataset(tmp_path / "film", {"run": 3, "walk": 3}, subset="test"),
        dataset(tmp_path / "mocap", {"run": 3, "walk": 3}),
    ]
    join(places, tmp_path / "all")
    found = registry.find("labels", tmp_path / "all" / "labels.csv", None)
    subsets = splits.apply(found, "own")
    assert {
        i.groups["dataset"] for i, s in zip(found.items, subsets, strict=True) if s == "test"
    } == {"film"}
    assert subsets.count("train") == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,class\na,b\n", "columns"),
        ("dataset,label,class\nmocap,jog,run\nmocap,jog,walk\n", "line 3.*two classes"),
        ("dataset,label,class\nmocap,,run\n", "line 2"),
    ],
)
def test_a_wrong_table_is_refused(
    tmp_path: Path, places: list[Path], text: str, words: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        join(places, tmp_path / "all", classes=tmp_path / "bad.csv")
    assert not (tmp_path / "all").exists()


def test_wrong_datasets_are_refused(tmp_path: Path, places: list[Path]) -> None:
    (tmp_path / "classes.csv").write_text("dataset,label,class\nmocup,jog,run\n")
    with pytest.raises(ConfigError, match=r"mocup.*mocap"):
        join(places, tmp_path / "all", classes=tmp_path / "classes.csv")
    with pytest.raises(ConfigError, match="film"):
        join([places[0], places[0]], tmp_path / "all")
    with pytest.raises(ConfigError, match="one of the datasets"):
        join(places, places[0], overwrite=True)
    others = dataset(tmp_path / "body", {"run": 2, "walk": 2}, SKELETONS["body-25"])
    with pytest.raises(DatasetError, match="layout"):
        join([places[0], others], tmp_path / "all")
    (tmp_path / "kinect").mkdir()
    np.save(tmp_path / "kinect" / "a.npy", np.random.default_rng(0).normal(size=(9, 20, 3)))
    (tmp_path / "kinect" / "labels.csv").write_text("path,label\na.npy,run\n")
    (tmp_path / "kinect" / "skeletons.toml").write_text('layout = "kinect-20"\nunit = "m"\n')
    with pytest.raises(DatasetError, match="2-D"):
        join([places[0], tmp_path / "kinect"], tmp_path / "all")


def test_own_layouts_are_written_beside_the_table(tmp_path: Path) -> None:
    own = Skeleton.from_dict(
        {
            "name": "own",
            "joints": ["a", "left_b", "right_b"],
            "parents": {"left_b": "a", "right_b": "a"},
            "centre": "a",
        }
    )
    place = dataset(tmp_path / "own", {"run": 2, "walk": 2}, own)
    join([place], tmp_path / "all")
    found = registry.find("labels", tmp_path / "all" / "labels.csv", None)
    assert found.read is not None
    assert found.read(found.items[0]).skeleton == own


def test_export_as_files_reads_back_the_same(tmp_path: Path, places: list[Path]) -> None:
    out = tmp_path / "copy"
    count, failed = export_files("labels", places[0] / "labels.csv", out, Cache(tmp_path / "cache"))
    assert (count, failed) == (11, [])
    first, second = (registry.find("labels", p / "labels.csv", None) for p in (places[0], out))
    assert first.read is not None and second.read is not None
    by_source = {i.groups["take"]: second.read(i) for i in second.items}
    for item in first.items:
        a, b = first.read(item), by_source[item.groups["take"]]
        np.testing.assert_array_equal(a.xy, b.xy)
        np.testing.assert_array_equal(a.score, b.score)
        assert (a.fps, a.width, a.height) == (b.fps, b.width, b.height)


def test_from_the_command_to_a_trained_network(
    tmp_path: Path, places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("classes.csv").write_text(CLASSES)
    arguments = ["--classes", "classes.csv", "--out", "all", "--most", "mocap=3"]
    assert main(["datasets", "join", *map(str, places), *arguments]) == 0
    with Path("all/labels.csv").open() as file:
        assert sum(row["dataset"] == "mocap" for row in csv.DictReader(file)) == 9
    assert main(["datasets", "join", *map(str, places), "--out", "b", "--most", "mocap"]) == 2
    train = ["train", "--dataset", "all/labels.csv", "--model", "rocket", "--device", "cpu"]
    more = ["--set", "model.kernels=40", "--set", "augment.pan=1.0", "--epochs", "1", "--name", "a"]
    assert main([*train, *more, "--split", "xsub", "--classes", "run,walk"]) == 0
    assert Path("runs/a/best.pt").is_file()


def test_a_label_that_looks_like_a_formula_survives(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "a", {"=1+1": 1, "walk": 1})
    assert "'=1+1" in (folder / "labels.csv").read_text(encoding="utf-8")
    assert registry.find("labels", folder / "labels.csv", None).classes == ("=1+1", "walk")


def test_a_folder_without_labels_is_no_dataset_to_join(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(DatasetError, match="2-D poses") as error:
        join([tmp_path / "videos"], tmp_path / "out")
    assert "datasets project" in error.value.hint


def test_export_of_3d_skeletons_as_files_says_why_there_is_nothing(tmp_path: Path) -> None:
    motion.arrays(tmp_path / "data", 2)
    with pytest.raises(DatasetError, match="3-D") as error:
        export_files("folder", tmp_path / "data", tmp_path / "out", Cache(tmp_path / "cache"))
    assert "datasets project" in error.value.hint and not (tmp_path / "out").exists()
