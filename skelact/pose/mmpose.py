"""mmpose's networks, run on batches of frames across videos. The only module that imports mmpose,
mmdet or mmcv.

One-stage networks (RTMO) process complete frames; top-down networks (RTMPose) process the boxes of
an RTMDet person detector. Preprocessing and decoding are mmpose's own, so the results equal those
of its frame-by-frame API; only the batching is added here.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skelact.errors import BackendMissing, CheckpointError, ConfigError, PathMissing
from skelact.files import import_yapf, load_weights
from skelact.pose import weights
from skelact.pose.base import EstimatorSpec, EstimatorStatus, FrameRef, PoseOptions
from skelact.pose.track import suppress
from skelact.skeletons import SKELETONS, Skeleton
from skelact.types import PersonPose

if TYPE_CHECKING:
    import torch

CUSTOM = "custom"  # a network of the user: config and checkpoint
FRAMES_PER_BATCH = {"cpu": 4, "cuda": 32}
CROPS_PER_BATCH = {"cpu": 8, "cuda": 128}
_THREADS = 8  # that prepare images for a GPU


def _nms(
    boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int
) -> torch.Tensor:
    """Greedy non-maximum suppression: indices of the kept boxes (x1, y1, x2, y2), best first. It is
    the only compiled op of mmcv that RTMDet calls."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    x1, y1, x2, y2 = boxes[order].unbind(1)
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    width = (torch.minimum(x2[:, None], x2) - torch.maximum(x1[:, None], x1) + offset).clamp(min=0)
    height = (torch.minimum(y2[:, None], y2) - torch.maximum(y1[:, None], y1) + offset).clamp(min=0)
    overlap = width * height
    overlaps = (overlap / (areas[:, None] + areas - overlap) > iou_threshold).cpu().numpy()
    suppressed = np.zeros(len(order), bool)
    kept = []
    for i in range(len(order)):
        if not suppressed[i]:
            kept.append(i)
            suppressed |= overlaps[i]
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)]


def _prepare() -> None:
    """Make `import mmpose.models` work with mmcv-lite, which has no compiled ops: a replacement
    module provides nms and raises BackendMissing for the others."""
    if not weights.is_installed():
        raise BackendMissing("This estimator needs mmpose, which is not installed", weights.INSTALL)
    import_yapf()
    if "mmcv._ext" not in sys.modules:
        try:
            import mmcv._ext  # noqa: F401  # the full mmcv
        except ImportError:
            stand_in = types.ModuleType("mmcv._ext")

            def missing(name: str) -> Any:
                if name.startswith("__"):
                    raise AttributeError(name)

                def raise_missing(*_: Any, **__: Any) -> None:
                    raise BackendMissing(
                        f"This network needs mmcv's compiled op {name}",
                        "Install the full mmcv==2.1.0 instead of mmcv-lite.",
                    )

                return raise_missing

            stand_in.__getattr__ = missing  # type: ignore[method-assign]
            stand_in.nms = _nms  # type: ignore[attr-defined]
            sys.modules["mmcv._ext"] = stand_in
    import logging
    import warnings

    for kind, where in (
        (Warning, r"mm(engine|cv|det|pose)"),
        (UserWarning, r"torch\.functional"),
        (UserWarning, "importlib"),
        (UserWarning, "pkg_resources"),
    ):
        warnings.filterwarnings("ignore", category=kind, module=where)
    logging.getLogger("mmengine").setLevel(logging.ERROR)
    try:
        import mmdet.models  # noqa: F401
        import mmpose.datasets.transforms
        import mmpose.models  # noqa: F401
    except ImportError as error:
        raise BackendMissing(f"mmpose cannot be imported: {error}", weights.INSTALL) from error


def _files(options: PoseOptions) -> tuple[Path, Path]:
    """The config and the checkpoint. Raises ConfigError, PathMissing or WeightsMissing if one is
    missing."""
    if options.estimator == CUSTOM:
        if not options.config or not options.checkpoint:
            raise ConfigError(
                "--pose custom needs a config and a checkpoint",
                "--pose-config FILE.py --pose-checkpoint FILE.pth",
            )
        config, checkpoint = Path(options.config), Path(options.checkpoint)
    else:
        config = Path(options.config) if options.config else shipped_config(options.estimator)
        local = options.checkpoint
        checkpoint = Path(local) if local else weights.require(options.estimator)
    for path in (config, checkpoint):
        if not path.is_file():
            raise PathMissing(f"{path}: no such file")
    return config, checkpoint


def shipped_config(name: str) -> Path:
    """mmpose's own config of a network, inside its package."""
    if not weights.is_installed():
        raise BackendMissing(f"{name} needs mmpose, which is not installed", weights.INSTALL)
    from importlib.util import find_spec

    spec = find_spec("mmpose")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / ".mim" / weights.TABLE[name].config


def fingerprint(options: PoseOptions) -> str:
    """Hash of the weights, and of the detector's for a top-down network. Raises BackendMissing,
    WeightsMissing, ConfigError or PathMissing if the estimator cannot run."""
    config, checkpoint = _files(options)
    parts = [weights.sha256(checkpoint)[:16]]
    if options.estimator == CUSTOM:
        parts.append(weights.sha256(config)[:8])
    detector = _detector_of(options)
    if detector:
        parts.append(weights.sha256(weights.require(detector))[:16])
    return "+".join(parts)


def _detector_of(options: PoseOptions) -> str:
    if options.estimator in weights.TABLE:
        return weights.TABLE[options.estimator].detector
    config = _read_config(Path(str(options.config)))
    return "rtmdet-m" if config.model.type == "TopdownPoseEstimator" else ""


def _read_config(path: Path) -> Any:
    import_yapf()
    from mmengine.config import Config

    try:
        return Config.fromfile(str(path))
    except Exception as error:  # a config is a program and can raise anything
        raise ConfigError(
            f"{path} is not an mmpose config: {type(error).__name__}: {error}"
        ) from error


def _build(
    config: Any, checkpoint: Path, scope: str, device: torch.device
) -> tuple[torch.nn.Module, Any]:
    """A network in evaluation mode and its test pipeline."""
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope

    if scope == "mmdet":
        from mmdet.registry import MODELS
    else:
        from mmpose.registry import MODELS
    with DefaultScope.overwrite_default_scope(scope):
        part = config.model.get("backbone", {})
        # no download of pretrained weights: the checkpoint contains all of them
        part.pop("init_cfg", None)
        config.model.pop("init_cfg", None)
        model = MODELS.build(config.model)
        steps = [dict(s) for s in config.test_dataloader.dataset.pipeline]
        if scope == "mmdet":
            steps[0] = {"type": "mmdet.LoadImageFromNDArray"}
            steps = [s for s in steps if s["type"] != "LoadAnnotations"]
            steps[-1]["meta_keys"] = ("ori_shape", "img_shape", "scale_factor")
        pipeline = Compose(steps)
    state = load_weights(checkpoint)
    missing, _ = model.load_state_dict(state, strict=False)
    absent = [k for k in missing if not k.startswith("data_preprocessor")]
    if absent:
        raise CheckpointError(
            f"{checkpoint} does not match its config: it lacks {len(absent)} weights, the first is "
            f"{absent[0]}"
        )
    return model.to(device).eval(), pipeline


class MMPose:
    """An mmpose network as an Estimator."""

    def __init__(self, options: PoseOptions, device: str = "auto") -> None:
        import torch

        _prepare()
        self.options, self.name = options, options.estimator
        self.fingerprint = fingerprint(options)
        self.device = torch.device(
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
        config_file, checkpoint = _files(options)
        config = _read_config(config_file)
        self.model, self.pipeline = _build(config, checkpoint, "mmpose", self.device)
        self.meta = _dataset_meta(config)
        self.skeleton = _skeleton_of(self.meta, self.name)
        detector = _detector_of(options)
        self.detector: tuple[torch.nn.Module, Any] | None = None
        if detector:
            detector_config = _read_config(shipped_config(detector))
            path = weights.require(detector)
            self.detector = _build(detector_config, path, "mmdet", self.device)
        # beside a GPU one thread prepares images more slowly than the network processes them
        self.prepared: Callable[..., Iterable[Any]] = map
        if self.device.type == "cuda":
            self.prepared = ThreadPoolExecutor(_THREADS).map
        self.frames_per_batch = FRAMES_PER_BATCH[self.device.type]
        self.crops_per_batch = CROPS_PER_BATCH[self.device.type]

    def run(self, frames: Iterable[FrameRef]) -> Iterator[tuple[FrameRef, list[PersonPose]]]:
        """See Estimator."""
        import torch

        for batch in batches(frames, self.frames_per_batch):
            images = [f.image for f in batch]
            with torch.inference_mode():
                estimate = self._onestage if self.detector is None else self._topdown
                people_per_frame = estimate(images)
            for frame, people in zip(batch, people_per_frame, strict=True):
                yield frame, suppress(people, self.skeleton)[: self.options.max_persons]

    def _step(self, items: list[dict[str, Any]]) -> list[Any]:
        from mmengine.dataset import pseudo_collate

        inputs = list(self.prepared(self.pipeline, items))
        return list(self.model.test_step(pseudo_collate(inputs)))  # type: ignore[operator]

    def _onestage(self, images: list[Any]) -> list[list[PersonPose]]:
        out = []
        for sample in self._step([{"img": image, **self.meta} for image in images]):
            p = sample.pred_instances
            order = np.argsort(-p.bbox_scores, kind="stable")
            confident = [i for i in order if p.bbox_scores[i] >= self.options.min_confidence]
            chosen = confident[: 4 * self.options.max_persons]
            out.append([_person(p.keypoints[i], p.keypoint_scores[i]) for i in chosen])
        return out

    def _topdown(self, images: list[Any]) -> list[list[PersonPose]]:
        boxes = self.boxes(images)
        items = [
            {"img": image, "bbox": box[None], "bbox_score": np.ones(1, np.float32), **self.meta}
            for image, image_boxes in zip(images, boxes, strict=True)
            for box in image_boxes
        ]
        people: list[PersonPose] = []
        for part in batches(items, self.crops_per_batch):
            people += [
                _person(s.pred_instances.keypoints[0], s.pred_instances.keypoint_scores[0])
                for s in self._step(part)
            ]
        rest = iter(people)
        return [[next(rest) for _ in image_boxes] for image_boxes in boxes]

    def boxes(self, images: list[Any]) -> list[Any]:
        """Person boxes (n, 4) float32 of each image, best first, at most max_persons."""
        from mmengine.dataset import pseudo_collate

        assert self.detector is not None
        model, pipeline = self.detector
        data = pseudo_collate(list(self.prepared(pipeline, [{"img": image} for image in images])))
        out = []
        for sample in model.test_step(data):  # type: ignore[operator]
            p = sample.pred_instances
            keep = (p.scores >= self.options.min_confidence) & (p.labels == 0)
            out.append(p.bboxes[keep][: self.options.max_persons].cpu().numpy().astype(np.float32))
        return out


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items; the last one may be shorter."""
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _person(keypoints: Any, scores: Any) -> PersonPose:
    xy, score = np.asarray(keypoints, np.float64), np.clip(np.asarray(scores, np.float32), 0, 1)
    known = (score > 0) & (np.abs(xy) < 1e6).all(axis=1)
    return PersonPose(
        np.where(known[:, None], xy, np.nan).astype(np.float32),
        np.where(known, score, np.float32(0)),
    )


def _dataset_meta(config: Any) -> dict[str, Any]:
    """The metainfo of a config's dataset: joint names, flips, sigmas, edges."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    dataset = config.test_dataloader.dataset
    metainfo = dataset.get("metainfo")
    if metainfo is None:
        from mmpose.registry import DATASETS

        metainfo = DATASETS.get(dataset.type).METAINFO
    return dict(parse_pose_metainfo(dict(metainfo)))


def _skeleton_of(meta: dict[str, Any], name: str) -> Skeleton:
    """The layout of SKELETONS with the same joints, else one built from the edges of the
    metainfo."""
    joints = tuple(meta["keypoint_id2name"][i] for i in range(meta["num_keypoints"]))
    for known in SKELETONS.values():
        if known.joints == joints:
            return known
    edges = [(joints[a], joints[b]) for a, b in meta["skeleton_links"]]
    both_ways = [*edges, *((b, a) for a, b in edges)]
    parents = {joints[0]: joints[0]}
    # grow outwards from the first joint
    while new := {b: a for a, b in both_ways if a in parents and b not in parents}:
        parents |= new
    content = {
        "name": f"{name}-{len(joints)}",
        "joints": joints,
        "parents": parents,
        "edges": edges,
        "centre": joints[0],
    }
    return Skeleton.from_dict(content)


def _status(name: str) -> EstimatorStatus:
    if not weights.is_installed():
        return EstimatorStatus(ready=False, text="mmpose is not installed", fix=weights.INSTALL)
    if name == CUSTOM:
        return EstimatorStatus(ready=True, text="ready (--pose-config and --pose-checkpoint)")
    missing = weights.missing(name)
    if missing:
        text = f"weights missing: {', '.join(missing)}"
        return EstimatorStatus(ready=False, text=text, fix=f"skelact models pull {name}")
    return EstimatorStatus(ready=True, text=f"ready ({weights.local_path(name)})")


def _spec(name: str, auto_rank: int | None = None) -> EstimatorSpec:
    return EstimatorSpec(
        name=name,
        open=MMPose,
        fingerprint=fingerprint,
        status=partial(_status, name),
        parallel="batches",
        pull=None if name == CUSTOM else partial(weights.pull, name),
        auto_rank=auto_rank,
        needs_gpu=True,
    )


# COCO AP of each family rises with its size; RTMO needs no detector and is preferred
_RANKED = (*("rtmpose-t", "rtmpose-s", "rtmpose-m", "rtmpose-l"), *("rtmo-s", "rtmo-m", "rtmo-l"))
ESTIMATORS = (
    *(_spec(name, 1 + _RANKED.index(name)) for name in weights.NETWORKS),
    _spec(CUSTOM),
)
