"""Every format of skeleton files: read, described, guessed, refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from skelact import sandbox
from skelact.datasets.skeleton_files import source
from skelact.errors import BackendMissing, ConfigError, InputError
from skelact.readers import description
from skelact.readers.base import readers, suffixes
from skelact.readers.description import Description
from skelact.readers.find import find_files, sequence_file
from skelact.readers.format import Format
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence
from tests.readers import motion


def load(path: Path, toml: str = "") -> PoseSequence:
    """The sequence of a file beside a skeletons.toml."""
    folder = path if path.is_dir() else path.parent
    if toml:
        (folder / description.FILE_NAME).write_text(toml)
    file = sequence_file(path)
    assert file is not None
    return source([file], folder).sequence(file)


@pytest.mark.parametrize(
    "order, shape",
    [("TVC", (0, 1, 2)), ("VCT", (1, 2, 0)), ("CTV", (2, 0, 1)), ("TCV", (0, 2, 1))],
)
def test_arrays_of_every_declared_order_are_the_same(
    tmp_path: Path, order: str, shape: tuple[int, ...]
) -> None:
    points = motion.sequence("wave", 0)
    np.save(tmp_path / "a.npy", points.transpose(shape))
    found = load(tmp_path / "a.npy", f'order = "{order}"\nlayout = "kinect-20"\nfps = 25.0\n')
    assert found.fps == 25 and found.skeleton.name == "kinect-20"
    np.testing.assert_allclose(found.xyz, points[None], atol=1e-5)


@pytest.mark.parametrize(
    "order, axes", [("MTVC", (0, 1, 2, 3)), ("TMVC", (1, 0, 2, 3)), ("CTVM", (3, 1, 2, 0))]
)
def test_persons_are_an_axis(tmp_path: Path, order: str, axes: tuple[int, ...]) -> None:
    two = np.stack([motion.sequence("wave", 0), motion.sequence("kick", 1)])
    np.save(tmp_path / "a.npy", two.transpose(axes))
    if order == "CTVM":
        with pytest.raises(InputError, match="two persons in 3-D"):
            load(tmp_path / "a.npy")
    else:
        assert load(tmp_path / "a.npy").persons == 2  # the order is guessed from the shape
    np.testing.assert_allclose(load(tmp_path / "a.npy", f'order = "{order}"').xyz, two, atol=1e-5)


def test_npz_states_fps_names_and_scores(tmp_path: Path) -> None:
    points = motion.sequence("kick", 0)
    score = np.full(points.shape[:2], 0.5, np.float32)
    names = np.array([j.title().replace("_", "") for j in motion.KINECT.joints])
    np.savez(tmp_path / "a.npz", positions=points, scores=score, fps=12.5, joint_names=names)
    found = load(tmp_path / "a.npz")
    assert found.fps == 12.5 and (found.score == 0.5).all()
    assert found.skeleton.name == "kinect-20"  # LeftElbow is left_elbow


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, ("raise SystemExit('executed')",))

    np.save(tmp_path / "a.npy", np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(InputError, match="pickle"):
        load(tmp_path / "a.npy")


def test_mark_unit_and_axes_are_guessed_aloud(tmp_path: Path) -> None:
    points = motion.sequence("squat", 0) * 1000
    points = points[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32)  # z up
    points[5, 3] = 0
    np.save(tmp_path / "a.npy", points)
    file = sequence_file(tmp_path / "a.npy")
    assert file is not None
    found = source([file], tmp_path)
    assert found.form.unit == "mm" and found.form.axes == "x,z,-y"
    text = " ".join(found.guesses)
    assert "mm" in text and "+z" in text and "no frame rate" in text and "kinect-20" in text
    points[6, 4] = 0
    np.save(tmp_path / "a.npy", points)
    sequence = source([file], tmp_path).sequence(file)
    assert sequence.score[0, 5, 3] == 0 and np.isnan(sequence.xyz[0, 5, 3]).all()  # type: ignore[index]
    upright = motion.sequence("squat", 0)
    np.testing.assert_allclose(sequence.xyz[0, 10], upright[10], atol=1e-4)  # type: ignore[index]


def test_the_axes_of_named_joints_are_guessed(tmp_path: Path) -> None:
    """In any order, with names that the layout does not have."""
    order = np.random.default_rng(0).permutation(20)
    points = motion.sequence("squat", 0)[:, order][..., [0, 2, 1]]  # z up
    names = [*(motion.KINECT.joints[n] for n in order), "prop"]
    points = np.concatenate([points, points[:, :1]], axis=1)
    np.savez(tmp_path / "a.npz", positions=points, joint_names=np.array(names))
    file = sequence_file(tmp_path / "a.npz")
    assert file is not None
    found = source([file], tmp_path)
    assert found.form.skeleton.name == "kinect-20" and found.form.axes == "x,z,-y"


def test_joints_in_another_order_fit_no_layout(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(20)
    np.save(tmp_path / "a.npy", motion.sequence("wave", 0)[:, order])
    with pytest.raises(ConfigError, match="20 joints fit no layout") as error:
        load(tmp_path / "a.npy")
    assert "datasets init" in error.value.hint


def test_two_dimensional_pixels_with_score(tmp_path: Path) -> None:
    points = motion.sequence("wave", 0)[..., :2] * np.array([200, -200]) + 400
    score = np.full((*points.shape[:2], 1), 0.9)
    np.save(tmp_path / "a.npy", np.concatenate([points, score], axis=-1))
    found = load(tmp_path / "a.npy")
    assert found.xyz is None and np.allclose(found.score, 0.9)
    np.testing.assert_allclose(found.xy[0], points, atol=1e-3)


def test_wide_csv_is_matched_by_names(tmp_path: Path) -> None:
    points = motion.sequence("punch", 0)
    motion.wide_csv(tmp_path / "a.csv", points)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    del lines[4]  # a frame that is not in the file
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = load(tmp_path / "a.csv")
    assert found.frames == len(points) and np.isnan(found.xyz[0, 3]).all()  # type: ignore[index]
    np.testing.assert_allclose(found.xyz[0, 4], points[4], atol=1e-4)  # type: ignore[index]


@pytest.mark.parametrize("individuals", [False, True])
def test_deeplabcut(tmp_path: Path, individuals: bool) -> None:
    (tmp_path / "a.csv").write_text(motion.deeplabcut(individuals))
    found = load(tmp_path / "a.csv")
    assert found.persons == 1 + individuals and found.skeleton.name == "coco-17"
    assert found.xy[0, 3, 0].tolist() == [103, 200.5] and found.score[0, 0, 0] == 0.75


def test_sleap_csv(tmp_path: Path) -> None:
    """The table of SLEAP's analysis export: one line for each track and frame."""
    joints = SKELETONS["coco-17"].joints
    heads = ["track", "frame_idx", "instance.score"]
    heads += [f"{j}.{c}" for j in joints for c in ("x", "y", "score")]
    lines = [",".join(heads)]
    for t in range(3):
        for person in range(2):
            cells = "".join(f",{100 * person + n},{t + 1},0.5" for n in range(17))
            lines.append(f"track_{person},{t},0.9{cells}")
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    found = load(tmp_path / "a.csv", "fps = 25.0")
    assert found.persons == 2 and found.frames == 3 and found.skeleton.name == "coco-17"
    assert found.xy[1, 2, 4].tolist() == [104, 3] and found.score[0, 0, 0] == 0.5


def test_openpose_frames_and_our_own(tmp_path: Path) -> None:
    body = [v for n in range(25) for v in (n + 1.0, 50.0, 0.8)]
    person = {"pose_keypoints_2d": body}
    for stem in ("walk", "run"):
        for t in (0, 1, 3):
            path = tmp_path / "both" / f"{stem}_{t:012d}_keypoints.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"version": 1.3, "people": [person]}))
    found = find_files(tmp_path)
    assert [f.path.name for f in found] == ["run", "walk"] and len(found[0].files) == 3
    sequence = source(found, tmp_path).sequence(found[0])
    assert sequence.skeleton.name == "body-25" and sequence.frames == 4
    assert np.isnan(sequence.xy[0, 2]).all()
    own = [v for n in range(33) for v in (n + 1.0, 50.0, 0.8)]
    xyz = [v for n in range(33) for v in (n / 33, 0.5, 0.1, 0.8)]
    people = [{"person_id": [4], "pose_keypoints_2d": own, "pose_keypoints_3d": xyz}]
    (tmp_path / "own").mkdir()
    for t in range(3):
        (tmp_path / "own" / f"{t:06d}.json").write_text(json.dumps({"people": people}))
    assert load(tmp_path / "own").skeleton.name == "blazepose-33"
    three = load(tmp_path / "own", "dims = 3\n")
    assert three.xyz is not None and three.xyz.shape == (1, 3, 33, 3)


def test_results_of_alphapose(tmp_path: Path) -> None:
    records = [
        {"image_id": f"{t}.jpg", "keypoints": [10.0, 20.0, 0.9] * 17, "score": 2.0, "idx": 1}
        for t in range(4)
    ]
    (tmp_path / "alphapose-results.json").write_text(json.dumps(records))
    assert load(tmp_path / "alphapose-results.json").frames == 4


def test_bvh_forward_kinematics(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(motion.BVH)
    found = load(tmp_path / "a.bvh", 'unit = "cm"\n')
    assert found.fps == pytest.approx(120, abs=0.01)
    names = found.skeleton.joints
    assert names == ("Hips", "LeftUpLeg", "LeftUpLeg_end", "RightUpLeg", "RightUpLeg_end")
    assert found.skeleton.flip_index.tolist() == [0, 3, 4, 1, 2]
    expected = [
        [[0, 0.9, 0], [0.1, 0.9, 0], [0.1, 0.5, 0], [-0.1, 0.9, 0], [-0.1, 0.5, 0]],
        # the hips turn 90 degrees about y: x to -z; the left leg 90 degrees about x, in that frame
        [[0, 0.9, 0], [0, 0.9, -0.1], [-0.4, 0.9, -0.1], [0, 0.9, 0.1], [0, 0.9, 0.1]],
    ]
    # the right leg turns 90 degrees about z first: -y becomes x, which the hips turn to -z
    expected[1][4] = [0, 0.9, -0.3]
    np.testing.assert_allclose(found.xyz[0], expected, atol=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("end", [motion.BVH.index("MOTION"), motion.BVH.index("0 90 0 0 0 90"), 80])
def test_an_incomplete_bvh_is_refused(tmp_path: Path, end: int) -> None:
    (tmp_path / "a.bvh").write_text(motion.BVH[:end])
    with pytest.raises(InputError, match="BVH"):
        load(tmp_path / "a.bvh")


@pytest.mark.filterwarnings("ignore:No analog data")
def test_c3d(tmp_path: Path) -> None:
    """A file of the package's own writer, in millimetres with z up."""
    c3d = pytest.importorskip("c3d")
    points = motion.sequence("squat", 0)[..., [0, 2, 1]] * 1000
    rows = np.concatenate([points, np.zeros((*points.shape[:2], 2), np.float32)], axis=2)
    rows[7, 2, 3] = -1  # a residual below 0: the marker was not seen
    writer = c3d.Writer(point_rate=50.0)
    writer.set_point_labels(list(motion.KINECT.joints))
    writer.add_frames([(row, np.zeros((0, 0))) for row in rows])
    with (tmp_path / "a.c3d").open("wb") as file:
        writer.write(file)
    found = load(tmp_path / "a.c3d")
    assert found.skeleton.name == "kinect-20" and found.fps == 50 and found.xyz is not None
    assert np.isnan(found.xyz[0, 7, 2]).all() and found.score[0, 7, 2] == 0
    heights = np.ptp(found.xyz[0, :7, :, 1], axis=1)
    assert heights == pytest.approx(np.ptp(points[:7, :, 2], axis=1) / 1000, abs=1e-3)  # y up, m


def test_c3d_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "c3d", None)
    monkeypatch.setattr(sandbox, "expendable", True)  # reads in this process
    (tmp_path / "a.c3d").write_bytes(b"\x02P")
    with pytest.raises(BackendMissing, match="C3D") as error:
        load(tmp_path / "a.c3d")
    assert "skelact[mocap]" in error.value.hint


def test_unknown_entries_name_the_nearest(tmp_path: Path) -> None:
    (tmp_path / description.FILE_NAME).write_text('layuot = "coco-17"\n')
    with pytest.raises(ConfigError, match="did you mean 'layout'"):
        description.find(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "fps = -1",
        'axes = "x,y,y"',
        'unit = "inch"',
        'order = "TVX"',
        'layout = "coco-71"',
        'file_names = "{lable}"',
        '[table]\ncolumns = ["frame"]',
        "fps = ",
    ],
)
def test_invalid_entries_are_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / description.FILE_NAME).write_text(text + "\n")
    with pytest.raises(ConfigError):
        description.find(tmp_path)


def test_format_survives_a_checkpoint() -> None:
    form = Format(
        fps=25.0, skeleton=SKELETONS["coco-17"], dims=2, score=True, axes="x,y", unit="px",
        missing=0.0, size=(640, 480),
    )  # fmt: skip
    stored = pickle.loads(pickle.dumps(form.as_dict()))
    assert Format.from_dict(json.loads(json.dumps(stored))) == form


def test_class_names_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("wave\nkick\n")
    for classes in ('["wave", "kick"]', '"names.txt"', '{ 0 = "wave", 01 = "kick" }'):
        (tmp_path / description.FILE_NAME).write_text(f"classes = {classes}\n")
        assert description.find(tmp_path).class_name("001") == "kick"


def test_readers_are_distinct() -> None:
    assert {".npy", ".csv", ".bvh", ".skeleton"} <= suffixes()
    assert all(r.title and r.suffixes for r in readers().values())
    assert Description().fps is None
