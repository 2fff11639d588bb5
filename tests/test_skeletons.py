from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.skeletons import (
    SKELETONS,
    Skeleton,
    convert,
    known_name,
    load_skeleton,
    parts_of,
    with_details,
)

SIZES = {
    "coco-17": 17,
    "body-25": 25,
    "openpose-18": 18,
    "blazepose-33": 33,
    "ntu-25": 25,
    "mads-19": 19,
    "mads-15": 15,
    "openpose-mpi-15": 15,
    "hand-21": 21,
    "left-hand-21": 21,
    "face-70": 70,
    "blazepose-33-hands": 75,
    "blazepose-33-hands-face": 145,
    "body-25-face": 95,
}


@pytest.mark.parametrize("name", SIZES)
def test_layouts(name: str) -> None:
    s = load_skeleton(name)
    assert len(s.joints) == SIZES[name]
    # a graph of one piece
    reached = {s.centre}
    while True:
        new = {x for a, b in s.edges for x in (a, b) if {a, b} & reached} - reached
        if not new:
            break
        reached |= new
    loose = set(s.joints) - reached
    assert loose <= ({"mouth_left", "mouth_right"} if name.startswith("blazepose-33") else set())
    # bones lead to a root
    for joint in s.joints:
        for _ in range(20):
            joint = s.parents[s.index(joint)]
        assert s.parents[s.index(joint)] == joint
    assert (s.flip_index[s.flip_index] == np.arange(len(s.joints))).all()
    for a, b in s.flip_pairs:
        assert a.startswith("left_") and b == a.replace("left_", "right_")
    assert Skeleton.from_dict(s.as_dict()) == s


def test_published_numbers() -> None:
    """Spot checks against MODELS.md 0.1."""
    coco, ntu, body = SKELETONS["coco-17"], SKELETONS["ntu-25"], SKELETONS["body-25"]
    assert coco.index("left_hip") == 11 and coco.parent_indices[11] == 0
    assert (11, 5) in coco.edge_indices and (5, 6) not in coco.edge_indices
    assert len(coco.edges) == 16 and len(body.edges) == 24 and len(ntu.edges) == 24
    assert (ntu.index("left_hand_tip"), ntu.index("left_hand")) == (21, 7)
    assert ntu.parent_indices[21] == 22 and (21, 7) in ntu.edge_indices
    assert body.joints[8] == "mid_hip" and body.joints[19] == "left_big_toe"
    openpose = SKELETONS["openpose-18"]
    assert openpose.centre == "neck" and openpose.parent_indices[0] == 0
    assert openpose.parent_indices[1] == 0 and (0, 1) in openpose.edge_indices


def test_convert_by_name_and_missing_is_nan() -> None:
    source, target = SKELETONS["blazepose-33"], SKELETONS["body-25"]
    values = np.arange(33 * 2, dtype=np.float32).reshape(1, 33, 2)
    out = convert(values, source, target)
    assert (out[0, target.index("left_knee")] == values[0, source.index("left_knee")]).all()
    assert (
        out[0, target.index("left_big_toe")] == values[0, source.index("left_foot_index")]
    ).all()
    assert np.isnan(out[0, target.index("neck")]).all()
    mads = convert(values, source, SKELETONS["mads-19"])
    assert not np.isnan(mads[0, SKELETONS["mads-19"].index("left_foot")]).any()


def test_hands_and_face_of_a_body() -> None:
    body = SKELETONS["blazepose-33"]
    skeleton = with_details(body, hands=True, face=True)
    assert parts_of(skeleton) == {
        "pose": slice(0, 33),
        "hand_left": slice(33, 54),
        "hand_right": slice(54, 75),
        "face": slice(75, 145),
    }
    for name in ("blazepose-33", "hand-21", "face-70", "ntu-25"):
        assert list(parts_of(SKELETONS[name])) == ["pose"]
    values = np.arange(145, dtype=np.float32)[:, None]
    starts = {"blazepose-33": 0, "left-hand-21": 33, "hand-21": 54, "face-70": 75}
    for name, first in starts.items():
        target = SKELETONS[name]
        expected = first + np.arange(len(target.joints))
        assert np.array_equal(convert(values, skeleton, target)[:, 0], expected)
    assert np.isnan(convert(values[:33], body, SKELETONS["hand-21"])).all()
    assert skeleton.parents[skeleton.index("left_hand_wrist")] == "left_wrist"
    pairs = dict(skeleton.flip_pairs)
    assert pairs["left_hand_thumb_4"] == "right_hand_thumb_4"
    assert pairs["left_eye_1"] == "right_eye_1" and pairs["left_knee"] == "right_knee"
    with pytest.raises(ConfigError, match="nose"):
        with_details(SKELETONS["mads-15"], face=True)


def test_face_70_is_openposes_order() -> None:
    """Spot checks against the figure of iBUG's 68 points; left and right are those of the face."""
    face = SKELETONS["face-70"].joints
    expected = {
        **{0: "right_jaw_1", 8: "chin", 16: "left_jaw_1", 17: "right_brow_1", 26: "left_brow_1"},
        **{30: "nose_bridge_4", 33: "nose_base", 36: "right_eye_1", 39: "right_eye_4"},
        **{42: "left_eye_4", 45: "left_eye_1", 48: "right_outer_lip_1", 54: "left_outer_lip_1"},
        **{57: "outer_lip_bottom", 62: "inner_lip_top", 68: "right_pupil", 69: "left_pupil"},
    }
    assert {n: face[n] for n in expected} == expected


def test_a_skeleton_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "hand.toml"
    file.write_text(
        'name = "two"\ncentre = "root"\njoints = ["root", "left_tip", "right_tip"]\n'
        '[parents]\nleft_tip = "root"\nright_tip = "root"\n'
    )
    s = load_skeleton(file)
    assert s.flip_pairs == (("left_tip", "right_tip"),)
    assert s.edges == (("left_tip", "root"), ("right_tip", "root"))
    assert s.parents == ("root", "root", "root")


DECLARED = """
name = "studio"
joints = ["Hips", "Neck", "HandL", "HandR", "LeftKnee", "Right Knee", "tail"]
centre = "Hips"
[parents]
Neck = "Hips"
HandL = "Neck"
HandR = "Neck"
LeftKnee = "Hips"
"Right Knee" = "Hips"
tail = "Hips"
[same]
HandL = "left_wrist"
HandR = "right_wrist"
"""


def test_a_declared_layout_is_matched_by_names(tmp_path: Path) -> None:
    file = tmp_path / "studio.toml"
    file.write_text(DECLARED)
    s = load_skeleton(file)
    assert s.joints == (
        *("pelvis", "neck", "left_wrist", "right_wrist", "left_knee", "right_knee", "tail"),
    )
    assert s.parents == ("pelvis", "pelvis", "neck", "neck", "pelvis", "pelvis", "pelvis")
    assert s.flip_pairs == (("left_wrist", "right_wrist"), ("left_knee", "right_knee"))
    assert s.centre == "pelvis" and len(s.edges) == 6
    values = np.arange(7, dtype=float)[:, None]
    coco = SKELETONS["coco-17"]
    assert convert(values, s, coco)[coco.index("right_wrist"), 0] == 3
    file.write_text('flip_pairs = [["HandL", "HandR"]]\nedges = [["tail", "Neck"]]' + DECLARED)
    s = load_skeleton(file)
    assert s.flip_pairs == (("left_wrist", "right_wrist"),) and s.edges == (("tail", "neck"),)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("LeftElbow", "left_elbow"),
        ("elbow_l", "left_elbow"),
        ("R Knee", "right_knee"),
        ("ElbowRight", "right_elbow"),
        ("HIP_CENTER", "pelvis"),
        ("ShoulderCenter", "spine_shoulder"),
        ("LeftForeArm", "left_elbow"),
        ("left_hand_thumb_1", "left_hand_thumb_1"),
        ("tail", None),
        ("left_right_knee", None),
        ("", None),
    ],
)
def test_spellings_of_joints(name: str, known: str | None) -> None:
    assert known_name(name) == known


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('name = "studio"', "name = 1 2", "not a skeleton file"),
        ('name = "studio"', "", "'name' is missing"),
        ('centre = "Hips"', "", "'centre' is missing"),
        ('centre = "Hips"', 'center = "Hips"', "'center' is unknown .did you mean 'centre'"),
        ('centre = "Hips"', 'centre = "Hip"', "centre names 'Hip'.*did you mean 'Hips'"),
        ('"Neck", ', '"Neck", "Neck", ', "'Neck' more than once"),
        ('"Neck", ', '"Neck", 3, ', "contains 3"),
        ('Neck = "Hips"', 'Neck = "HandL"', "cycle: HandL > Neck > HandL|cycle: Neck > HandL"),
        ('tail = "Hips"', 'tail = "Hipps"', "parents names 'Hipps'.*did you mean 'Hips'"),
        ('tail = "Hips"', 'tial = "Hips"', "parents names 'tial'.*did you mean 'tail'"),
        ('HandL = "left_wrist"', 'HandL = "left_wrst"', "did you mean 'left_wrist'"),
        ('HandL = "left_wrist"', 'HandL = "right_wrist"', "'right_wrist' more than once"),
        ('HandL = "left_wrist"', 'Hand = "left_wrist"', "same names 'Hand'.*did you mean 'Hand"),
        ("[same]", 'flip_pairs = [["tail"]]\n[same]', "flip_pairs"),
        ("joints = [", 'flip_pairs = [["tail"]]\njoints = [', "expected two different joints"),
        ("joints = [", 'edges = [["tail", "x"]]\njoints = [', "edges names 'x'"),
        (
            "joints = [",
            'flip_pairs = [["tail", "Neck"], ["tail", "Hips"]]\njoints = [',
            "flip_pairs names 'tail' more than once",
        ),
    ],
)
def test_bad_skeleton_files(tmp_path: Path, before: str, after: str, says: str) -> None:
    file = tmp_path / "s.toml"
    assert before in DECLARED
    file.write_text(DECLARED.replace(before, after, 1))
    with pytest.raises(ConfigError, match=says) as raised:
        load_skeleton(file)
    assert str(file) in raised.value.message and raised.value.hint


def test_a_missing_or_unreadable_skeleton_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_skeleton("missing.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a skeleton file"):
        load_skeleton("s.toml")


def test_unknown_skeleton_and_joint() -> None:
    with pytest.raises(ConfigError, match="No skeleton"):
        load_skeleton("coco-18")
    with pytest.raises(ConfigError, match="'tail'"):
        SKELETONS["coco-17"].index("tail")
