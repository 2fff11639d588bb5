"""Everything that skelact raises on purpose.

    SkelactError
    ├── InputError            a path, file or span the user gave
    │   ├── PathMissing
    │   ├── NotAVideo
    │   ├── TruncatedVideo
    │   ├── BadSpan
    │   └── NoPersonFound
    ├── ConfigError           an option, a configuration file, a skeleton file
    ├── DatasetError
    │   ├── MissingDataset
    │   └── LeakingSplit
    ├── EstimatorError
    │   ├── BackendMissing
    │   └── WeightsMissing
    ├── CheckpointError
    ├── CacheError
    └── FfmpegError           the foreign program failed

The message says what and where, `hint` what to do next. The command line prints both and never a
traceback, unless --debug is given.
"""

from __future__ import annotations


class SkelactError(Exception):
    """A failure the user can act upon; `hint` is one sentence or command."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.hint)  # crosses process borders whole


class InputError(SkelactError):
    """Something the user gave cannot be used."""


class PathMissing(InputError):
    """There is nothing at that path."""


class NotAVideo(InputError):
    """The file holds no pictures that can be decoded."""


class TruncatedVideo(InputError):
    """The file ends before its pictures do."""


class BadSpan(InputError):
    """A stretch of time that does not run forward inside its video."""


class NoPersonFound(InputError):
    """No frame of the clip holds a person."""


class ConfigError(SkelactError):
    """An option that does not exist or has a value that cannot be."""


class DatasetError(SkelactError):
    """A collection of clips that cannot be trained on as it is."""


class MissingDataset(DatasetError):
    """The named dataset is not where it was looked for."""


class LeakingSplit(DatasetError):
    """A take has clips on both sides of a split."""


class EstimatorError(SkelactError):
    """The pose estimator cannot run."""


class BackendMissing(EstimatorError):
    """An optional package is not installed; the hint is the line that installs it."""


class WeightsMissing(EstimatorError):
    """An estimator's weights are not on this machine."""


class CheckpointError(SkelactError):
    """A file that is no checkpoint of ours, is damaged, or holds more than plain tensors and
    values."""


class CacheError(SkelactError):
    """The cache cannot be read or written."""


class FfmpegError(SkelactError):
    """FFmpeg is missing or ended with an error; the message carries its last lines."""
