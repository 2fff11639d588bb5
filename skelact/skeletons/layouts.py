"""The layouts by name.

The published ones are kept as they are: the edges of coco-17 connect the hips to the shoulders, its
bones connect them to the nose; PYSKL's NTU graph (ntu-25) connects the fingertips to the hands, its
bone list goes through the thumbs; the NTU graph of all others goes through the thumbs too
(ntu-25-thumb).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from skelact.skeletons.base import Skeleton, layout, sides
from skelact.skeletons.details import FACE_70, HAND_21, LEFT_HAND_21, with_details

Context = Literal["openpose", "pyskl", "checkpoint", "mads"]
_COMMON = {17: "coco-17", 18: "openpose-18", 21: "hand-21"}
_BY_JOINT_COUNT: Mapping[Context, Mapping[int, str]] = {
    "openpose": {15: "openpose-mpi-15", **_COMMON, 25: "body-25"},
    "pyskl": {**_COMMON, 20: "kinect-20", 25: "ntu-25"},
    "checkpoint": {**_COMMON, 25: "ntu-25"},
    "mads": {15: "mads-15", 19: "mads-19"},
}


_ARM_LEG = "*wrist>elbow *elbow>shoulder *ankle>knee *knee>hip"
_MADS = (
    "*shoulder>neck *elbow>shoulder *wrist>elbow *hip>pelvis *knee>hip *ankle>knee "
    "pelvis>neck head>neck"
)
_NTU_JOINTS = (
    "pelvis spine_mid neck head left_shoulder left_elbow left_wrist left_hand "
    "right_shoulder right_elbow right_wrist right_hand "
    "left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot "
    "spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb"
)
_NTU = (
    "pelvis>spine_mid neck>spine_shoulder spine_mid>spine_shoulder head>neck "
    "*shoulder>spine_shoulder *elbow>shoulder *wrist>elbow "
    + ("*hand>wrist *hip>pelvis *knee>hip *ankle>knee *foot>ankle")
)
_KINECT_20 = (
    "pelvis>spine_mid spine_mid>spine_shoulder head>spine_shoulder "
    f"*shoulder>spine_shoulder *hip>pelvis *hand>wrist *foot>ankle {_ARM_LEG}"
)
_TORSO_15 = "head>neck neck>spine_mid *shoulder>neck *hip>spine_mid *elbow>shoulder *knee>hip"

SKELETONS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        layout(
            "coco-17",
            "nose",
            f"nose {sides('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')}",
            f"*eye>nose *ear>eye *shoulder>nose *hip>nose {_ARM_LEG}",
            f"*eye>nose *ear>eye *shoulder>nose *hip>shoulder {_ARM_LEG}",
        ),
        layout(
            "body-25",
            "neck",
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
            "left_wrist mid_hip right_hip right_knee right_ankle "
            "left_hip left_knee left_ankle right_eye left_eye right_ear left_ear "
            "left_big_toe left_small_toe left_heel right_big_toe "
            "right_small_toe right_heel",
            "nose>neck *eye>nose *ear>eye *shoulder>neck mid_hip>neck *hip>mid_hip "
            f"{_ARM_LEG} *big_toe>ankle *small_toe>big_toe *heel>ankle",
        ),
        layout(
            "openpose-18",
            "neck",
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
            "left_wrist right_hip right_knee right_ankle left_hip "
            "left_knee left_ankle right_eye left_eye right_ear left_ear",
            f"neck>nose *shoulder>neck *hip>shoulder {_ARM_LEG} *eye>nose *ear>eye",
            f"nose>neck *shoulder>neck *hip>shoulder {_ARM_LEG} *eye>nose *ear>eye",
        ),
        layout(
            "openpose-mpi-15",
            "neck",
            "head neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
            "right_hip right_knee right_ankle left_hip left_knee left_ankle chest",
            f"head>neck *shoulder>neck chest>neck *hip>chest {_ARM_LEG}",
        ),
        layout(
            "blazepose-33",
            "nose",
            "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye "
            "right_eye_outer left_ear right_ear mouth_left mouth_right "
            + sides(
                "shoulder",
                "elbow",
                "wrist",
                "pinky",
                "index",
                "thumb",
                "hip",
                "knee",
                "ankle",
                "heel",
                "foot_index",
            ),
            "*eye_inner>nose *eye>eye_inner *eye_outer>eye *ear>eye_outer mouth_left>nose "
            "mouth_right>nose *shoulder>nose *hip>shoulder "
            f"{_ARM_LEG} *pinky>wrist *index>wrist *thumb>wrist *heel>ankle *foot_index>ankle",
        ),
        layout(
            "ntu-25",
            "spine_shoulder",
            _NTU_JOINTS,
            f"{_NTU} *hand_tip>thumb *thumb>hand",
            f"{_NTU} *hand_tip>hand *thumb>hand",
        ),
        layout(
            "ntu-25-thumb",
            "spine_shoulder",
            _NTU_JOINTS,
            f"{_NTU} *hand_tip>thumb *thumb>hand",
        ),
        layout(
            "kinect-20",
            "spine_shoulder",
            "pelvis spine_mid spine_shoulder head left_shoulder left_elbow left_wrist left_hand "
            "right_shoulder right_elbow right_wrist right_hand "
            "left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot",
            _KINECT_20,
        ),
        layout(
            "utd-mhad-20",
            "spine_shoulder",
            "head spine_shoulder spine_mid pelvis left_shoulder left_elbow left_wrist left_hand "
            "right_shoulder right_elbow right_wrist right_hand left_hip left_knee left_ankle "
            "left_foot right_hip right_knee right_ankle right_foot",
            _KINECT_20,
        ),
        layout(
            "msr-action3d-20",
            "spine_shoulder",
            "right_shoulder left_shoulder spine_shoulder spine_mid right_hip left_hip pelvis "
            "right_elbow left_elbow right_wrist left_wrist right_hand left_hand right_knee "
            "left_knee right_ankle left_ankle right_foot left_foot head",
            _KINECT_20,
        ),
        layout(
            "florence-15",
            "spine_mid",
            "head neck spine_mid left_shoulder left_elbow left_wrist right_shoulder right_elbow "
            "right_wrist left_hip left_knee left_ankle right_hip right_knee right_ankle",
            f"{_TORSO_15} *wrist>elbow *ankle>knee",
        ),
        layout(
            "cad60-15",
            "spine_mid",
            "head neck spine_mid left_shoulder left_elbow right_shoulder right_elbow left_hip "
            "left_knee right_hip right_knee left_hand right_hand left_foot right_foot",
            f"{_TORSO_15} *hand>elbow *foot>knee",
        ),
        layout(
            "h36m-17",
            "pelvis",
            "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine_mid "
            "spine_shoulder nose head left_shoulder left_elbow left_wrist right_shoulder "
            "right_elbow right_wrist",
            "*hip>pelvis spine_mid>pelvis spine_shoulder>spine_mid nose>spine_shoulder head>nose "
            f"*shoulder>spine_shoulder {_ARM_LEG}",
        ),
        HAND_21,
        LEFT_HAND_21,
        FACE_70,
        layout(
            "mads-19",
            "neck",
            "neck pelvis left_hip left_knee left_ankle left_foot right_hip right_knee "
            "right_ankle right_foot left_shoulder left_elbow "
            "left_wrist left_hand right_shoulder right_elbow right_wrist right_hand head",
            f"{_MADS} *foot>ankle *hand>wrist",
        ),
        layout(
            "mads-15",
            "neck",
            "neck pelvis left_hip left_knee left_ankle right_hip right_knee right_ankle "
            "left_shoulder left_elbow left_wrist right_shoulder "
            "right_elbow right_wrist head",
            _MADS,
        ),
    )
}
SKELETONS["blazepose-33-hands"] = with_details(SKELETONS["blazepose-33"], hands=True)


USED_BY: Mapping[str, str] = {
    "coco-17": "networks trained on videos; COCO, AlphaPose, RTMPose, RTMO, PYSKL's 2-D pickles",
    "body-25": "OpenPose; KTH",
    "openpose-18": "OpenPose's COCO model; Kinetics-skeleton",
    "openpose-mpi-15": "OpenPose's MPI model",
    "blazepose-33": "BlazePose (MediaPipe), the estimator of `skelact extract`",
    "ntu-25": "NTU RGB+D, Kinect v2; PYSKL's graph",
    "ntu-25-thumb": "NTU RGB+D, Kinect v2; the graph of ST-GCN and AS-GCN",
    "kinect-20": "Kinect v1: NW-UCLA, UTKinect, MSRC-12",
    "utd-mhad-20": "Kinect v1: the files of UTD-MHAD",
    "msr-action3d-20": "Kinect v1: the files of MSR-Action3D",
    "florence-15": "Florence 3D Actions; SBU Kinect (hands and feet for wrists and ankles)",
    "cad60-15": "CAD-60, CAD-120",
    "h36m-17": "Human3.6M; many 3-D estimators",
    "hand-21": "one hand: OpenPose, MediaPipe, HaGRID",
    "left-hand-21": "the left hand of a body with hands",
    "face-70": "a face: OpenPose",
    "mads-19": "MADS, 3-D ground truth",
    "mads-15": "MADS, 3-D ground truth",
    "blazepose-33-hands": "BlazePose with `--hands`",
}


def layout_for(joint_count: int, context: Context) -> Skeleton:
    """The layout of poses that only state their number of joints. The same number means different
    layouts in OpenPose's output ("openpose"), PYSKL's annotations ("pyskl"), published checkpoints
    ("checkpoint") and MADS's ground truth ("mads").

    Raises ValueError if no layout with that many joints is known there."""
    names = _BY_JOINT_COUNT[context]
    if joint_count not in names:
        known = ", ".join(f"{n} ({name})" for n, name in names.items())
        raise ValueError(f"{joint_count} joints, but the known layouts have {known}")
    return SKELETONS[names[joint_count]]
