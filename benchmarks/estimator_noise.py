"""Errors and scores of BlazePose on the sample videos, where the truth is known, beside those that
`skelact.sequence.imitate` makes from the same truth: per kind of joint, over time, by score."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.io import loadmat

from skelact.cache import Cache
from skelact.config import shipped
from skelact.datasets import mads_truth
from skelact.pose.base import PoseOptions
from skelact.pose.store import read_poses
from skelact.sequence.body import to_body
from skelact.sequence.cameras import View
from skelact.sequence.imitate import imitate, part_of
from skelact.sequence.occlusion import hidden_joints
from skelact.sequence.stack import to_skeleton
from skelact.skeletons import SKELETONS
from skelact.stages.poses import poses_of
from skelact.stages.sequences import stack_poses

COCO, TRUTH = SKELETONS["coco-17"], SKELETONS["mads-19"]
JOINTS = [COCO.index(j) for j in COCO.joints if "eye" not in j and "ear" not in j and j != "nose"]
PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LAGS_S = (1 / 15, 0.2, 0.4, 1.0)
BINS = (0.0, 0.1, 0.5, 0.9, 0.98, 1.01)


class Tracks:
    """Errors (T, V, 2) in torso lengths and scores (T, V) of many clips."""

    def __init__(self) -> None:
        self.errors: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.hidden: list[np.ndarray] = []

    def per_part(self, function: Callable[[list[int]], float]) -> list[float]:
        """A number of each kind of joint, from the indices of its joints."""
        return [function([v for v in JOINTS if part_of(COCO.joints[v]) == part]) for part in PARTS]

    def all(self, name: str, rows: list[int]) -> np.ndarray:
        return np.concatenate([getattr(self, name)[i][:, rows] for i in range(len(self.errors))])


def main() -> None:
    videos = sorted(shipped("sample_videos").glob("*/*_C[0-2].avi"))
    batch = poses_of(videos, Cache(), PoseOptions(estimator="blazepose"))
    assert not batch.failed, batch.failed
    real, imitated = Tracks(), Tracks()
    rng = np.random.default_rng(0)
    for video in batch.results:
        name = re.fullmatch(r"(.+)_C(\d)", video.path.stem)
        assert name is not None
        truth = video.path.with_name(f"{name[1]}_GT.mat")
        world = to_body(mads_truth.poses(truth)[None].astype(np.float32), TRUTH, COCO)
        calibration = dict(loadmat(truth.with_name(f"Calib_Cam{name[2]}.mat")))
        xy, depth = mads_truth.project(world.astype(np.float64), calibration)
        manifest = video.poses.manifest
        sequence = to_skeleton(stack_poses(video.poses, read_poses(video.poses)), COCO)
        focal = np.full(len(depth[0]), float(np.ravel(calibration["KK"])[0]), np.float32)
        view = View(
            xy=xy.astype(np.float32),
            depth=(depth / 1000).astype(np.float32),
            focal=focal,
            width=manifest.width,
            height=manifest.height,
            kind="fixed",
        )
        hidden = hidden_joints(view, COCO)
        unit = _torso(world) / 1000 * focal / np.median(view.depth, axis=2)
        for tracks, found, score in (
            (real, sequence.xy[:1], sequence.score[:1]),
            (
                imitated,
                *imitate(view.xy, hidden, view.outside, unit, COCO, manifest.fps, 1.0, rng),
            ),
        ):
            tracks.errors.append(((found - view.xy) / unit[..., None, None])[0])
            tracks.scores.append(score[0])
            tracks.hidden.append(hidden[0])
    report(real, imitated)


def _torso(world: np.ndarray) -> np.ndarray:
    """(M, T) the median length of the torso of each person."""
    ends = [
        world[:, :, [COCO.index(f"{side}_{part}") for side in ("left", "right")]].mean(axis=2)
        for part in ("shoulder", "hip")
    ]
    length = np.linalg.norm(ends[0] - ends[1], axis=-1)
    return np.broadcast_to(np.median(length, axis=1, keepdims=True), length.shape)


def report(real: Tracks, imitated: Tracks) -> None:
    """Print a table: a line for each quantity, a pair of numbers for each kind of joint."""
    print(f"{'':34s}" + "".join(f"{part:>14s}" for part in PARTS) + "   (real imitated)")
    rows: dict[str, Callable[[Tracks, list[int]], float]] = {
        "median error [torso]": lambda t, v: _quantile(t, v, 0.5),
        "90 % quantile": lambda t, v: _quantile(t, v, 0.9),
        "share of it constant over a clip": _constant,
        "median second difference": _second,
        "score, 10 % quantile": lambda t, v: float(np.quantile(t.all("scores", v), 0.1)),
        "score, median": lambda t, v: float(np.median(t.all("scores", v))),
        "score where hidden, median": _hidden_score,
        "correlation error, score": _correlation,
    }
    for lag in LAGS_S:
        rows[f"correlation of errors after {lag:.2f} s"] = lambda t, v, lag=lag: _lagged(
            t, v, round(lag * 15)
        )
    for low, high in pairwise(BINS):
        rows[f"median error, score {low:g}-{min(high, 1):g}"] = lambda t, v, low=low, high=high: (
            _binned(t, v, low, high)
        )
    for name, function in rows.items():
        pairs = [
            t.per_part(lambda v, t=t, function=function: function(t, v)) for t in (real, imitated)
        ]
        text = "".join(f"{a:8.3f}{b:6.3f}" for a, b in zip(*pairs, strict=True))
        print(f"{name:34s}{text}")
    found = [
        np.concatenate([~np.isnan(e[:, 5, 0]) for e in t.errors]).mean() for t in (real, imitated)
    ]
    print(f"frames with the person: {found[0]:.3f} {found[1]:.3f}")


def _length(tracks: Tracks, rows: list[int]) -> np.ndarray:
    return np.asarray(np.linalg.norm(tracks.all("errors", rows), axis=-1))


def _quantile(tracks: Tracks, rows: list[int], q: float) -> float:
    return float(np.nanquantile(_length(tracks, rows), q))


def _binned(tracks: Tracks, rows: list[int], low: float, high: float) -> float:
    score = tracks.all("scores", rows)
    chosen = _length(tracks, rows)[(score >= low) & (score < high)]
    return float(np.nanmedian(chosen)) if len(chosen) > 100 else float("nan")


def _clipped(errors: np.ndarray) -> np.ndarray:
    """Without the few gross errors, which dominate correlations."""
    return np.clip(errors, -0.5, 0.5)


def _constant(tracks: Tracks, rows: list[int]) -> float:
    """The variance of the means of 2-second parts, relative to that of all frames."""
    total, means = [], []
    for errors in tracks.errors:
        for start in range(0, len(errors) - 29, 30):
            part = _clipped(errors[start : start + 30, rows])
            total.append(np.nanmean(part**2, axis=0))
            means.append(np.nanmean(part, axis=0) ** 2)
    return float(np.nanmean(means) / np.nanmean(total))


def _lagged(tracks: Tracks, rows: list[int], lag: int) -> float:
    products, squares = [], []
    for errors in tracks.errors:
        part = _clipped(errors[:, rows])
        part = part - np.nanmean(part, axis=0)
        products.append((part[lag:] * part[:-lag]).reshape(-1))
        squares.append((part**2).reshape(-1))
    return float(np.nanmean(np.concatenate(products)) / np.nanmean(np.concatenate(squares)))


def _second(tracks: Tracks, rows: list[int]) -> float:
    values = [
        np.linalg.norm(np.diff(errors[:, rows], n=2, axis=0), axis=-1).reshape(-1)
        for errors in tracks.errors
    ]
    return float(np.nanmedian(np.concatenate(values)))


def _hidden_score(tracks: Tracks, rows: list[int]) -> float:
    chosen = tracks.all("scores", rows)[tracks.all("hidden", rows)]
    return float(np.median(chosen)) if len(chosen) > 100 else float("nan")


def _correlation(tracks: Tracks, rows: list[int]) -> float:
    length, score = _length(tracks, rows).ravel(), tracks.all("scores", rows).ravel()
    known = ~np.isnan(length)
    ranks = [np.argsort(np.argsort(values[known])) for values in (length, score)]
    return float(np.corrcoef(*ranks)[0, 1])
