"""The exceptions that skelact raises.

    SkelactError
    ├── InputError            a path, file or time span of the user
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
    └── FfmpegError           the external program failed

The message states what is wrong and where, `hint` what to do next. The command line prints both,
and a traceback only with --debug.
"""

from __future__ import annotations


class SkelactError(Exception):
    """An error that the user can act on; `hint` is one sentence or command."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

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


class CacheError(SkelactError):
    """The cache cannot be read or written."""


class FfmpegError(SkelactError):
    """FFmpeg is missing or failed; the message includes the last lines of its output."""
