"""Where the dataset of a run is, and its negatives."""

from __future__ import annotations

import os
from pathlib import Path

from skelact.datasets import registry
from skelact.datasets.base import Collection
from skelact.errors import InputError, MissingDataset, escaped, reading
from skelact.schemas import CONFIG, DataLocation, RunConfig, load_json


def data_location(run: Path, collection: Collection) -> DataLocation | None:
    """The location of a dataset for config.json; None if it was not found by a path."""
    return None if collection.place is None else location_of(run, collection.place)


def location_of(run: Path, path: Path) -> DataLocation:
    """A path as an absolute one, and relative to the run folder."""
    path = path.resolve()
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
    name = str(config.recipe["dataset"]["name"])
    with reading(run / CONFIG, InputError):
        found = _existing(run, config.location)
        if found is not None:
            return found
        if any(place.exists() for place in registry.places(name, None)):
            return None
    raise MissingDataset(
        f"The data that {run} was trained on are no longer in {config.location.path}",
        "If they were moved, give their new place: --data FOLDER.",
    )


def stored_negatives(run: Path) -> Path | None:
    """The path of the negatives that a run was trained with, as `stored_data`; None if there were
    none. Raises MissingDataset if they are no longer there."""
    location = load_json(run / CONFIG, RunConfig).negatives
    if location is None:
        return None
    with reading(run / CONFIG, InputError):
        found = _existing(run, location)
    if found is None:
        raise MissingDataset(
            f"The negatives that {run} was trained with are no longer in {location.path}",
            "Move them back there.",
        )
    return found


def _existing(run: Path, location: DataLocation) -> Path | None:
    places = [Path(location.path)]
    if location.relative:
        places.append(run / location.relative)
    # a path can be too long, or hold a null character
    return next((place for place in places if place.exists()), None)
