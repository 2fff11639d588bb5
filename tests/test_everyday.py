"""The benchmark that rebuilds the shipped recogniser `everyday`: its classes and options."""

from __future__ import annotations

import numpy as np

from benchmarks.everyday import divide, fit, labels, motion
from benchmarks.everyday.clips import SKELETON, EverydayClip
from skelact.inference.zoo import find
from skelact.models.checkpoint import load_model
from skelact.schemas import Ensemble
from skelact.skeletons import SKELETONS
from skelact.types import PoseSequence


def clip(dataset: str, is_held: bool, is_mirrored: bool = False) -> EverydayClip:
    sequence = PoseSequence(
        xy=np.zeros((1, 40, 17, 2), np.float32),
        score=np.ones((1, 40, 17), np.float32),
        skeleton=SKELETON,
        fps=30.0,
        width=64,
        height=64,
        ids=(0,),
    )
    return EverydayClip(
        dataset=dataset, label="walk", is_held=is_held, sequence=sequence, is_mirrored=is_mirrored
    )


def test_classes_and_options_are_those_of_the_shipped_model() -> None:
    shipped = load_model(find("everyday"))
    assert isinstance(shipped, Ensemble)
    assert shipped.classes == labels.CLASSES
    assert shipped.calibration is not None
    assert shipped.calibration.unknown_threshold == fit.THRESHOLD
    for seed, (member, network) in enumerate(zip(shipped.members, fit.NETWORKS, strict=True)):
        own = fit.recipe_of(*network, 1600, seed).as_dict()
        own["train"].pop("cuda_graphs")  # newer than the file, and only for gradient descent
        assert member.checkpoint.recipe == own


def test_every_label_has_a_known_class() -> None:
    known = {*labels.CLASSES, *labels.NOT_NAMED}
    assert all(known.issuperset(table.values()) for table in labels.LABELS.values())
    assert set(fit.OFFSETS) <= set(labels.CLASSES)
    assert labels.LABELS["cmu"]["soccer"] == "kick_ball"


def test_clips_that_are_tested_are_not_trained_on() -> None:
    clips = [
        *(clip("penn", held) for held in (False, True)),
        *(clip("jhmdb", held, mirrored) for held in (False, True) for mirrored in (False, True)),
    ]
    everything = divide(clips, "", "")
    assert len(everything.train) == 6 and not everything.test
    held = divide(clips, "jhmdb", "")
    assert [c.dataset for c in held.train] == ["penn", "jhmdb", "jhmdb"]
    assert held.test == (clips[4],)  # not its mirrored estimate
    without = divide(clips, "", "jhmdb")
    assert [c.dataset for c in without.train] == ["penn"] and without.test == (clips[4],)


def test_parts_show_the_label() -> None:
    skeleton = SKELETONS["kinect-20"]
    standing = np.zeros((200, 20, 3), np.float32)
    standing[:, skeleton.find("left_shoulder", "right_shoulder"), 1] = 0.5
    walking = standing + np.linspace(0, 6, 200, dtype=np.float32)[:, None, None] * [1, 0, 0]
    for points, expected in ((walking, [(s, s + 60) for s in range(0, 150, 30)]), (standing, [])):
        recording = motion.Recording(points=points, skeleton=skeleton, label="walk", subject="a")
        assert motion.parts("cmu", recording) == expected
