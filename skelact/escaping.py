"""Text of others (names of files, classes and joints, messages about them) in formats in which some
characters are commands: the terminal, cells of CSV, subtitles, HTML, JSON on a terminal."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

# control characters (escape sequences start with one), line separators, invisible marks and those
# that change the direction of text, and surrogates, which stand for bytes that are not UTF-8
_COMMANDS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# a spreadsheet takes a cell that begins with one of these as a formula
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def escaped(name: object) -> str:
    """A name or path as text that can be written to any file: bytes that are not UTF-8, which
    Python represents by surrogates, become \\xNN. Other characters stay as they are."""
    return _SURROGATES.sub(lambda match: _visible(match[0]), str(name))


def for_terminal(text: object) -> str:
    """One line of text in which commands are visible: '\\x1b' for escape, '\\n' for a line break,
    '\\u202e' for a change of direction, '\\xff' for a byte that is not UTF-8."""
    return _COMMANDS.sub(lambda match: _visible(match[0]), str(text))


def _visible(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100 or 0xDC80 <= code <= 0xDCFF:  # a byte, also one that is not UTF-8
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def for_json(text: str) -> str:
    """JSON text with commands written as JSON's own escapes, which stand for the same characters.
    Line breaks between its values stay."""
    return _COMMANDS.sub(lambda m: m[0] if m[0] == "\n" else _json_escape(m[0]), text)


def _json_escape(char: str) -> str:
    code = ord(char)
    if code >= 0x10000:  # JSON has escapes of 16 bits only
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def for_csv(value: Any) -> Any:
    """The value of a cell: text that a spreadsheet would take as a formula gets an apostrophe in
    front, which `from_csv` removes. Numbers stay numbers."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if _FORMULA.match(value) else value


def from_csv(text: str) -> str:
    """The text of a cell that `for_csv` wrote. Other text stays as it is."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def for_subtitle(text: str) -> str:
    """One line of a SubRip subtitle: without line breaks, which could end it, without the arrow of
    its times, and without tags."""
    line = " ".join(for_terminal(" ".join(text.split())).split())
    return line.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{", "(")


class Html(str):
    """Text that is HTML. Only `markup` and `join` make it."""


def markup(template: str, *values: object) -> Html:
    """HTML from a template with a `{}` for each value. Values that are not HTML are escaped, also
    for attributes in quotation marks."""
    return Html(template.format(*map(_escaped, values)))


def join(parts: Any, separator: str = "") -> Html:
    """The parts one after the other; those that are not HTML are escaped."""
    return Html(separator.join(map(_escaped, parts)))


def _escaped(value: object) -> str:
    return value if isinstance(value, Html) else html.escape(for_terminal(value), quote=True)


def without_password(address: str) -> str:
    """An address as it may be shown."""
    try:
        parts = urlsplit(address)
        if parts.username is None and parts.password is None:
            return address
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:  # not an address
        return address.rpartition("@")[2]
