"""The files that tests add to a run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from skelact.errors import ConfigError, InputError, OutputError
from skelact.schemas import FORECAST, RUN_FILES, load_json
from skelact.schemas.runs import RunDocument


def result_files(run: Path, name: str, kinds: Mapping[str, type[RunDocument]]) -> tuple[Path, ...]:
    """The files <name><ending>.json for each ending of `kinds`. They replace documents of the same
    kinds, which an earlier test of that name wrote, but no other files. Raises ConfigError if the
    name has a folder or is that of a file of the run, OutputError if a file is anything else."""
    if Path(name).name != name:
        raise ConfigError(f"{name!r} is no name of a file", "Leave out the folder of --name.")
    files = tuple(run / f"{name}{ending}.json" for ending in kinds)
    for file, kind in zip(files, kinds.values(), strict=True):
        if file.name in (*RUN_FILES, FORECAST):
            raise ConfigError(f"{file} belongs to the run", "Choose another --name.")
        if os.path.lexists(file):
            try:
                load_json(file, kind)
            except InputError as error:
                raise OutputError(
                    f"{file} exists and is not of an earlier test", "Choose another --name."
                ) from error
    return files
