"""skelact: a folder of videos in, a trained and measured recogniser of human actions out.

    import skelact

    recogniser = skelact.load("runs/stgcn_mads-sample_xseq")
    for prediction in recogniser.predict("clip.mp4"):
        print(prediction.person_id, prediction.label, prediction.segments)

Importing skelact imports neither torch nor any pose estimator; they come with the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skelact.errors import SkelactError
from skelact.skeletons import SKELETONS, Skeleton, convert, load_skeleton

if TYPE_CHECKING:
    from pathlib import Path

    from skelact.pipeline.prediction import Recogniser

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


def load(model: str | Path, **options: Any) -> Recogniser:
    """The recogniser of a run folder or checkpoint; its predict("clip.mp4") gives what each person
    does. `options` are those of PredictOptions: step, min_segment_s, min_seen_s, batch_size,
    device. CheckpointError if `model` is neither."""
    from skelact.engine.options import PredictOptions
    from skelact.pipeline.prediction import Recogniser

    return Recogniser.load(model, PredictOptions(**options))
