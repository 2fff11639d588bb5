"""A trained recogniser at work: videos in, who does what and when out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from skelact.cache import Cache
from skelact.device import resolve_device
from skelact.errors import CacheError, CheckpointError, ConfigError, InputError, NoPersonFound
from skelact.inference.calibration import apply_temperature
from skelact.inference.segments import label_of, per_frame, segments, window_probabilities
from skelact.inference.zoo import find
from skelact.interop.checkpoints import ForeignOptions, foreign_checkpoint
from skelact.models.checkpoint import build_network, load_model
from skelact.models.fuse_conv_bn import fuse_conv_bn
from skelact.options import PredictOptions
from skelact.pose.base import IMPORT, PoseOptions
from skelact.pose.store import read_poses
from skelact.recipe import Recipe
from skelact.schemas import Calibration, Checkpoint, Ensemble, Member
from skelact.sequence import streams
from skelact.sequence.clean import clean
from skelact.sequence.normalise import network_input
from skelact.sequence.sampling import testing_indices, windows
from skelact.sequence.stack import to_skeleton
from skelact.skeletons import Skeleton, convert
from skelact.stages.poses import Extracted, poses_of
from skelact.stages.sequences import stack_poses
from skelact.training.batches import build_input, flip_input, interpolate_frames
from skelact.types import (
    BatchResult,
    Event,
    Failure,
    Floats,
    PersonPose,
    Prediction,
    ProgressCallback,
    no_progress,
)
from skelact.video.cut import CodingOptions
from skelact.video.probe import find_videos, probe

SCENE = -1  # the person id of a prediction about everyone together
_VIDEOS_AT_ONCE = 64
_LEAST_SEEN = 0.25  # share of a window in which a person must be seen


@dataclass(frozen=True)
class Predicted:
    """One video's predictions, longest-seen person first, and the poses they come from."""

    path: Path
    predictions: list[Prediction]
    extracted: Extracted


@dataclass
class _PersonTrack:
    """One person (or the scene) of one video: its windows and what the network sees."""

    person_id: int
    spans: list[tuple[int, int]]
    parts: list[list[list[PersonPose]]]  # the frames of each window, with that person only


class _Member:
    """One network of a predictor, with what it is shown."""

    def __init__(self, content: Checkpoint, share: float, device: torch.device) -> None:
        self.share, self.persons = share, content.persons
        self.recipe = Recipe.from_dict(content.recipe)
        self.skeleton = content.skeleton
        self.net = fuse_conv_bn(build_network(content)).to(device)

    def input(self, extracted: Extracted, span: list[list[PersonPose]]) -> Floats:
        """(clips, M, L, V, C) without NaN, as in training."""
        sequence = to_skeleton(
            clean(stack_poses(extracted.poses, span), self.recipe.sequence), self.skeleton
        )
        values = network_input(sequence, self.recipe.normalise)  # (M, T, V, C)
        full = np.full((self.persons, *values.shape[1:]), np.nan, np.float32)
        full[: min(self.persons, len(values))] = values[: self.persons]
        sampling = self.recipe.sampling
        frames = testing_indices(values.shape[1], sampling)  # (clips, L)
        names = streams.parse(sampling.streams)
        ends = np.full((len(frames), 1), values.shape[1] - 1)
        x = build_input(
            lambda wanted: interpolate_frames(
                lambda n: torch.from_numpy(_frames(full, n)), wanted, ends
            ),
            frames,
            ends,
            names,
            torch.from_numpy(self.skeleton.parent_indices),
            self.recipe.normalise.dims,
            self.recipe.normalise.minmax,
        )
        if sampling.test_flip:
            mirror = torch.from_numpy(self.skeleton.flip_index)
            x = torch.cat([x, flip_input(x, mirror, len(names))])
        return x.numpy()


class Predictor:
    """A checkpoint, ready to predict. `classes` and `recipe` say what it knows and how it was
    trained."""

    def __init__(
        self, content: Checkpoint | Ensemble, options: PredictOptions | None = None
    ) -> None:
        self.options = options or PredictOptions()
        members = (
            content.members
            if isinstance(content, Ensemble)
            else (Member(weight=1.0, checkpoint=content),)
        )
        self.content = members[0].checkpoint
        self.classes = content.classes
        self.skeleton = self.content.skeleton
        self.recipe = Recipe.from_dict(self.content.recipe)
        self.device = resolve_device(self.options.device)
        total = sum(m.weight for m in members)
        self.members = [
            _Member(m.checkpoint, m.weight / total, self.device) for m in members if m.weight > 0
        ]
        calibration = content.calibration or Calibration()
        self.temperature = calibration.temperature
        threshold = self.options.unknown_threshold
        if threshold is None:
            threshold = calibration.unknown_threshold
        self.unknown_threshold = threshold

    @classmethod
    def load(
        cls,
        model: Path | str,
        options: PredictOptions | None = None,
        foreign: ForeignOptions | None = None,
    ) -> Predictor:
        """From a run folder, a checkpoint file, the name of a shipped predictor, or a checkpoint
        of PYSKL or mmaction2, of which `foreign` says what the file does not. CheckpointError if
        it is none of these."""
        path = find(model)
        try:
            content = load_model(path)
        except CheckpointError:
            if path.suffix != ".pth" and foreign is None:
                raise
        else:
            if foreign is not None:
                raise ConfigError(
                    f"{path} is a checkpoint of skelact and knows its classes, joints and persons",
                    "leave out --labels, --skeleton and --persons",
                )
            return cls(content, options)
        return cls(foreign_checkpoint(path, foreign or ForeignOptions()), options)

    def pose(self, poses_from: Path | None = None) -> PoseOptions:
        """The estimator it was trained with, for everyone in the picture even if it learnt from one
        person at a time; or the folder to import poses from. ConfigError if it was trained on
        imported poses and there is none."""
        options = PoseOptions(**self.content.estimator.pose)
        people = self.options.max_persons
        if people is None:
            people = max(options.max_persons, PoseOptions.max_persons)
        options = replace(options, max_persons=people)
        if poses_from is not None:
            return replace(options, poses_from=str(poses_from))
        if options.estimator == IMPORT:
            raise ConfigError(
                "this recogniser was trained on imported poses", "give --poses-from FOLDER"
            )
        return options

    def predict(
        self,
        path: Path | str,
        cache: Cache | None = None,
        on_progress: ProgressCallback = no_progress,
    ) -> list[Prediction]:
        """What each person of one video does, longest seen first. InputError, with the reason, if
        the video cannot be used."""
        batch = self.predict_many([path], cache, on_progress)
        if batch.failed:
            raise InputError(
                f"{batch.failed[0].path}: {batch.failed[0].reason}", batch.failed[0].hint
            )
        return [p for result in batch.results for p in result.predictions]

    def predict_many(
        self,
        paths: Sequence[Path | str],
        cache: Cache | None = None,
        on_progress: ProgressCallback = no_progress,
        poses_from: Path | None = None,
    ) -> BatchResult:
        """The same for files, folders and globs; results are Predicted, failures are listed."""
        found, failed = self._extracted(paths, cache, on_progress, poses_from)
        batch = BatchResult(failed=failed)
        if found:
            layout = Skeleton.from_dict(found[0].poses.manifest["skeleton"])
            lacking = self._unseen(layout)
            if lacking:
                text = f"{layout.name} poses lack {', '.join(lacking)}: the network sees them empty"
                on_progress(Event("predict", "notice", text=text))
        on_progress(Event("predict", "start", 0, len(found)))
        for start in range(0, len(found), _VIDEOS_AT_ONCE):
            self._predict_group(found[start : start + _VIDEOS_AT_ONCE], batch)
            on_progress(Event("predict", "advance", min(_VIDEOS_AT_ONCE, len(found) - start)))
        on_progress(Event("predict", "end"))
        return batch

    def windows_of(
        self,
        paths: Sequence[Path | str],
        cache: Cache | None = None,
        on_progress: ProgressCallback = no_progress,
    ) -> tuple[dict[Path, npt.NDArray[np.float32]], list[Failure]]:
        """Video -> probabilities (W, K) of all windows of all its people; and what failed."""
        found, failed = self._extracted(paths, cache, on_progress)
        out = {}
        for extracted in found:
            try:
                tracks = self._tracks(extracted)
            except (InputError, CacheError) as error:
                failed.append(Failure.from_error(extracted.path, error))
                continue
            spans = [(extracted, part) for track in tracks for part in track.parts]
            out[extracted.path] = self._probabilities(spans)
        return out, failed

    def _extracted(
        self,
        paths: Sequence[Path | str],
        cache: Cache | None,
        on_progress: ProgressCallback,
        poses_from: Path | None = None,
    ) -> tuple[list[Extracted], list[Failure]]:
        """The poses of files, folders and globs, in their order."""
        videos = find_videos(paths)
        pose = self.pose(poses_from)
        poses = poses_of(videos, cache or Cache(), pose, CodingOptions(), on_progress=on_progress)
        order = {v: n for n, v in enumerate(videos)}
        return sorted(poses.results, key=lambda e: order[e.path]), list(poses.failed)

    def _predict_group(self, group: list[Extracted], batch: BatchResult) -> None:
        """Windows of all these videos through the network together."""
        tracks: list[tuple[Extracted, list[_PersonTrack]]] = []
        for extracted in group:
            try:
                tracks.append((extracted, self._tracks(extracted)))
            except (InputError, CacheError) as error:
                batch.failed.append(Failure.from_error(extracted.path, error))
        spans = [(e, part) for e, people in tracks for track in people for part in track.parts]
        if not spans:
            return
        probs = iter(self._probabilities(spans))
        for extracted, people in tracks:
            fps, frames = (
                float(extracted.poses.manifest["fps"]),
                int(extracted.poses.manifest["frames"]),
            )
            predictions = []
            for track in people:
                rows = np.stack([next(probs) for _ in track.parts])
                by_frame = per_frame(rows, track.spans, frames)
                label, sure = label_of(
                    np.nanmean(by_frame, axis=0), self.classes, self.unknown_threshold
                )
                shortest = self.options.min_segment_s
                found = segments(by_frame, fps, self.classes, shortest, self.unknown_threshold)
                predictions.append(
                    Prediction(
                        extracted.path, track.person_id, label, sure, self.classes, tuple(found)
                    )
                )
            batch.done.append(Predicted(extracted.path, predictions, extracted))

    def _probabilities(
        self, spans: list[tuple[Extracted, list[list[PersonPose]]]]
    ) -> npt.NDArray[np.float32]:
        """(W, K) of all windows: the members' mean, each with its share."""
        total: Any = 0.0
        for member in self.members:
            inputs = [member.input(extracted, part) for extracted, part in spans]
            found = window_probabilities(member.net, inputs, self.options.batch_size, self.device)
            total = total + member.share * found
        return apply_temperature(np.asarray(total, np.float32), self.temperature)

    def _tracks(self, extracted: Extracted) -> list[_PersonTrack]:
        """The people worth a prediction. NoPersonFound if there are none."""
        m = extracted.poses.manifest
        self._check_joints(Skeleton.from_dict(m["skeleton"]))
        frames, fps = read_poses(extracted.poses), float(m["fps"])
        length = round(self.content.clip_s * fps) or len(frames)
        step = max(1, round(length * self.options.step))
        out = []
        for person_id, (first, last, part) in self._people(frames, fps).items():
            spans, parts = [], []
            for a, b in windows(last - first, length, step):
                span = part[first + a : first + b]
                if sum(bool(people) for people in span) >= _LEAST_SEEN * len(span):
                    spans.append((first + a, first + b))
                    parts.append(span)
            if spans:
                out.append(_PersonTrack(person_id, spans, parts))
        if not out:
            raise NoPersonFound(
                f"no person found in any of {len(frames)} frames", "is anyone whole in the picture?"
            )
        return out

    def _check_joints(self, source: Skeleton) -> None:
        """ConfigError if poses of that layout show the network nothing, or no Kinect's spine."""
        kinect = self.recipe.normalise.mode.startswith("kinect") and source != self.skeleton
        if len(self._unseen(source)) == len(self.skeleton.joints) or kinect:
            raise ConfigError(
                f"this recogniser looks at the joints of {self.skeleton.name}, the poses are "
                f"{source.name}'s",
                "import poses of that layout with --poses-from",
            )

    def _unseen(self, source: Skeleton) -> list[str]:
        """The network's joints that poses of that layout do not have."""
        given = convert(np.zeros((len(source.joints), 1)), source, self.skeleton)[:, 0]
        return [j for j, v in zip(self.skeleton.joints, given, strict=True) if np.isnan(v)]

    def _people(
        self, frames: list[list[PersonPose]], fps: float
    ) -> dict[int, tuple[int, int, list[list[PersonPose]]]]:
        """Person id -> first frame, frame after the last, frames with that person only; longest
        seen first. The scene as one if the network looks at several people."""
        if self.recipe.sequence.persons != 1:
            seen = [n for n, people in enumerate(frames) if people]
            return {SCENE: (seen[0], seen[-1] + 1, frames)} if seen else {}
        seen_in: dict[int, list[int]] = {}
        for n, people in enumerate(frames):
            for person in people:
                seen_in.setdefault(person.person_id, []).append(n)
        ranked = sorted(seen_in.items(), key=lambda item: -len(item[1]))
        kept = [r for r in ranked if len(r[1]) >= self.options.min_seen_s * fps] or ranked[:1]
        return {
            i: (ns[0], ns[-1] + 1, [[p for p in people if p.person_id == i] for people in frames])
            for i, ns in kept
        }


def _frames(values: Floats, frames: npt.NDArray[np.int64]) -> Floats:
    """values (M, T, V, C), frames (clips, L) with -1 for empty -> (clips, M, L, V, C)."""
    x = values[:, np.maximum(frames, 0)].transpose(1, 0, 2, 3, 4)
    return np.asarray(np.where((frames < 0)[:, None, :, None, None], np.float32(0), x))


def as_list(results: Iterable[Predicted]) -> list[dict[str, Any]]:
    """Plain values of all predictions, for JSON."""
    return [p.as_dict() for result in results for p in result.predictions]


def write_overlay(result: Predicted, path: Path) -> Path:
    """The video of a result with everything drawn on it. FfmpegError if it cannot be written."""
    from skelact.report.overlay import write_overlay as write

    poses = result.extracted.poses
    skeleton = Skeleton.from_dict(poses.manifest["skeleton"])
    return write(probe(result.path), read_poses(poses), skeleton, result.predictions, path)
