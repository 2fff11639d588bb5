"""The fenced blocks of README and of the documentation, and the command lines in them."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = ROOT / "docs" / "pages"
_BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+ *)?"
    r"```(?P<language>\w*)\n(?P<text>.*?)^ *```",
    re.M | re.S,
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block. `reason` says why the tests do not run it; it is empty if they do."""

    page: Path
    line: int
    language: str
    text: str
    reason: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def lines(self) -> Iterator[str]:
        """The command lines without comments and with continued lines joined."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield line.strip()


def pages() -> list[Path]:
    """Every page with documentation for users."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(PAGES.rglob("*.md"))]


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page in these languages."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start("text")),
            language=found["language"],
            text=textwrap.dedent(found["text"]),
            reason=found["reason"] or "",
        )
        for found in _BLOCK.finditer(text)
        if found["language"] in languages
    ]


def commands(line: str) -> Iterator[list[str]]:
    """The words of every program in a command line, which may be a pipe or a list."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("|&;"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def skelact_arguments(words: list[str]) -> list[str] | None:
    """The arguments of skelact in a command, None if it runs another program."""
    if words[:1] == ["torchrun"]:
        from torch.distributed.run import parse_args

        told = parse_args(words[1:])  # raises SystemExit; --log alone would be one of its options
        assert told.module, words
        words = [told.training_script, *told.training_script_args]
    elif words[:2] == ["python", "-m"]:
        words = words[2:]
    if words[:1] != ["skelact"]:
        return None
    end = next((i for i, w in enumerate(words) if set(w) <= set("<>") and w), len(words))
    return words[1:end]
