"""Hands and face: their own layouts, layouts of a body with both, and the parts of such a layout.

The hands have the 21 joints of OpenPose and MediaPipe, the face OpenPose's 70 points: the 68 of
iBUG and the pupils. Points of the right and left half of the face are numbered from the outside
towards the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from skelact.skeletons.base import Skeleton, layout

Part = Literal["pose", "face", "hand_left", "hand_right"]  # OpenPose's names of the parts
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_HAND_BONES = " ".join(
    f"{f}_{n}>{f}_{n - 1}" if n > 1 else f"{f}_1>wrist" for f in _FINGERS for n in range(1, 5)
)

HAND_21 = layout(
    "hand-21", "wrist", "wrist " + " ".join(f"{f}_{n}" for f in _FINGERS for n in range(1, 5)),
    _HAND_BONES,
)  # fmt: skip


def _hand(side: str) -> Skeleton:
    """HAND_21 with the side in the names of the joints."""

    def named(joint: str) -> str:
        return f"{side}_hand_{joint}"

    return Skeleton(
        name=f"{side}-hand-21",
        joints=tuple(map(named, HAND_21.joints)),
        parents=tuple(map(named, HAND_21.parents)),
        edges=tuple((named(a), named(b)) for a, b in HAND_21.edges),
        flip_pairs=(),
        centre=named(HAND_21.centre),
    )


def _points(stem: str, *numbers: int) -> str:
    return " ".join(f"{stem}_{n}" for n in numbers)


LEFT_HAND_21, RIGHT_HAND_21 = _hand("left"), _hand("right")

_FACE_BONES = (
    "nose_bridge_1>nose_bridge_2 nose_bridge_2>nose_bridge_3 nose_bridge_3>nose_bridge_4 "
    "nose_base>nose_bridge_4 *nostril_2>nose_base *nostril_1>nostril_2 "
    "*brow_5>nose_bridge_1 *brow_4>brow_5 *brow_3>brow_4 *brow_2>brow_3 *brow_1>brow_2 "
    "*eye_4>nose_bridge_1 *eye_3>eye_4 *eye_2>eye_3 *eye_1>eye_2 *eye_5>eye_4 *eye_6>eye_5 "
    "*pupil>eye_4 outer_lip_top>nose_base *outer_lip_3>outer_lip_top *outer_lip_2>outer_lip_3 "
    "*outer_lip_1>outer_lip_2 inner_lip_top>outer_lip_top *inner_lip_2>inner_lip_top "
    "*inner_lip_1>inner_lip_2 inner_lip_bottom>inner_lip_top *inner_lip_3>inner_lip_bottom "
    "outer_lip_bottom>inner_lip_bottom *outer_lip_4>outer_lip_bottom *outer_lip_5>outer_lip_4 "
    "chin>outer_lip_bottom *jaw_8>chin " + " ".join(f"*jaw_{n}>jaw_{n + 1}" for n in range(1, 8))
)
FACE_70 = layout(
    "face-70",
    "nose_bridge_4",
    " ".join(
        (
            *(_points("right_jaw", *range(1, 9)), "chin", _points("left_jaw", *range(8, 0, -1))),
            *(_points("right_brow", 1, 2, 3, 4, 5), _points("left_brow", 5, 4, 3, 2, 1)),
            _points("nose_bridge", 1, 2, 3, 4),
            *(_points("right_nostril", 1, 2), "nose_base", _points("left_nostril", 2, 1)),
            *(_points("right_eye", 1, 2, 3, 4, 5, 6), _points("left_eye", 4, 3, 2, 1, 6, 5)),
            *(_points("right_outer_lip", 1, 2, 3), "outer_lip_top"),
            *(_points("left_outer_lip", 3, 2, 1, 5, 4), "outer_lip_bottom"),
            _points("right_outer_lip", 4, 5),
            *(_points("right_inner_lip", 1, 2), "inner_lip_top", _points("left_inner_lip", 2, 1)),
            *(_points("left_inner_lip", 3), "inner_lip_bottom", _points("right_inner_lip", 3)),
            *("right_pupil", "left_pupil"),
        )
    ),
    _FACE_BONES,
    # the graph also has the lines that close eyes and lips
    f"{_FACE_BONES} *eye_6>eye_1 *outer_lip_5>outer_lip_1 *inner_lip_3>inner_lip_1",
)
_DETAILS: Mapping[Part, tuple[Skeleton, str]] = {  # layout, and the joint of the body it hangs on
    "hand_left": (LEFT_HAND_21, "left_wrist"),
    "hand_right": (RIGHT_HAND_21, "right_wrist"),
    "face": (FACE_70, "nose"),
}


def with_details(body: Skeleton, *, hands: bool = False, face: bool = False) -> Skeleton:
    """The layout of a body followed by those of the left hand, the right hand and the face. Its
    name ends with -hands, -face or -hands-face. Raises ConfigError if the body has no wrists or no
    nose."""
    if not hands and not face:
        return body
    parts: tuple[Part, ...] = (*(("hand_left", "hand_right") if hands else ()),)
    parts += ("face",) if face else ()
    joints, parents, edges, pairs = body.joints, body.parents, body.edges, body.flip_pairs
    for detail, root in (_DETAILS[part] for part in parts):
        joints += detail.joints
        parents += tuple(
            root if j == p else p for j, p in zip(detail.joints, detail.parents, strict=True)
        )
        edges += (*detail.edges, (detail.centre, root))
        pairs += detail.flip_pairs
    if hands:
        pairs += tuple(zip(LEFT_HAND_21.joints, RIGHT_HAND_21.joints, strict=True))
    name = body.name + ("-hands" if hands else "") + ("-face" if face else "")
    return Skeleton(name, joints, parents, edges, pairs, body.centre)


@lru_cache(maxsize=64)
def parts_of(skeleton: Skeleton) -> dict[Part, slice]:
    """The joints of the body ("pose"), and those of the hands and the face of a layout that
    `with_details` made. Any other layout is only a body."""
    parts: dict[Part, slice] = {}
    end = len(skeleton.joints)
    for part in ("face", "hand_right", "hand_left"):
        detail, _ = _DETAILS[part]
        start = end - len(detail.joints)
        if start > 0 and skeleton.joints[start:end] == detail.joints:
            parts[part], end = slice(start, end), start
    return {"pose": slice(0, end), **dict(reversed(parts.items()))}
