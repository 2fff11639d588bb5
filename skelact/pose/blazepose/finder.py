"""Add hands and face to the poses of the persons who are followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.pose.blazepose.details import Details, Face, Hand
from skelact.pose.blazepose.face import FaceMesh, FaceNetwork, find_face, points_70
from skelact.pose.blazepose.follow import scaled_fit
from skelact.pose.blazepose.hands import HandNetwork, HandNetworks, Side, find_hand
from skelact.pose.blazepose.landmarks import SKELETON, Fit
from skelact.pose.blazepose.past import Past
from skelact.pose.blazepose.track import Track
from skelact.skeletons import FACE_70, HAND_21
from skelact.types import Floats
from skelact.video.decode import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Joints:
    """The joints of a person with hands and face: xy (V, 2) in pixels, score (V,), and xyz (V, 3)
    in metres; missing ones are NaN with score 0."""

    xy: Floats
    score: Floats
    xyz: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailFinder:
    """Finds hands and faces with the networks that are given."""

    hands: HandNetwork | None = None
    face: FaceNetwork | None = None

    @classmethod
    def load(cls, *, hands: bool, face: bool) -> DetailFinder:
        """With the networks of the weights files. Raises BackendMissing or WeightsMissing."""
        return cls(hands=HandNetworks() if hands else None, face=FaceMesh() if face else None)

    def add(self, tracks: Sequence[Track], frame: int, image: Frame, past: Past) -> None:
        """Add the details of every pose that has none yet: those of a frame, and those of earlier
        frames in which a person was found by following backwards."""
        if self.hands is None and self.face is None:
            return
        earlier = [entry for entry in past.backwards() if entry[0] < frame]
        for number, pixels, scale in [(frame, image, 1.0), *earlier]:
            for track in tracks:
                for fits in (track.fits, track.weak):
                    fit = fits.get(number)
                    if fit is not None and fit.details is None:
                        details = self._scaled_find(pixels, fit, _beside(track, number), scale)
                        fits[number] = replace(fit, details=details)

    def find(self, image: Frame, fit: Fit, previous: Details = Details()) -> Details:
        """The details of a pose in a BGR frame. `previous` are those of the frame before."""
        left = right = face = None
        if self.hands is not None:
            left = find_hand(self.hands, image, fit, "left", previous.left)
            right = find_hand(self.hands, image, fit, "right", previous.right)
        if self.face is not None:
            face = find_face(self.face, image, fit, previous.face)
        return Details(left=left, right=right, face=face)

    def _scaled_find(self, image: Frame, fit: Fit, previous: Details, scale: float) -> Details:
        """See find. The image is smaller than the frame by the factor `scale`."""
        if scale == 1:
            return self.find(image, fit, previous)
        details = self.find(image, scaled_fit(fit, scale), _scaled(previous, scale))
        return _scaled(details, 1 / scale)

    def joints(self, fit: Fit) -> Joints:
        """The joints of the body, followed by those of the hands and the face if this finder has
        networks for them."""
        body = Joints(xy=fit.xy, score=fit.score, xyz=fit.xyz)
        if self.hands is None and self.face is None:
            return body
        details = fit.details or Details()
        parts = [body]
        if self.hands is not None:
            parts.append(_hand_joints(details.left, fit, "left"))
            parts.append(_hand_joints(details.right, fit, "right"))
        if self.face is not None:
            parts.append(_face_joints(details.face))
        return Joints(
            xy=np.concatenate([p.xy for p in parts]),
            score=np.concatenate([p.score for p in parts]),
            xyz=np.concatenate([p.xyz for p in parts]),
        )


def _beside(track: Track, number: int) -> Details:
    """The details of the same person in the frame before, or in the frame after if the person is
    followed backwards."""
    for n in (number - 1, number + 1):
        fit = track.fits.get(n) or track.weak.get(n)
        if fit is not None and fit.details is not None:
            return fit.details
    return Details()


def _missing(count: int) -> Joints:
    return Joints(
        xy=np.full((count, 2), np.nan, np.float32),
        score=np.zeros(count, np.float32),
        xyz=np.full((count, 3), np.nan, np.float32),
    )


def _hand_joints(hand: Hand | None, fit: Fit, side: Side) -> Joints:
    if hand is None:
        return _missing(len(HAND_21.joints))
    wrist = fit.xyz[SKELETON.index(f"{side}_wrist")]
    score = np.full(len(hand.xy), hand.presence, np.float32)
    return Joints(xy=hand.xy, score=score, xyz=np.asarray(hand.xyz + wrist, np.float32))


def _face_joints(face: Face | None) -> Joints:
    """The mesh has no unit in depth, so that a face has no 3-D coordinates."""
    joints = _missing(len(FACE_70.joints))
    if face is None:
        return joints
    score = np.full_like(joints.score, face.presence)
    return Joints(xy=points_70(face.mesh), score=score, xyz=joints.xyz)


def _scaled(details: Details, scale: float) -> Details:
    """The details in a frame that was resized by `scale`."""

    def hand(found: Hand | None) -> Hand | None:
        return None if found is None else replace(found, xy=found.xy * np.float32(scale))

    face = details.face
    return Details(
        left=hand(details.left),
        right=hand(details.right),
        face=None if face is None else replace(face, mesh=face.mesh * np.float32(scale)),
    )
