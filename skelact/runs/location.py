"""Where the dataset of a run is."""

from __future__ import annotations

import os
from pathlib import Path

from skelact.datasets import registry
from skelact.datasets.base import Collection
from skelact.errors import InputError, MissingDataset, escaped, reading
from skelact.schemas import CONFIG, DataLocation, RunConfig, load_json


def data_location(run: Path, collection: Collection) -> DataLocation | None:
    """The location of a dataset for config.json; None if it was not found by a path."""
    if collection.place is None:
        return None
    path = collection.place.resolve()
    try:
        relative = Path(os.path.relpath(path, run.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        relative = ""
    return DataLocation(path=escaped(path), relative=escaped(relative))


def stored_data(run: Path) -> Path | None:
    """The path of the dataset that a run was trained on: where it was, or where it is now if it was
    moved together with the run. None if the run does not know, or if the dataset has moved to a
    place where it is found by its name.

    Raises MissingDataset if it is in none of these places."""
    config = load_json(run / CONFIG, RunConfig)
    if config.location is None:
        return None
    places = [Path(config.location.path)]
    if config.location.relative:
        places.append(run / config.location.relative)
    name = str(config.recipe["dataset"]["name"])
    with reading(run / CONFIG, InputError):  # a path can be too long, or hold a null character
        for place in places:
            if place.exists():
                return place
        if any(place.exists() for place in registry.places(name, None)):
            return None
    raise MissingDataset(
        f"The data that {run} was trained on are no longer in {places[0]}",
        "If they were moved, give their new place: --data FOLDER.",
    )
