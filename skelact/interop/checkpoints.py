"""A checkpoint of PYSKL or mmaction2 as one of ours, ready to predict: the network as it is, and
around it what those programs do before it (their test pipeline)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skelact.errors import InputError
from skelact.files import load_weights
from skelact.interop.architectures import identify_architecture
from skelact.models.checkpoint import FORMAT
from skelact.options import ForeignOptions
from skelact.recipe import Recipe
from skelact.skeletons import load_skeleton


def foreign_content(path: Path, options: ForeignOptions) -> dict[str, Any]:
    """The content of a checkpoint of ours with the weights of that file. CheckpointError if no
    network fits, InputError if the labels do not."""
    skeleton = load_skeleton(options.skeleton) if options.skeleton else None
    found = identify_architecture(load_weights(path), skeleton)
    persons = options.persons or (1 if found.skeleton.name == "hand-21" else found.persons)
    dims = 3 if found.channels == 3 and found.skeleton.name == "ntu-25" else 2
    mode = "kinect" if dims == 3 else "unit" if found.unit_input else "image"
    recipe = {
        "dataset": {"skeleton": options.skeleton or found.skeleton.name},
        "sequence": {"persons": persons},
        "normalise": {"mode": mode, "dims": dims, "score": found.channels == 3},
        "sampling": {"length": found.kwargs.get("frames", 100), "test_clips": 1},
        "model": {"name": found.name, **found.kwargs},
    }
    return {
        "format": FORMAT,
        "model": found.name,
        "model_kwargs": found.kwargs,
        "weights": found.net.state_dict(),
        "classes": class_names(options.labels, found.classes),
        "skeleton": found.skeleton.as_dict(),
        "in_channels": found.channels,
        "persons": persons,
        "recipe": Recipe.from_dict(recipe).as_dict(),
        "estimator": {"name": "unknown", "weights": "", "pose": {}},
        "clip_s": 0.0,
        "split": "",
    }


def class_names(file: Path | None, count: int) -> list[str]:
    """`count` names from a text file, or numbers. InputError if the file has another number."""
    if file is None:
        return [f"class {n}" for n in range(count)]
    try:
        names = [n.strip() for n in file.read_text(encoding="utf-8").splitlines() if n.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}", "one class name a line") from error
    if len(names) != count:
        raise InputError(
            f"{file} names {len(names)} classes, the checkpoint has {count}",
            "one class name a line, in the order of the training labels",
        )
    return names
