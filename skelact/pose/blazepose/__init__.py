"""The blazepose estimator: detector and landmark network of MediaPipe, executed by LiteRT,
and persons followed from frame to frame by this package. mediapipe is not imported."""

from skelact.pose.blazepose.estimator import ESTIMATORS, BlazePose

__all__ = ["ESTIMATORS", "BlazePose"]
