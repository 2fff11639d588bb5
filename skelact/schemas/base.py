"""The base class of all documents, and their readers and writers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from skelact import limits
from skelact.errors import CheckpointError, InputError, SkelactError, reading, reason
from skelact.files import read_tensors, write_bytes, write_tensors
from skelact.integrity import check_content

# sections of a config file: section -> option -> value; recipe.Recipe validates them
Sections = dict[str, dict[str, Any]]
Tensors = dict[str, Any]  # state-dict name -> torch.Tensor

# Ranges of values, which readers check. None of them admits NaN or infinity.
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
Positive = Annotated[int, Meta(ge=1, lt=1 << 53)]
Size = Annotated[int, Meta(ge=1, le=1 << 16)]  # pixels
Few = Annotated[int, Meta(ge=1, le=4096)]  # persons, channels
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0, le=1e6)]  # 1/s
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Amount = Annotated[float, Meta(ge=0, le=1e300)]


class Document(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="document"
):
    """Base of all documents. The file holds the class's tag under "document", and a version."""

    version: Literal[1] = 1

    error: ClassVar[type[SkelactError]] = InputError
    hint: ClassVar[str] = "The file is damaged or was written by another version of skelact."


D = TypeVar("D", bound=Document)
T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parts of documents."""


def load_json(path: Path, kind: type[D]) -> D:
    """The document in a JSON file. Raises the error of `kind` if the file is missing, damaged, or
    another kind of document."""
    try:
        content = limits.read_bytes(path)
    except OSError as error:
        raise kind.error(f"{path} cannot be read: {error.strerror}", kind.hint) from error
    return parse_json(content, kind, path)


def parse_json(content: bytes, kind: type[D], path: Path) -> D:
    """The document in the content of the file `path`. Raises the error of `kind` for anything
    else."""
    try:
        return decode(content, msgspec.json.Decoder(kind))
    except msgspec.MsgspecError as error:
        raise kind.error(f"{path} cannot be used: {reason(error)}", kind.hint) from error


def decode(content: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode JSON text. Raises msgspec.MsgspecError for any invalid text."""
    try:
        return decoder.decode(content)
    except (SkelactError, UnicodeDecodeError, RecursionError, MemoryError, OverflowError) as error:
        raise msgspec.ValidationError(reason(error)) from error


def to_json(document: msgspec.Struct) -> bytes:
    """Indented JSON with a line break at the end. A number that is not finite becomes null, because
    JSON has neither NaN nor infinity."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def save_json(path: Path, document: Document) -> None:
    """Write a document as JSON, completely or not at all. Raises the document's error, also if the
    file could not be read again: where a value must be a number, NaN is refused."""
    content = to_json(document)
    parse_json(content, type(document), path)
    try:
        write_bytes(path, content)
    except OSError as error:
        raise document.error(f"Cannot write {path}: {error.strerror or error}") from error


def load_tensors(path: Path, *kinds: type[D]) -> D:
    """The document in a file of tensors; `kinds` are the classes that are accepted. Raises
    CheckpointError if the file is missing, damaged, holds anything but tensors and plain values, or
    is another kind of document."""
    content = read_tensors(path)
    tag = content.get("document") if isinstance(content, dict) else None
    if not isinstance(tag, str):
        raise CheckpointError(
            f"{path} was not written by skelact",
            "Checkpoints of PYSKL and mmaction2 work with `skelact predict` only.",
        )
    kind = next((k for k in kinds if k.__struct_config__.tag == tag), None)
    if kind is None:
        names = " or ".join(str(k.__struct_config__.tag) for k in kinds)
        raise CheckpointError(f"{path} holds a document of type {tag!r}, expected {names}")
    check_content(content, path)
    with reading(path, CheckpointError, kind.hint):
        return msgspec.convert(content, kind)


def save_tensors(path: Path, document: Document) -> None:
    """Write a document with tensors of any device, completely or not at all. Raises
    CheckpointError, also for weights and values that are not finite."""
    content = on_cpu(to_plain(document))
    check_content(content, path)
    write_tensors(path, content)


def on_cpu(value: Any) -> Any:
    """The same dicts and lists with all tensors in CPU memory: an optimiser keeps its state on the
    device of its network."""
    if isinstance(value, dict):
        return {k: on_cpu(v) for k, v in value.items()}
    if isinstance(value, list):
        return [on_cpu(v) for v in value]
    return value.detach().cpu() if hasattr(value, "cpu") else value


def to_plain(value: Any) -> Any:
    """Structs and dataclasses as dicts, tuples as lists; tensors and other leaves as they are."""
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        out = {config.tag_field: config.tag} if config.tag_field else {}
        return out | {f: to_plain(getattr(value, f)) for f in value.__struct_fields__}
    if hasattr(value, "__dataclass_fields__"):
        return {f: to_plain(getattr(value, f)) for f in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {k: to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value
