"""Skeletons as data: joint layouts and conversion between them. Joints have numbers in this package
only."""

from skelact.skeletons.base import Skeleton, check_common_joints, convert, missing_joints
from skelact.skeletons.details import FACE_70, HAND_21, Part, parts_of, with_details
from skelact.skeletons.guess import Guess, guess_layout
from skelact.skeletons.layouts import SKELETONS, USED_BY, Context, layout_for
from skelact.skeletons.load import load_skeleton, parse_layout
from skelact.skeletons.names import known_name

__all__ = [
    "FACE_70",
    "HAND_21",
    "SKELETONS",
    "USED_BY",
    "Context",
    "Guess",
    "Part",
    "Skeleton",
    "check_common_joints",
    "convert",
    "guess_layout",
    "known_name",
    "layout_for",
    "load_skeleton",
    "missing_joints",
    "parse_layout",
    "parts_of",
    "with_details",
]
