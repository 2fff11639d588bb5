"""Reading checkpoint files without running what is inside: tensors, plain values, allowed types."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skelact.errors import CheckpointError


def load_tensors(path: Path, allow: Sequence[Any] = ()) -> Any:
    """The content of a file that torch.save wrote. CheckpointError if it is missing, damaged,
    something else, or holds an object of a type that is not allowed, which is named."""
    import torch

    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint", "is the name right?")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allow)):
            warnings.simplefilter("ignore")  # about pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{path} holds an object of type {refused[1]} and was not opened",
                "it could run code of its own; only tensors and plain values are read",
            ) from error
        raise CheckpointError(f"{path} is not a checkpoint") from error
    except Exception as error:  # a damaged file can make the unpickler raise anything
        raise CheckpointError(f"{path} is damaged or not a checkpoint") from error
