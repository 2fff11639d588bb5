"""Checkpoints of PYSKL, mmaction2 and the authors of networks as checkpoints of skelact: the
network with its weights, and a recipe that does the preprocessing of PYSKL's and mmaction2's test
pipelines."""

from __future__ import annotations

from pathlib import Path

from skelact import limits
from skelact.datasets import ntu_names
from skelact.errors import InputError, reason
from skelact.files import load_weights
from skelact.interop.architectures import ForeignModel, identify_architecture
from skelact.options import ForeignOptions
from skelact.recipe import Recipe
from skelact.schemas import Checkpoint, EstimatorInfo
from skelact.skeletons import SKELETONS, load_skeleton

_THREE_D = ("ntu-25", "ntu-25-thumb", "kinect-20")
_NTU_LAYOUTS = ("coco-17", "ntu-25", "ntu-25-thumb", "openpose-18")


def foreign_checkpoint(path: Path, options: ForeignOptions) -> tuple[Checkpoint, tuple[str, ...]]:
    """A checkpoint of another program as one of skelact; and what a user should know about it, one
    sentence each. Raises CheckpointError if no network fits the weights, InputError if the number
    of labels is wrong, ConfigError for bad options."""
    skeleton = load_skeleton(options.skeleton) if options.skeleton else None
    foreign = identify_architecture(load_weights(path), skeleton)
    persons = options.persons or (1 if foreign.skeleton.name == "hand-21" else foreign.persons)
    ntu = ""  # the name of NTU RGB+D with 60 or 120 actions, if the classes are taken to be these
    if options.labels is None and foreign.skeleton.name in _NTU_LAYOUTS:
        ntu = ntu_names.ACTION_COUNTS.get(foreign.classes, "")
    window_s = options.window
    if window_s is None:
        window_s = ntu_names.WINDOW_S if ntu else 0.0
    dims = 3 if foreign.channels == 3 and foreign.skeleton.name in _THREE_D else 2
    mode = "kinect" if dims == 3 else "unit" if foreign.unit_input else "image"
    recipe = {
        "dataset": {"skeleton": options.skeleton or foreign.skeleton.name},
        "sequence": {"persons": persons},
        "normalise": {"mode": mode, "dims": dims, "score": foreign.channels == 3},
        "sampling": {"length": foreign.kwargs.get("frames", 100), "test_clips": 1}
        | dict(foreign.format.sampling),
        "model": {"name": foreign.name, **foreign.kwargs},
    }
    checkpoint = Checkpoint(
        model=foreign.name,
        model_kwargs=foreign.kwargs,
        weights=foreign.net.state_dict(),
        classes=ntu_names.actions(foreign.classes)
        if ntu
        else class_names(options.labels, foreign.classes),
        skeleton=foreign.skeleton,
        in_channels=foreign.channels,
        persons=persons,
        recipe=Recipe.from_dict(recipe).as_dict(),
        estimator=EstimatorInfo(name="unknown"),
        clip_s=window_s,
        split="",
        dataset=ntu,
    )
    notes = _notes(path, foreign, persons, dims)
    return checkpoint, (*notes, *_ntu_notes(foreign.classes, window_s)) if ntu else notes


def _ntu_notes(classes: int, window_s: float) -> tuple[str, ...]:
    windows = f"windows of {window_s:g} s" if window_s else "the complete video"
    return (
        f"Its {classes} classes are assumed to be the actions of NTU RGB+D {classes}, in their "
        f"order (--labels names others), seen in {windows} (--window) at {ntu_names.FPS:g} frames "
        "per second.",
    )


def _notes(path: Path, foreign: ForeignModel, persons: int, dims: int) -> tuple[str, ...]:
    layout, origin = foreign.skeleton.name, foreign.format.authors or "PYSKL or mmaction2"
    by = f"the authors of {origin}" if foreign.format.authors else origin
    notes = [
        f"{path.name} is a checkpoint of {by}: {foreign.name}, {foreign.classes} classes, {layout} "
        f"in {dims}-D, {persons} {'person' if persons == 1 else 'persons'}."
    ]
    if foreign.assumed_layout:
        joints = len(foreign.skeleton.joints)
        others = [n for n, s in SKELETONS.items() if len(s.joints) == joints and n != layout]
        notes.append(
            f"{joints} joints do not determine the layout: {layout} is assumed. The others are "
            f"{', '.join(others)} (--skeleton)."
        )
    if foreign.format.authors:
        notes.append(
            f"Coordinates are normalised as by PYSKL, which is not exactly what the code of "
            f"{origin} does: expect a lower accuracy than the published one."
        )
    return tuple(notes)


def class_names(file: Path | None, count: int) -> tuple[str, ...]:
    """`count` names from a text file, or "class 0", "class 1", … without one. Raises InputError if
    the file has another number of names."""
    if file is None:
        return tuple(f"class {n}" for n in range(count))
    try:
        text = limits.read_text(file, limits.SETTINGS_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read: {reason(error)}", "Write one class name per line."
        ) from error
    names = tuple(n.strip() for n in text.splitlines() if n.strip())
    if len(names) != count:
        raise InputError(
            f"{file} names {len(names)} classes, the checkpoint has {count}",
            "Write one class name per line, in the order of the training labels.",
        )
    return names
