"""Skeletons as data: joint layouts and conversion between them. Joints have numbers in this package
only."""

from skelact.skeletons.base import Skeleton, convert
from skelact.skeletons.details import FACE_70, HAND_21, Part, parts_of, with_details
from skelact.skeletons.layouts import SKELETONS, Context, layout_for, load_skeleton

__all__ = [
    "FACE_70",
    "HAND_21",
    "SKELETONS",
    "Context",
    "Part",
    "Skeleton",
    "convert",
    "layout_for",
    "load_skeleton",
    "parts_of",
    "with_details",
]
