"""An entry as one tar file, which is how it is stored at a remote address.

The first member is the manifest, the others are the files that it lists, in its order. Nothing else
is unpacked: another name, a link, a folder or an extension header is damage.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from skelact import limits
from skelact.cache.entry import MANIFEST, CacheEntry, M, read_entry
from skelact.schemas import Envelope, FileRecord, decode

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,90}")
_BLOCK = tarfile.BLOCKSIZE  # headers and contents are padded to it


def pack_entry(entry: CacheEntry[Any], archive: BinaryIO) -> None:
    """Write an entry. Raises DamagedEntry if one of its files is not what was written, OSError."""
    for name in (MANIFEST, *entry.files):
        path = entry.path / name if name == MANIFEST else entry.check(name)
        header = tarfile.TarInfo(name)
        header.size = path.stat().st_size
        archive.write(header.tobuf(tarfile.GNU_FORMAT))
        with path.open("rb") as file:
            _copy(file, archive, header.size)
        archive.write(bytes(-header.size % _BLOCK))
    archive.write(bytes(2 * _BLOCK))


def unpack_entry(
    archive: BinaryIO,
    folder: Path,
    stage: str,
    key: str,
    decoder: msgspec.json.Decoder[Envelope[M]],
) -> None:
    """Write the files of the entry with this stage and key into an empty folder. Raises ValueError
    if the archive does not hold exactly the files of this entry with the content that was written,
    OSError if it cannot be read or a file cannot be written."""
    size = _next_member(archive, MANIFEST)
    if size > limits.TEXT_BYTES:
        raise ValueError("its manifest is too large")
    content = archive.read(size)
    _skip(archive, size)
    envelope = decode(content, decoder)  # a MsgspecError is a ValueError
    if (envelope.stage, envelope.key) != (stage, key):
        raise ValueError(f"it holds {envelope.stage}/{envelope.key}")
    (folder / MANIFEST).write_bytes(content)
    for name, record in envelope.files.items():
        if not _NAME.fullmatch(name) or name == MANIFEST:
            raise ValueError(f"it lists the file {name!r}")
        if _next_member(archive, name) != record.size:
            raise ValueError(f"the size of {name} is wrong")
        with (folder / name).open("xb") as file:
            _copy(archive, file, record.size)
        _skip(archive, record.size)
        if FileRecord.of_file(folder / name) != record:
            raise ValueError(f"{name} was changed")
    if read_entry(folder, decoder) is None:
        raise ValueError("its manifest was changed")


def _next_member(archive: BinaryIO, name: str) -> int:
    """The size of the next member, which must be a regular file of this name."""
    try:
        header = tarfile.TarInfo.frombuf(archive.read(_BLOCK), "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise ValueError(f"{name} is missing") from error
    if header.name != name or header.type != tarfile.REGTYPE or header.size < 0:
        raise ValueError(f"{header.name!r} is not the file {name}")
    return header.size


def _skip(archive: BinaryIO, size: int) -> None:
    archive.read(-size % _BLOCK)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy `size` bytes. Raises ValueError if there are fewer."""
    while size:
        chunk = source.read(min(size, limits.MB))
        if not chunk:
            raise ValueError("it ends too early")
        target.write(chunk)
        size -= len(chunk)
