"""The detector and the landmark network of the weights files."""

from __future__ import annotations

from skelact.pose.blazepose import detector, landmarks
from skelact.pose.blazepose.detector import Detection, Tile
from skelact.pose.blazepose.landmarks import Fit, Region
from skelact.pose.blazepose.network import Networks
from skelact.video.decode import Frame


class NetworkVision:
    """See Vision."""

    def __init__(self) -> None:
        self.networks = Networks()

    def detect(self, image: Frame, tile: Tile, min_score: float) -> list[Detection]:
        return detector.detect(self.networks, image, tile, min_score)

    def fit(self, image: Frame, region: Region, mirrored: bool = False) -> Fit:
        return landmarks.fit(self.networks, image, region, mirrored)
