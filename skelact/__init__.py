"""skelact: a folder of videos in, a trained and measured recogniser of human actions out.

    import skelact

    recogniser = skelact.load("runs/stgcn_mads-sample_xseq")
    for prediction in recogniser.predict("clip.mp4"):
        print(prediction.person_id, prediction.label, prediction.segments)

Importing skelact imports neither torch nor any pose estimator; they come with the first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from skelact.errors import SkelactError
    from skelact.inference.predictor import Predictor
    from skelact.skeletons import SKELETONS, Skeleton, convert, load_skeleton

__version__ = "0.1.0"
__all__ = [
    "SKELETONS",
    "SkelactError",
    "Skeleton",
    "__version__",
    "convert",
    "load",
    "load_skeleton",
]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: `skelact --help` needs no NumPy."""
    if name not in __all__:
        raise AttributeError(f"module 'skelact' has no attribute {name!r}")
    room = "skelact.errors" if name == "SkelactError" else "skelact.skeletons"
    return getattr(import_module(room), name)


def load(model: str | Path, **options: Any) -> Predictor:
    """The recogniser of a run folder or checkpoint, or one that came with skelact ("everyday"); its
    predict("clip.mp4") gives what each person does. `options` are those of PredictOptions: step,
    min_segment_s, min_seen_s, batch_size, device, max_persons, unknown_threshold.
    CheckpointError if `model` is none of these."""
    from skelact.inference.predictor import Predictor
    from skelact.options import PredictOptions

    return Predictor.load(model, PredictOptions(**options))
