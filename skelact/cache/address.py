"""What a user names as the cache: a folder, or an address of fsspec such as s3://bucket/folder."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from skelact.errors import CacheUnavailable
from skelact.escaping import without_password

_FORM = "An address has the form s3://bucket/folder or file:///folder."
_ONE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+]+:/(?!/)")  # "C:/x" is a folder of Windows


def folder_or_address(place: Path | str) -> Path | str:
    """A folder as it is, also for file:///folder; any other address without slashes at its end.
    Raises CacheUnavailable for what is neither."""
    text = str(place)
    if _ONE_SLASH.match(text):
        if isinstance(place, Path):  # pathlib removes a slash
            raise CacheUnavailable(f"{text} is an address, not a folder", "Give it as text.")
        raise CacheUnavailable(f"{text} has one slash after the colon", _FORM)
    if not text:
        raise CacheUnavailable(
            "The name of the cache is empty", "Name a folder or an address with --cache-dir."
        )
    if isinstance(place, Path) or "://" not in text:
        return place
    if text.startswith("file://"):
        return _folder(text)
    if not text.partition("://")[2].strip("/"):
        raise CacheUnavailable(f"{text} names no place", _FORM)
    return text.rstrip("/")


def _folder(address: str) -> str:
    """The folder that file://... names."""
    host, slash, path = address.removeprefix("file://").partition("/")
    shown = without_password(address)
    if host not in ("", "localhost"):
        raise CacheUnavailable(
            f"{shown} names the machine {host.rpartition('@')[2]}",
            "A folder of this machine has three slashes: file:///folder.",
        )
    if not slash:
        raise CacheUnavailable(f"{shown} names no place", _FORM)
    if "?" in path or "#" in path:
        raise CacheUnavailable(
            f"{shown} has parts after its path", "Write ? as %3F and # as %23, or name the folder."
        )
    return unquote(f"/{path}")
