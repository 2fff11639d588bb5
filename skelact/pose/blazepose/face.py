"""The points of the face: MediaPipe's face mesh, reduced to OpenPose's 70 points.

The head joints of the pose give a rough region, and the points that are found there give a better
one for a second pass. In the next frames, the points of the previous frame give the region.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from skelact.pose.blazepose.details import Face
from skelact.pose.blazepose.landmarks import SKELETON, Fit, Region, crop, sigmoid
from skelact.pose.blazepose.network import Network
from skelact.pose.blazepose.regions import Agreement, agree, enclosing
from skelact.pose.blazepose.weights import FACE, find
from skelact.types import Floats
from skelact.video.decode import Frame

FACE_SIZE = 192  # input of the network in pixels
POINTS = 468
MIN_VISIBILITY = 0.5  # of the nose
MIN_PRESENCE = 0.5
MIN_REGION = 24.0  # side of a region in pixels
_POSE_SCALE, _TRACKED_SCALE = 2.2, 1.5
_LIMITS = Agreement(rotation=math.radians(30), shift=0.25, scale=0.5, margin=-0.3)
_HEAD = SKELETON.find(
    "nose",
    *(f"{s}_{j}" for s in ("left", "right") for j in ("eye_inner", "eye", "eye_outer", "ear")),
    *("mouth_left", "mouth_right"),
)
_NOSE, _RIGHT, _LEFT = SKELETON.find("nose", "right_eye", "left_eye")
_RIGHT_CORNER, _LEFT_CORNER = 33, 263  # outer corners of the eyes in the mesh
# points of the mesh at the 68 points of iBUG: jaw, brows, nose, eyes, lips
_IBUG = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
        *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
        *(78, 82, 13, 312, 308, 317, 14, 87),
    ]
)
# contours of the right and the left eye, whose means are the pupils
_EYES = np.array(
    [
        (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
        (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    ]
)


class FaceNetwork(Protocol):
    """See FaceMesh."""

    def mesh(self, image: Floats) -> tuple[Floats, float]: ...


class FaceMesh:
    """The network, loaded from its file. Raises BackendMissing or WeightsMissing."""

    def __init__(self) -> None:
        self._network = Network(find(FACE).read_bytes(), (0, 1))

    def mesh(self, image: Floats) -> tuple[Floats, float]:
        """The points (468, 2) in pixels of an RGB crop (192, 192, 3) in [0, 1], and the probability
        that it shows a face."""
        points, logit = self._network(image)
        return points.reshape(POINTS, 3)[:, :2], float(sigmoid(logit.ravel())[0])


def find_face(network: FaceNetwork, image: Frame, pose: Fit, previous: Face | None) -> Face | None:
    """The face of a person in a BGR frame. `previous` is the face in the frame before. None if the
    nose is not visible, the face is too small, or the region does not show a face."""
    if pose.score[_NOSE] < MIN_VISIBILITY:
        return None
    rough = region_of_pose(pose.xy)
    if rough.size < MIN_REGION:
        return None
    if previous is not None:
        tracked = region_of_mesh(previous.mesh)
        if agree(tracked, rough, previous.mesh, _LIMITS):
            face = _fit(network, image, tracked)
            if face is not None:
                return face
    first = _fit(network, image, rough)
    return None if first is None else _fit(network, image, region_of_mesh(first.mesh))


def _fit(network: FaceNetwork, image: Frame, region: Region) -> Face | None:
    points, presence = network.mesh(crop(image, region, FACE_SIZE))
    if presence < MIN_PRESENCE:
        return None
    return Face(mesh=region.to_frame(points / FACE_SIZE), presence=presence)


def region_of_pose(xy: Floats) -> Region:
    """The rough region of a face from the joints (33, 2) of a pose."""
    dx, dy = (xy[_LEFT] - xy[_RIGHT]).tolist()
    return enclosing(xy[_HEAD], math.atan2(dy, dx), scale=_POSE_SCALE)


def region_of_mesh(mesh: Floats) -> Region:
    """The region of a face from its mesh (468, 2)."""
    dx, dy = (mesh[_LEFT_CORNER] - mesh[_RIGHT_CORNER]).tolist()
    return enclosing(mesh, math.atan2(dy, dx), scale=_TRACKED_SCALE)


def points_70(mesh: Floats) -> Floats:
    """The points (70, 2) of the layout face-70 from the mesh (468, 2)."""
    return np.concatenate([mesh[_IBUG], mesh[_EYES].mean(axis=1)])
