"""The exceptions that skelact raises.

    SkelactError
    ├── InputError            a path, file or time span of the user
    │   ├── PathMissing
    │   ├── NotAVideo
    │   ├── TruncatedVideo
    │   ├── BadSpan
    │   ├── NoPersonFound
    │   ├── StreamError       a camera or a stream that delivers no frames
    │   └── OutputError       the place of a result
    ├── ConfigError           an option, a configuration file, a skeleton file
    ├── DatasetError
    │   ├── MissingDataset
    │   └── LeakingSplit
    ├── EstimatorError
    │   ├── BackendMissing
    │   └── WeightsMissing
    ├── CheckpointError
    ├── ClusterError          a Ray cluster or one of its nodes
    ├── CacheError
    │   ├── CacheUnavailable  its folder or address cannot be used
    │   └── DamagedEntry
    ├── ProcessLost           another process of a training with torchrun ended
    └── FfmpegError           the external program failed

The message states what is wrong and where, `hint` what to do next. The command line prints both,
and a traceback only with --debug.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from skelact.escaping import escaped as escaped  # most modules import it from here

T = TypeVar("T")

CHANGED_HINT = "Wait until the file is complete, then run the same command again."


class SkelactError(Exception):
    """An error that the user can act on; `hint` is one sentence or command."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(escaped(message))
        self.message = escaped(message)
        self.hint = escaped(hint)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.hint)  # keeps the hint when it is pickled


class InputError(SkelactError):
    """An input of the user cannot be processed."""


class PathMissing(InputError):
    """A path does not exist."""


class NotAVideo(InputError):
    """A file holds no frames that can be decoded."""


class TruncatedVideo(InputError):
    """A video file is incomplete."""


class BadSpan(InputError):
    """A time span is empty or not inside its video."""


class NoPersonFound(InputError):
    """There is no person in any frame of a clip."""


class StreamError(InputError):
    """A camera or a stream cannot be opened, or delivers no frames."""


class OutputError(InputError):
    """A result cannot be written where the user wants it: the file is an input, exists, or has the
    suffix of another format."""


class ConfigError(SkelactError):
    """An option does not exist or has an invalid value."""


class DatasetError(SkelactError):
    """A dataset cannot be used for training as it is."""


class MissingDataset(DatasetError):
    """A dataset is not in any of the places where it is searched."""


class LeakingSplit(DatasetError):
    """A take has clips in more than one subset of a split."""


class EstimatorError(SkelactError):
    """A pose estimator cannot run."""


class BackendMissing(EstimatorError):
    """An optional package is not installed; the hint is the command that installs it."""


class WeightsMissing(EstimatorError):
    """The weights of an estimator are not on this machine."""


class CheckpointError(SkelactError):
    """A file is not a checkpoint, is damaged, or holds more than tensors and plain values."""


class ClusterError(SkelactError):
    """A Ray cluster cannot be used, or one of its nodes cannot work for this machine."""


class CacheError(SkelactError):
    """The cache cannot be read or written."""


class CacheUnavailable(CacheError):
    """The folder or the address of the cache cannot be read or written, or does not answer."""


class DamagedEntry(CacheError):
    """An entry of the cache is not what was written. It counts as absent from then on, so that the
    same command makes it again."""


class ProcessLost(SkelactError):
    """Another process of a training with torchrun ended, failed, or cannot be reached."""


class FfmpegError(SkelactError):
    """FFmpeg is missing or failed; the message includes the last lines of its output."""


# errors that no content of a file causes
_BUGS = (AssertionError, ImportError, NameError)


@contextlib.contextmanager
def reading(what: Path | str, error: type[SkelactError], hint: str = "") -> Iterator[None]:
    """The border between a file and the program: whatever the content of `what` makes the block
    raise becomes `error`, with the original as its cause (--debug shows it). That includes
    MemoryError, RecursionError and OverflowError. Errors of the type `error` pass as they are,
    and so does BackendMissing."""
    try:
        yield
    except (error, BackendMissing, *_BUGS):
        raise
    except SkelactError as cause:
        raise error(f"{what}: {cause.message}", cause.hint or hint) from cause
    except Exception as cause:
        raise error(f"{what} cannot be used: {reason(cause)}", hint) from cause


def reason(error: BaseException) -> str:
    """What happened, in at most 200 characters."""
    if isinstance(error, KeyError):
        text = f"{error} is missing"
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    elif isinstance(error, MemoryError):
        text = "it needs more memory than there is"
    elif isinstance(error, RecursionError):
        text = "it is nested too deeply"
    else:
        text = next(iter(str(error).splitlines()), "") or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 video", "2 videos", "2 classes"."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def nearest(word: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """' (did you mean …?)' with the most similar known word, or '' if none is similar. `synonyms`
    are other words for some of the known ones."""
    import difflib

    words = {w: w for w in known}
    words |= {s: w for s, w in (synonyms or {}).items() if w in words and s not in words}
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {words[close[0]]!r}?)" if close else ""


def lookup(kind: str, name: str, table: Mapping[str, T], choices: Iterable[str] = ()) -> T:
    """The entry of `table` with that name. Raises ConfigError if there is none, with the names that
    the user can choose (default: all of the table); `kind` is the noun for an entry."""
    if name not in table:
        raise ConfigError(
            f"No {kind} is called {name!r}{nearest(name, table)}",
            f"Choose one of {', '.join(choices or table)}.",
        )
    return table[name]
