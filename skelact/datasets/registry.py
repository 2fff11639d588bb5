"""Datasets by name, and the search for them on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import overload

import skelact.datasets
from skelact.datasets.base import Collection, DatasetSpec
from skelact.datasets.pyskl import SUFFIXES
from skelact.discovery import declared
from skelact.errors import ConfigError, MissingDataset, lookup

DATA_VARIABLE = "SKELACT_DATA"


@cache
def dataset_specs() -> dict[str, DatasetSpec]:
    """The datasets that the modules of this package declare as `DATASETS`, by name."""
    return declared(skelact.datasets.__name__, skelact.datasets.__path__, "DATASETS")


def get_spec(name: str) -> DatasetSpec:
    """The dataset of that name. Raises ConfigError if there is none."""
    return lookup("dataset", name, dataset_specs())


def places(name: str, data: Path | None) -> list[Path]:
    """The paths where a dataset is searched, in order: `data` if it is given, else
    $SKELACT_DATA/<name> and ./data/<name>."""
    if data is not None:
        return [data]
    variable = os.environ.get(DATA_VARIABLE)
    return [*([Path(variable) / name] if variable else []), Path("data") / name]


def kind_of(path: Path) -> str:
    """The dataset that fits a path: `pyskl` for a pickle, `labels` for a table, else `folder`."""
    if path.suffix in SUFFIXES:
        return "pyskl"
    return "labels" if path.suffix == ".csv" else "folder"


@overload
def locate(dataset: str, data: Path | None) -> tuple[str, Path | None]: ...


@overload
def locate(dataset: str | None, data: Path | None) -> tuple[str | None, Path | None]: ...


def locate(dataset: str | None, data: Path | None) -> tuple[str | None, Path | None]:
    """The name and the path of a dataset from what the user gives as --dataset and --data: a name,
    or the path of a folder, a labels.csv or a pickle in place of a name; None stays None.

    Raises ConfigError if both are paths, MissingDataset if there is nothing at the path."""
    if dataset is None or dataset in dataset_specs():
        return dataset, data
    path = Path(dataset)
    if not (path.exists() or path.suffix in (".csv", *SUFFIXES) or len(path.parts) > 1):
        return dataset, data
    if data is not None:
        raise ConfigError(
            f"--dataset {dataset} and --data {data} are both paths", "Leave out --data."
        )
    if not path.exists():
        raise MissingDataset(
            f"{path}: no such file or folder",
            "--dataset is the name of a dataset, or a folder with one folder per class, or a "
            "labels.csv.",
        )
    return kind_of(path), path


def find(name: str, data: Path | None, classes: tuple[str, ...] | None) -> Collection:
    """The dataset of that name with these classes (None: all) in the first of its places.

    If `data` is None and the dataset is in none of them, its fallback is used, with a notice.
    Raises ConfigError for an unknown name or class, MissingDataset if there is no such dataset."""
    spec = get_spec(name)
    searched = places(name, data)
    for place in searched:
        if place.exists():
            try:
                return replace(spec.find(place).select_classes(classes), place=place)
            except MissingDataset:
                if data is not None or spec.fallback is None:
                    raise
    where = " or ".join(map(str, searched))
    if data is None and spec.fallback is not None:
        collection = spec.fallback().select_classes(classes)
        notice = (
            f"{name} was not found in {where}. The small sample set that comes with skelact is "
            f"used instead: {collection.name}."
        )
        return replace(collection, notice=notice)
    raise MissingDataset(
        f"The dataset {name} is not in {where}",
        f"Give its path with --data. Expected layout: {spec.layout}. Source: {spec.origin}",
    )
