"""skelact: action recognition from videos by the poses of the persons in them.

    import skelact

    model = skelact.load("everyday")
    predictions = model.predict("clip.mp4")
    print(predictions)
    predictions.to_dicts()  # or to_pandas()

Importing skelact imports neither torch nor a pose estimator; they are imported at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from skelact.errors import SkelactError
    from skelact.inference.predictor import Predictor
    from skelact.skeletons import SKELETONS, Skeleton, convert, load_skeleton
    from skelact.types import PoseSequence, Prediction, PredictionList, Segment

__version__ = "0.1.0"
__all__ = [
    "SKELETONS",
    "PoseSequence",
    "Prediction",
    "PredictionList",
    "Predictor",
    "Segment",
    "SkelactError",
    "Skeleton",
    "__version__",
    "convert",
    "load",
    "load_skeleton",
]
_MODULES = {
    "SKELETONS": "skelact.skeletons",
    "PoseSequence": "skelact.types",
    "Prediction": "skelact.types",
    "PredictionList": "skelact.types",
    "Predictor": "skelact.inference.predictor",
    "Segment": "skelact.types",
    "SkelactError": "skelact.errors",
    "Skeleton": "skelact.skeletons",
    "convert": "skelact.skeletons",
    "load_skeleton": "skelact.skeletons",
}


def __getattr__(name: str) -> Any:
    """Import public names at first use, because `skelact --help` does not need NumPy."""
    if name not in _MODULES:
        raise AttributeError(f"module 'skelact' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def load(model: str | Path, **options: Any) -> Predictor:
    """Load a model for prediction: a run folder, a checkpoint, or the name of a model that comes
    with skelact ("everyday"). Its predict("clip.mp4") returns the actions of every person.

    `options` are the fields of PredictOptions, such as device, step and unknown_threshold. Raises
    CheckpointError if there is no such model, ConfigError for an invalid option."""
    from skelact.inference.predictor import Predictor
    from skelact.options import PredictOptions

    return Predictor.load(model, PredictOptions(**options))
