"""Poses for other programs: the formats of biomechanics, annotation and animal tracking.

A format is one module of this package that declares it in `FORMATS`, a tuple of PoseFormat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from skelact import outputs
from skelact.discovery import declared
from skelact.errors import InputError
from skelact.files import replacing
from skelact.interop.poses.base import Dims, PoseFormat, Recording

__all__ = ["PoseFormat", "Recording", "export", "load_formats"]


def load_formats() -> dict[str, PoseFormat]:
    """All formats by name."""
    return declared(__name__, __path__, "FORMATS")


def export(
    recording: Recording,
    form: PoseFormat,
    folder: Path,
    name: Path,
    *,
    dims: Dims = "auto",
    inputs: Sequence[Path] = (),
    written: Mapping[Path, Path] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the persons of a recording to `folder`, as <name>.<suffix>, or one file for each person
    if the format holds one person and there are several: <name>_person<id>.<suffix>. `inputs` are
    never replaced. `written` are the files that have poses of other recordings, and these.

    Raises OutputError as `outputs.check`, InputError if there is no person, if there are no joints
    of the dimensions, if another recording has a file of the same name, or if a file cannot be
    written, and BackendMissing without the package of the format."""
    form.check_packages()
    if not recording.sequence.persons or not recording.sequence.known.any():
        raise InputError(f"{recording.path}: there is no person to export")
    if dims == "3" and not recording.has_3d:
        raise InputError(f"{recording.path} has no 3-D joints", "Leave out --dims 3.")
    if (dims == "2" or not form.has_dims) and not recording.has_pixels:
        hint = "Leave out --dims 2." if dims == "2" else "Choose another format."
        raise InputError(f"{recording.path} has no joints in pixels", hint)
    stem = folder / name
    jobs = {stem.with_name(f"{stem.name}.{form.suffix}"): recording}
    if form.per_person and recording.sequence.persons > 1:
        jobs = {
            stem.with_name(f"{stem.name}_person{part.sequence.ids[0]}.{form.suffix}"): part
            for part in recording.by_person()
        }
    for path in jobs:
        if written and path in written:
            raise InputError(
                f"{path} would hold the poses of {recording.path} and of {written[path]}",
                "Rename one of them, or export them to different folders.",
            )
    outputs.check(*jobs, inputs=[recording.path, *inputs], overwrite=overwrite)
    for path, part in jobs.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                form.write(part, temporary, dims)
        except OSError as error:
            raise InputError(f"Cannot write {path}: {error.strerror or error}") from error
    return list(jobs)
