"""Blurred faces."""

from __future__ import annotations

import numpy as np

from skelact.report.faces import blur, head_regions
from skelact.skeletons import SKELETONS
from skelact.types import Floats, PersonPose

SKELETON = SKELETONS["coco-17"]
FPS = 10.0
# one person who faces the camera, 200 px high
BODY = {
    "nose": (100, 50),
    **{f"left_{j}": at for j, at in {"eye": (104, 46), "ear": (110, 50)}.items()},
    **{f"right_{j}": at for j, at in {"eye": (96, 46), "ear": (90, 50)}.items()},
    **{f"{side}_{j}": (100 + sign * x, y)
       for side, sign in (("left", 1), ("right", -1))
       for j, x, y in (("shoulder", 20, 80), ("hip", 14, 140), ("knee", 14, 195),
                       ("ankle", 14, 245))},
}  # fmt: skip


def person(joints: dict[str, tuple[float, float]], x: float = 0, person_id: int = 0) -> PersonPose:
    xy = np.full((17, 2), np.nan, np.float32)
    for joint, at in joints.items():
        xy[SKELETON.index(joint)] = at
    xy[:, 0] += x
    return PersonPose(
        xy, np.where(np.isnan(xy[:, 0]), 0, 0.2).astype(np.float32), person_id=person_id
    )


def is_inside(region: tuple[float, float, float], *points: tuple[float, float]) -> bool:
    x, y, radius = region
    return all(np.hypot(px - x, py - y) < radius for px, py in points)


HEAD = ((100, 32), (100, 64), (88, 50), (112, 50))  # crown, chin and sides of its head


def test_the_head_is_covered_whatever_is_visible() -> None:
    """Without the joints of the head, without the shoulders, and without the hips too."""
    for hidden in ((), ("nose", "eye", "ear"), ("eye", "ear", "hip", "knee", "ankle")):
        seen = {j: at for j, at in BODY.items() if not any(h in j for h in hidden)}
        ((region,),) = head_regions([[person(seen)]], SKELETON, FPS)
        assert is_inside(region, *HEAD)
    legs = {j: at for j, at in BODY.items() if j.split("_")[-1] in ("hip", "knee", "ankle")}
    ((region,),) = head_regions([[person(legs)]], SKELETON, FPS)
    assert is_inside(region, *HEAD)
    assert head_regions([[person({})], []], SKELETON, FPS) == [[], []]


def test_frames_in_which_a_person_is_lost_are_covered() -> None:
    """The person walks 10 px per frame, and is found in frames 20 to 25 and 40 to 45."""
    found = {*range(20, 26), *range(40, 46)}
    frames = [[person(BODY, 10.0 * t)] if t in found else [] for t in range(70)]
    regions = head_regions(frames, SKELETON, FPS)
    for t in range(20, 46):
        assert is_inside(regions[t][0], *((x + 10 * t, y) for x, y in HEAD))
    assert [t for t in range(70) if regions[t]] == list(range(10, 56))  # one second more
    assert regions[33][0][2] > 1.5 * regions[22][0][2]


def test_persons_without_an_id_are_covered_where_they_are() -> None:
    frames = [[person(BODY, x, -1) for x in (0.0, 300.0)], []]
    assert [len(r) for r in head_regions(frames, SKELETON, FPS)] == [2, 0]


def test_what_is_blurred_cannot_be_restored() -> None:
    """A region keeps a few colours; nothing outside it changes, and it may leave the image."""
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    before = image.copy()
    blur(image, [(100, 80, 40), (299, 199, 30), (-500, 20, 30), (150, 5, 30)])
    ys, xs = np.mgrid[:200, :300]
    outside = np.hypot(xs - 100, ys - 80) > 41
    outside &= (np.hypot(xs - 299, ys - 199) > 31) & (np.hypot(xs - 150, ys - 5) > 31)
    assert (image[outside] == before[outside]).all()
    inside = np.hypot(xs - 100, ys - 80) < 39
    steps = np.abs(np.diff(image.astype(int), axis=1))[inside[:, 1:] & inside[:, :-1]]
    assert steps.mean() < 3 < np.abs(np.diff(before.astype(int), axis=1)).mean()


def test_a_single_joint_of_a_head_is_enough() -> None:
    xy: Floats = np.full((17, 2), np.nan, np.float32)
    xy[0] = (50, 50)
    ((region,),) = head_regions([[PersonPose(xy, np.ones(17, np.float32))]], SKELETON, FPS)
    assert region[2] >= 4
