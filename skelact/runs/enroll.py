"""Enrolment: classes that are added to a recogniser from a few examples, without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from msgspec import structs

from skelact import outputs
from skelact.cache import Cache
from skelact.config import shipped
from skelact.errors import ConfigError, InputError, counted, escaped, nearest
from skelact.files import is_skelact_checkpoint
from skelact.inference.calibration import by_probability
from skelact.inference.ensemble import members_of
from skelact.inference.examples import MAX_EXAMPLES, embed_examples, embed_others, parse_examples
from skelact.inference.predictor import Predictor
from skelact.inference.zoo import find
from skelact.models.enrolled import RIDGE, statistics_of
from skelact.options import PredictOptions
from skelact.schemas import (
    Checkpoint,
    EnrolledClass,
    Enrolment,
    EnrolMethod,
    Ensemble,
    load_tensors,
    save_tensors,
)
from skelact.schemas.checkpoints import MAX_ENROLLED
from skelact.types import Floats, ProgressCallback, no_progress

MAX_LABEL = 100  # characters
MIN_OTHERS = 20  # windows of other actions
_NO_STATISTICS = (
    "Add a folder of videos of other actions, --others FOLDER, or train it again: a checkpoint "
    "gets them when its training ends."
)


@dataclass(frozen=True, kw_only=True)
class EnrolledModel:
    """The file that was written, and the classes of the model: those it was trained on, and those
    that were added."""

    file: Path
    trained: tuple[str, ...]
    enrolled: tuple[EnrolledClass, ...]
    method: EnrolMethod | None


def enrolled(model: Path | str) -> EnrolledModel:
    """The classes of a run folder, a checkpoint or a shipped model. Raises CheckpointError."""
    path, document = _load(model)
    return _summary(path, document)


def enroll(
    model: Path | str,
    label: str,
    examples: Sequence[str],
    *,
    method: EnrolMethod | None = None,
    persons: Sequence[int] = (),
    shots: int | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    others: Path | None = None,
    min_confidence: float | None = None,
    cache: Cache | None = None,
    poses_from: Path | None = None,
    on_progress: ProgressCallback = no_progress,
) -> EnrolledModel:
    """Add a class to a recogniser from 1 to MAX_EXAMPLES examples, videos or skeleton files
    (`inference.examples.parse_examples`); only the first `shots` are used if it is given. The
    result replaces the checkpoint, or is written to `out`, completely or not at all. With
    `overwrite`, it replaces an enrolled class of that name and the file `out`.

    The method is that of the classes that were added before, otherwise the ridge regression for a
    network with a closed-form head and "cosine" for the others. A model without statistics of its
    training clips gets them from `others`, a folder of videos of other actions.

    Raises InputError if an example cannot be used or there are fewer than `shots`, ConfigError for
    a label or a method that the model cannot have, OutputError as `outputs.check`."""
    path, document = _load(model)
    target = _target(path, out, overwrite)
    label = escaped(label)
    _check_label(document, label, overwrite)
    kept = [c for c in _enrolled_of(document) if c.label != label]
    if others is None or _has_statistics(document):
        method = _method(document, method, bool(kept))
    parsed = parse_examples(examples, persons)
    if len(parsed) < (shots or 1):
        raise InputError(
            f"{counted(len(parsed), 'example')} given for {label}, fewer than {shots or 1}",
            "Name more files, or parts of them as clip.mp4:3.0-5.5.",
        )
    predictor = Predictor(_without(document), PredictOptions(min_confidence=min_confidence))
    if others is not None:
        if _has_statistics(document):
            raise ConfigError(
                "The model has statistics of its training clips", "Leave out --others."
            )
        rows = embed_others(predictor, others, cache, on_progress, poses_from)
        if len(rows[0]) < MIN_OTHERS:
            raise InputError(
                f"The videos in {others} give {counted(len(rows[0]), 'window')} of persons, at "
                f"least {MIN_OTHERS} are needed",
                "Add longer or more videos of other actions.",
            )
        document = _changed(
            document,
            lambda n, c: structs.replace(c, features=statistics_of(torch.from_numpy(rows[n]))),
        )
        method = _method(document, method, False)
    assert method is not None
    by_member = embed_examples(predictor, parsed[:shots], cache, on_progress, poses_from)
    count = len(by_member[0])
    if not (shots or 1) <= count <= MAX_EXAMPLES:
        raise InputError(
            f"{counted(count, 'example')} of {label} found, expected {shots or 1} to "
            f"{MAX_EXAMPLES}",
            f"Name fewer files, or use the first ones with --shots {MAX_EXAMPLES}.",
        )

    def add(number: int, checkpoint: Checkpoint) -> Checkpoint:
        own = _new_class(label, by_member[number])
        before = () if checkpoint.enrolment is None else checkpoint.enrolment.classes
        return _with(checkpoint, (*(c for c in before if c.label != label), own), method)

    changed = _changed(document, add)
    Predictor(changed)  # raises if the classes do not fit
    return _written(target, changed)


def remove(
    model: Path | str, label: str, *, out: Path | None = None, overwrite: bool = False
) -> EnrolledModel:
    """Remove an enrolled class: the result is as if it had never been added. Raises InputError if
    there is no such class, OutputError as `outputs.check`."""
    path, document = _load(model)
    target = _target(path, out, overwrite)
    label, names = escaped(label), [c.label for c in _enrolled_of(document)]
    if label not in names:
        trained = label in document.trained_classes
        raise InputError(
            f"{label} was trained, not added to {model}"
            if trained
            else f"No class {label} was added to {model}{nearest(label, names)}",
            f"The added classes are {', '.join(names)}." if names else "No class was added to it.",
        )

    def drop(number: int, checkpoint: Checkpoint) -> Checkpoint:
        assert checkpoint.enrolment is not None
        kept = tuple(c for c in checkpoint.enrolment.classes if c.label != label)
        return _with(checkpoint, kept, checkpoint.enrolment.method)

    return _written(target, _changed(document, drop))


def _load(model: Path | str) -> tuple[Path, Checkpoint | Ensemble]:
    """The file of a model and its content."""
    path = find(model)
    if not is_skelact_checkpoint(path):
        raise ConfigError(
            f"{path} is not a checkpoint of skelact", "Classes can be added to models of skelact."
        )
    kinds: tuple[type[Checkpoint | Ensemble], ...] = (Checkpoint, Ensemble)
    return path, load_tensors(path, *kinds)


def _target(path: Path, out: Path | None, overwrite: bool) -> Path:
    """The file to write."""
    if out is not None:
        outputs.check(out, inputs=[path], overwrite=overwrite, suffixes=(".pt", ".pth"))
        outputs.check_folder(out.parent)
        return out
    if path.resolve().is_relative_to(shipped("zoo").resolve()):
        raise ConfigError(
            f"{path.stem} is a model that comes with skelact and is not changed",
            "Write the result to another file: --out mine.pt.",
        )
    return path


def _check_label(document: Checkpoint | Ensemble, label: str, overwrite: bool) -> None:
    if not label.strip() or label != label.strip() or len(label) > MAX_LABEL:
        raise ConfigError(
            f"{label!r} cannot be the name of a class",
            f"Use 1 to {MAX_LABEL} characters without spaces around them.",
        )
    if label in document.trained_classes:
        raise ConfigError(
            f"The model was trained on {label}, so that it cannot be added", "Choose another label."
        )
    if label in document.classes and not overwrite:
        raise ConfigError(
            f"{label} was already added to the model",
            "Replace it with --overwrite, or remove it with --remove.",
        )
    if label not in document.classes and len(_enrolled_of(document)) >= MAX_ENROLLED:
        raise ConfigError(
            f"{MAX_ENROLLED} classes were already added to the model", "Train it on them instead."
        )


def _method(
    document: Checkpoint | Ensemble, method: EnrolMethod | None, has_others: bool
) -> EnrolMethod:
    """The method to use. Raises ConfigError if the model cannot use it."""
    checkpoints = [m.checkpoint for m in members_of(document)]
    if not _has_statistics(document):
        raise ConfigError(
            "The model has no statistics of its training clips, which adding a class needs",
            _NO_STATISTICS,
        )
    current = checkpoints[0].enrolment
    if has_others and current is not None and method not in (None, current.method):
        raise ConfigError(
            f"Other classes were added to the model with the method {current.method}",
            f"Use --method {current.method}, or remove these classes first.",
        )
    is_closed_form = all(c.features is not None and c.features.penalty > 0 for c in checkpoints)
    if method == RIDGE and not is_closed_form:
        raise ConfigError(
            "A network of the model has no head in closed form, or its regression is not known",
            "Use --method cosine or --method jsd.",
        )
    if has_others and current is not None:
        return current.method
    return method or ("ridge" if is_closed_form else "cosine")


def _has_statistics(document: Checkpoint | Ensemble) -> bool:
    return all(m.checkpoint.features is not None for m in members_of(document))


def _new_class(label: str, examples: Sequence[Floats]) -> EnrolledClass:
    rows = torch.cat([torch.from_numpy(e) for e in examples])
    return EnrolledClass(label=label, examples=len(examples), embeddings=rows)


def _enrolled_of(document: Checkpoint | Ensemble) -> tuple[EnrolledClass, ...]:
    enrolment = members_of(document)[0].checkpoint.enrolment
    return () if enrolment is None else enrolment.classes


def _changed(
    document: Checkpoint | Ensemble, change: Callable[[int, Checkpoint], Checkpoint]
) -> Checkpoint | Ensemble:
    """The document with every network changed; the function gets its number among those that
    predict."""
    if isinstance(document, Checkpoint):
        return change(0, document)
    members, number = [], 0
    for member in document.members:
        if member.weight > 0:
            members.append(structs.replace(member, checkpoint=change(number, member.checkpoint)))
            number += 1
    calibration = by_probability(document.calibration)
    return structs.replace(document, members=tuple(members), calibration=calibration)


def _with(
    checkpoint: Checkpoint, classes: tuple[EnrolledClass, ...], method: EnrolMethod
) -> Checkpoint:
    """The checkpoint with these enrolled classes instead of those that it has."""
    return structs.replace(
        checkpoint,
        classes=(*checkpoint.trained_classes, *(c.label for c in classes)),
        enrolment=Enrolment(method=method, classes=classes) if classes else None,
        statistics=None,
        calibration=by_probability(checkpoint.calibration),
    )


def _without(document: Checkpoint | Ensemble) -> Checkpoint | Ensemble:
    return _changed(document, lambda number, checkpoint: _with(checkpoint, (), "cosine"))


def _written(path: Path, document: Checkpoint | Ensemble) -> EnrolledModel:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot create the folder {path.parent}: {error.strerror}") from error
    save_tensors(path, document)
    return _summary(path, document)


def _summary(path: Path, document: Checkpoint | Ensemble) -> EnrolledModel:
    enrolment = members_of(document)[0].checkpoint.enrolment
    return EnrolledModel(
        file=path,
        trained=document.trained_classes,
        enrolled=() if enrolment is None else enrolment.classes,
        method=None if enrolment is None else enrolment.method,
    )
