"""Prediction: videos in, the action of each person over time out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from skelact.cache import Cache
from skelact.datasets import ntu_names
from skelact.device import resolve_device
from skelact.errors import CacheError, ConfigError, DamagedEntry, InputError, NoPersonFound
from skelact.files import is_skelact_checkpoint
from skelact.inference.ensemble import (
    WindowOutputs,
    by_window_length,
    check_file,
    check_joints,
    is_per_person,
    members_of,
)
from skelact.inference.graph_files import GRAPH_SUFFIXES, GraphFile, load_graph_file
from skelact.inference.graph_networks import graph_members
from skelact.inference.groups import groups, layout_of, stored_tracks
from skelact.inference.pose_options import pose_options
from skelact.inference.rejection import Rejection, reason_of_clip
from skelact.inference.score_names import PROBABILITY
from skelact.inference.segments import label_of, segments
from skelact.inference.tracks import VideoTrack
from skelact.inference.window_outputs import window_outputs
from skelact.inference.windows import at_track_rate, find_tracks
from skelact.inference.zoo import find
from skelact.options import ClusterOptions, ForeignOptions, PredictOptions
from skelact.pose.base import PoseOptions
from skelact.readers.format import Format
from skelact.schemas import Calibration, Checkpoint, Ensemble
from skelact.sequence.resample import is_same_rate
from skelact.skeletons import missing_joints
from skelact.stages.poses import Again, Extracted, estimate_again, poses_of
from skelact.stages.skeleton_input import SkeletonInput, find_inputs
from skelact.types import (
    UNKNOWN,
    BatchResult,
    Event,
    Failure,
    Prediction,
    PredictionList,
    ProgressCallback,
    no_progress,
)
from skelact.video.probe import find_videos

_NOT_FINITE = (
    "The network gives results that are not finite numbers",
    "The coordinates of the poses, or the weights of the model, are far outside the usual range.",
)


@dataclass(frozen=True, kw_only=True)
class VideoPrediction:
    """The predictions of one video or skeleton file, the person who is visible longest first, and
    the poses that they were made from."""

    predictions: list[Prediction]
    extracted: Extracted | SkeletonInput

    @property
    def path(self) -> Path:
        return self.extracted.path


class Predictor:
    """A trained network or an ensemble that predicts actions in videos.

    Networks that see one person predict for each person of a video; networks that see several
    predict for the scene. The poses of a video are stacked and cleaned once (see
    `sequence.input.window_values` for the steps that are repeated for every window). The
    probabilities of networks with equal window lengths are averaged window by window, those of
    different window lengths frame by frame."""

    def __init__(
        self,
        model: Checkpoint | Ensemble,
        options: PredictOptions | None = None,
        graph: GraphFile | None = None,
    ) -> None:
        """The networks have the weights of the model, or are those of its graph file. Raises
        CheckpointError if weights do not fit their network, InputError if the members of an
        ensemble cannot be combined, ConfigError if the device does not exist."""
        self.options = options or PredictOptions()
        self.model = model
        self.notes: tuple[str, ...] = ()  # on a checkpoint of another program
        self.rate: float | None = None  # [Hz] to which videos are converted, for such a checkpoint
        self.classes = model.classes
        self.device: Any = "cpu"
        if graph is not None and self.options.device not in ("auto", "cpu"):
            raise ConfigError(
                f"Graph files run on the CPU, not on {self.options.device}",
                "Leave out --device, or use the checkpoint that the file was exported from.",
            )
        if graph is None:
            from skelact.inference.networks import load_members

            self.device = resolve_device(self.options.device)
            self.members = load_members(model, self.device)
        else:
            self.members = graph_members(graph)
        self.by_window_length = by_window_length(self.members)
        self.window_lengths = [
            (clip_s * scale, members)
            for clip_s, members in self.by_window_length.items()
            for scale in (self.options.scales if clip_s else (1.0,))
        ]
        self.durations = members_of(model)[0].checkpoint.durations
        calibration = model.calibration or Calibration()
        self.temperature = calibration.temperature
        groups = list(self.by_window_length.values())
        self.rejection = Rejection.of(calibration, self.options, groups)
        self.scorer = self.rejection.scorer(self.classes, self.temperature)

    @property
    def unknown_threshold(self) -> float:
        """The threshold of the score that decides, which is the probability by default."""
        return self.rejection.threshold

    def __repr__(self) -> str:
        """The networks, classes, joint layout, pose estimator and threshold of the model."""
        checkpoints = [m.checkpoint for m in members_of(self.model)]
        first = checkpoints[0]
        names = ", ".join(dict.fromkeys(c.model for c in checkpoints))
        known = [c for c in self.classes if c != UNKNOWN]
        classes = ", ".join(known[:6]) + (", …" if len(known) > 6 else "")
        windows = ", ".join(f"{s:g} s" if s else "whole video" for s in self.by_window_length)
        score = "" if self.rejection.score == PROBABILITY else f"{self.rejection.score} "
        return (
            f"Predictor(network: {names}; {len(known)} classes: {classes}; "
            f"joints: {first.skeleton.name}; poses: {first.estimator.name}; window: {windows}; "
            f"unknown below {score}{self.unknown_threshold:.2f}; device: {self.device})"
        )

    @classmethod
    def load(
        cls,
        model: Path | str,
        options: PredictOptions | None = None,
        foreign: ForeignOptions | None = None,
    ) -> Predictor:
        """The predictor of a run folder, a checkpoint file, a shipped model by name, or a
        checkpoint of another program that `foreign` describes further. What a file is, its content
        tells, not its name. Raises CheckpointError for anything else."""
        path = find(model)
        is_graph = path.suffix.lower() in GRAPH_SUFFIXES
        if not is_graph and not is_skelact_checkpoint(path):
            from skelact.interop.checkpoints import foreign_checkpoint

            document, notes = foreign_checkpoint(path, foreign or ForeignOptions())
            predictor = cls(document, options)
            predictor.notes = notes
            if document.dataset in ntu_names.ACTION_COUNTS.values():
                predictor.rate = ntu_names.FPS
            return predictor
        if foreign is not None:
            raise ConfigError(
                f"{path} was written by skelact and contains its classes, skeleton and number of "
                "persons",
                "Leave out --labels, --skeleton and --persons.",
            )
        if is_graph:
            graph = load_graph_file(path)
            return cls(graph.model, options, graph)
        from skelact.models.checkpoint import load_model

        return cls(load_model(path), options)

    def pose(self, poses_from: Path | None = None) -> PoseOptions:
        """See `pose_options`."""
        return pose_options(self.model, self.options, poses_from)

    def predict(
        self,
        path: Path | str,
        cache: Cache | None = None,
        on_progress: ProgressCallback = no_progress,
    ) -> PredictionList:
        """The actions of each person in one video, the person who is visible longest first. Raises
        InputError if the video cannot be used."""
        batch = self.predict_many([path], cache, on_progress)
        if batch.failed:
            failure = batch.failed[0]
            raise InputError(failure.message, failure.hint)
        return PredictionList(p for result in batch.results for p in result.predictions)

    def predict_many(
        self,
        paths: Sequence[Path | str],
        cache: Cache | None = None,
        on_progress: ProgressCallback = no_progress,
        poses_from: Path | None = None,
        on_found: Callable[[Sequence[Path]], None] = lambda paths: None,
        cluster: ClusterOptions = ClusterOptions(),
    ) -> BatchResult[VideoPrediction]:
        """A VideoPrediction for each video and each skeleton sequence among files, folders and glob
        patterns; those that cannot be used are listed as failed. `on_found` gets the paths of all
        of them before poses are estimated, on a cluster if it is named; the networks run in this
        process, so that predictions do not depend on the cluster."""
        videos, failed = self.extract(paths, cache, on_progress, poses_from, on_found, cluster)
        again = estimate_again(cache or Cache(), lambda: self.pose(poses_from), on_progress)
        batch: BatchResult[VideoPrediction] = BatchResult(failed=failed)
        self._report_missing_joints(videos, on_progress)
        on_progress(Event("predict", "start", 0, len(videos)))
        for group in groups(videos):
            for extracted, tracks in groupby(
                self._evaluate(group, batch.failed, again), key=lambda track: track.extracted
            ):
                predictions = [self.prediction(track) for track in tracks]
                batch.done.append(VideoPrediction(predictions=predictions, extracted=extracted))
            on_progress(Event("predict", "advance", len(group)))
        on_progress(Event("predict", "end"))
        return batch

    def predict_windows(
        self,
        paths: Sequence[Path | str],
        cache: Cache | None = None,
        on_progress: ProgressCallback = no_progress,
        poses_from: Path | None = None,
    ) -> tuple[dict[Path, WindowOutputs], list[Failure]]:
        """For each video the probabilities (W, K) and the scores of `scorer` (W, S) of the windows
        of all its persons, and the videos that cannot be used. If networks have different window
        lengths: the mean over the frames of each window of the longest length."""
        videos, failed = self.extract(paths, cache, on_progress, poses_from)
        rows: dict[Path, list[WindowOutputs]] = {}
        again = estimate_again(cache or Cache(), lambda: self.pose(poses_from), on_progress)
        for track in chain.from_iterable(self._evaluate(g, failed, again) for g in groups(videos)):
            rows.setdefault(track.extracted.path, []).append(track.outputs)
        return {path: WindowOutputs.joined(parts) for path, parts in rows.items()}, failed

    def extract(
        self,
        paths: Sequence[Path | str],
        cache: Cache | None,
        on_progress: ProgressCallback,
        poses_from: Path | None,
        on_found: Callable[[Sequence[Path]], None] = lambda paths: None,
        cluster: ClusterOptions = ClusterOptions(),
    ) -> tuple[list[Extracted | SkeletonInput], list[Failure]]:
        """The poses of files, folders and glob patterns: videos in their order, then skeleton
        files."""
        inputs = find_inputs(paths, self._trained_format())
        for text in inputs.notices:
            on_progress(Event("predict", "notice", text=text))
        has_videos = inputs.videos or not inputs.skeletons
        videos: list[Path] = []
        if has_videos:
            videos = find_videos(inputs.videos or paths, beside_others=bool(inputs.skeletons))
        on_found([*videos, *(s.path for s in inputs.skeletons)])
        if not videos:
            if cluster.ray is not None:
                raise ConfigError("Skeleton files need no cluster", "Leave out --ray.")
            return list(inputs.skeletons), []
        pose, cache = self.pose(poses_from), cache or Cache()
        poses = poses_of(videos, cache, pose, cluster=cluster, on_progress=on_progress)
        order = {v: n for n, v in enumerate(videos)}
        found = sorted(poses.results, key=lambda e: order[e.path])
        return [*found, *inputs.skeletons], list(poses.failed)

    def _trained_format(self) -> Format | None:
        """The format of the skeleton files that the model was trained on."""
        files = members_of(self.model)[0].checkpoint.estimator.files
        return Format.from_dict(files) if files else None

    def is_as_stored(self, source: SkeletonInput) -> bool:
        """Whether a sequence is used without cleaning: if it comes from a published dataset, or the
        model was trained on one."""
        estimator = members_of(self.model)[0].checkpoint.estimator
        return source.as_stored or (estimator.name.startswith("dataset ") and not estimator.files)

    def _report_missing_joints(
        self, videos: Sequence[Extracted | SkeletonInput], on_progress: ProgressCallback
    ) -> None:
        source = next(filter(None, map(layout_of, videos)), None)
        if source is None:
            return
        for skeleton in dict.fromkeys(m.spec.skeleton for m in self.members):
            missing = missing_joints(skeleton, source)
            if missing:
                text = (
                    f"{source.name} poses do not have {', '.join(missing)}; "
                    "the network gets zeros instead."
                )
                on_progress(Event("predict", "notice", text=text))

    def _evaluate(
        self,
        videos: Sequence[Extracted | SkeletonInput],
        failed: list[Failure],
        again: Again,
    ) -> list[VideoTrack]:
        """The tracks of these videos with the probabilities of their windows; windows of all videos
        go through the networks together. Videos that cannot be used are added to `failed`."""
        tracks: list[VideoTrack] = []
        for extracted in videos:
            try:
                try:
                    tracks += self.video_tracks(extracted)
                except DamagedEntry as error:
                    tracks += self.video_tracks(again(extracted.path, error))
            except (InputError, CacheError) as error:
                failed.append(Failure.from_error(extracted.path, error))
        spoiled = self.add_probabilities(tracks)
        failed += [Failure(path, *_NOT_FINITE) for path in sorted(spoiled)]
        return [track for track in tracks if track.extracted.path not in spoiled]

    def add_probabilities(self, tracks: Sequence[VideoTrack]) -> set[Path]:
        """Add the probabilities of the windows to tracks. Returns the videos for which they are not
        finite."""
        spoiled: set[Path] = set()
        for n, (_, members) in enumerate(self.window_lengths):
            outputs = window_outputs(
                members,
                [t.track for t in tracks],
                [t.windows[n] for t in tracks],
                self.options.batch_size,
                self.device,
                self.scorer,
            )
            weight = sum(m.weight for m in members)
            for track, own in zip(tracks, outputs, strict=True):
                if not track.add(n, own, weight, self.temperature):
                    spoiled.add(track.extracted.path)
        return spoiled

    def video_tracks(self, extracted: Extracted | SkeletonInput) -> list[VideoTrack]:
        """The tracks of a video that have a window. Raises NoPersonFound if there are none,
        ConfigError if a network cannot use the joints of the poses, and InputError if it cannot use
        a skeleton file."""
        as_stored, min_seen_s = False, self.options.min_seen_s
        per_person = is_per_person(self.members[0].spec)
        if isinstance(extracted, SkeletonInput):
            as_stored = self.is_as_stored(extracted)
            sequence = extracted.load()
            for member in self.members:
                check_file(member.spec, sequence, extracted.path)
            fps, frames = sequence.fps, sequence.frames
            found = find_tracks(sequence, per_person, min_seen_s)
        else:
            for member in self.members:
                check_joints(member.spec, extracted.poses.manifest.skeleton)
            fps = extracted.poses.manifest.fps
            found, frames = stored_tracks(extracted.poses, per_person, min_seen_s)
        if self.rate is not None and not is_same_rate(self.rate, fps):
            found = [at_track_rate(track, self.rate) for track in found]
            fps, frames = self.rate, max(1, round(frames * self.rate / fps))
        tracks = []
        for track in found:
            windows = []
            for clip_s, _ in self.window_lengths:
                length = round(clip_s * fps) or frames
                windows.append(track.windows(length, max(1, round(length * self.options.step))))
            if any(windows):
                own = replace(track, as_stored=as_stored)
                tracks.append(VideoTrack(extracted, fps, frames, own, windows))
        if not tracks:
            raise NoPersonFound(
                f"No person was found in any of {frames} frames",
                "Check that a person is fully visible in the video.",
            )
        return tracks

    def prediction(self, track: VideoTrack) -> Prediction:
        rule, shortest = self.rejection, self.options.shortest_s
        scores = None if self.scorer is None else track.scores[:, 0]
        parts = segments(
            track.probabilities,
            track.fps,
            self.classes,
            shortest,
            rule.threshold,
            scores,
            self.options.segmentation,
            self.durations,
        )
        parts = rule.explain(parts, scores, track.fps, self.classes, shortest)
        label, probability = label_of(parts)
        score, reason = reason_of_clip(label, parts)
        return Prediction(
            path=track.extracted.path,
            person_id=track.track.person_id,
            label=label,
            probability=probability,
            classes=self.classes,
            segments=parts,
            score=score,
            reason=reason,
            score_name=rule.score,
            threshold=rule.threshold,
        )
