"""Typed, versioned documents that skelact writes to disk and reads back.

Every document has one class here, one reader (`load_json`, or `load_tensors` for files with
tensors) and one writer (`save_json`, `save_tensors`). A reader turns any damage into the error
that the document's class names, with a hint; a writer writes the complete file or nothing.
"""

from __future__ import annotations

from skelact.schemas.base import Document as Document
from skelact.schemas.base import Sections as Sections
from skelact.schemas.base import decode as decode
from skelact.schemas.base import load_json as load_json
from skelact.schemas.base import load_tensors as load_tensors
from skelact.schemas.base import parse_json as parse_json
from skelact.schemas.base import save_json as save_json
from skelact.schemas.base import save_tensors as save_tensors
from skelact.schemas.base import to_json as to_json
from skelact.schemas.base import to_plain as to_plain
from skelact.schemas.cache import AnyManifest as AnyManifest
from skelact.schemas.cache import CacheDocument as CacheDocument
from skelact.schemas.cache import Clip as Clip
from skelact.schemas.cache import ClipsManifest as ClipsManifest
from skelact.schemas.cache import ContentHashes as ContentHashes
from skelact.schemas.cache import Envelope as Envelope
from skelact.schemas.cache import FailedInput as FailedInput
from skelact.schemas.cache import FileHash as FileHash
from skelact.schemas.cache import FileRecord as FileRecord
from skelact.schemas.cache import PackedManifest as PackedManifest
from skelact.schemas.cache import PackedMeta as PackedMeta
from skelact.schemas.cache import PosesManifest as PosesManifest
from skelact.schemas.cache import SequenceClip as SequenceClip
from skelact.schemas.cache import SequencesManifest as SequencesManifest
from skelact.schemas.cache import with_shared_parts as with_shared_parts
from skelact.schemas.checkpoints import Calibration as Calibration
from skelact.schemas.checkpoints import Checkpoint as Checkpoint
from skelact.schemas.checkpoints import CheckpointDocument as CheckpointDocument
from skelact.schemas.checkpoints import ClassDuration as ClassDuration
from skelact.schemas.checkpoints import ClassStatistics as ClassStatistics
from skelact.schemas.checkpoints import EnrolledClass as EnrolledClass
from skelact.schemas.checkpoints import Enrolment as Enrolment
from skelact.schemas.checkpoints import EnrolMethod as EnrolMethod
from skelact.schemas.checkpoints import Ensemble as Ensemble
from skelact.schemas.checkpoints import EstimatorInfo as EstimatorInfo
from skelact.schemas.checkpoints import FeatureStatistics as FeatureStatistics
from skelact.schemas.checkpoints import Member as Member
from skelact.schemas.checkpoints import PretrainingState as PretrainingState
from skelact.schemas.checkpoints import ReliabilityBins as ReliabilityBins
from skelact.schemas.checkpoints import ScoreResult as ScoreResult
from skelact.schemas.checkpoints import ThresholdPoint as ThresholdPoint
from skelact.schemas.checkpoints import TrainingState as TrainingState
from skelact.schemas.explain import EXPLANATION as EXPLANATION
from skelact.schemas.explain import ExplainedLabel as ExplainedLabel
from skelact.schemas.explain import ExplanationDocument as ExplanationDocument
from skelact.schemas.explain import JointImportance as JointImportance
from skelact.schemas.forecasts import FORECAST as FORECAST
from skelact.schemas.forecasts import LINEAR_FORECAST as LINEAR_FORECAST
from skelact.schemas.forecasts import Forecast as Forecast
from skelact.schemas.forecasts import ForecastErrors as ForecastErrors
from skelact.schemas.forecasts import ForecastResult as ForecastResult
from skelact.schemas.forecasts import FuturePose as FuturePose
from skelact.schemas.forecasts import LinearForecast as LinearForecast
from skelact.schemas.forecasts import PersonFuture as PersonFuture
from skelact.schemas.runs import BEST as BEST
from skelact.schemas.runs import CALIBRATION as CALIBRATION
from skelact.schemas.runs import CONFIG as CONFIG
from skelact.schemas.runs import LAST as LAST
from skelact.schemas.runs import LOG as LOG
from skelact.schemas.runs import PREDICTIONS as PREDICTIONS
from skelact.schemas.runs import PREVIOUS_CALIBRATION as PREVIOUS_CALIBRATION
from skelact.schemas.runs import RESULT as RESULT
from skelact.schemas.runs import RUN_FILES as RUN_FILES
from skelact.schemas.runs import SPLIT as SPLIT
from skelact.schemas.runs import VALIDATION as VALIDATION
from skelact.schemas.runs import DataLocation as DataLocation
from skelact.schemas.runs import EpochLog as EpochLog
from skelact.schemas.runs import PredictedSample as PredictedSample
from skelact.schemas.runs import Predictions as Predictions
from skelact.schemas.runs import RunConfig as RunConfig
from skelact.schemas.runs import RunResult as RunResult
from skelact.schemas.runs import SplitDocument as SplitDocument
from skelact.schemas.runs import SubsetVideos as SubsetVideos
from skelact.schemas.runs import UntrimmedResult as UntrimmedResult
from skelact.schemas.runs import load_log as load_log
from skelact.schemas.runs import save_log as save_log
