"""The explanations that the page shows, and their files."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from skelact.app.results import VideoResult
from skelact.errors import PathMissing
from skelact.schemas import ExplainedLabel, ExplanationDocument

_KEPT = 30  # the last ones
_JOINTS = 8  # that are listed
_LEAST = 0.005  # share of a joint that is listed
KINDS = {  # of files: the end of the name, and the type
    "body": ("_body.png", "image/png"),
    "joints": ("_joints.png", "image/png"),
    "table": ("_joints.csv", "text/csv"),
    "video": ("overlay.mp4", "video/mp4"),
}


class Key(NamedTuple):
    """What is explained. `label` and `span_s` are None for the label of the person."""

    video: str  # its id
    model: str
    person: int
    label: str | None
    span_s: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class StoredExplanation:
    """An explanation whose files are in a folder of its own."""

    id: str
    key: Key
    folder: Path
    files: dict[str, Path]  # by kind
    explained: ExplainedLabel

    @classmethod
    def of(cls, key: Key, folder: Path, document: ExplanationDocument) -> StoredExplanation:
        """That of a document in `folder`, whose parent has the id as its name."""
        files = {
            kind: folder / name
            for kind, (suffix, _) in KINDS.items()
            for name in document.files
            if name.endswith(suffix)
        }
        (explained,) = document.explained
        return cls(
            id=folder.parent.name, key=key, folder=folder.parent, files=files, explained=explained
        )

    def as_page(self) -> dict[str, Any]:
        """The explanation for the page."""
        e = self.explained
        best, base = e.joints[:_JOINTS], f"/api/videos/{self.key.video}/explanations/{self.id}"
        return {
            "video": self.key.video,
            "person": self.key.person,
            "span": self.key.span_s,
            "label": e.label,
            "probability": e.probability,
            "method": e.method,
            "joints": [[j.joint, round(j.share, 4)] for j in best if j.share >= _LEAST],
            "files": {kind: f"{base}/{kind}" for kind in self.files},
        }


class Explanations:
    """The explanations that were made last, in memory; their files are removed with them. Safe for
    several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[Key, tuple[VideoResult, StoredExplanation]] = {}

    def add(self, result: VideoResult, explanation: StoredExplanation) -> None:
        """Keep an explanation of a result."""
        with self.lock:
            old = [self.kept.pop(explanation.key, None)]
            self.kept[explanation.key] = result, explanation
            old += [self.kept.pop(key) for key in list(self.kept)[:-_KEPT]]
        for row in old:
            if row is not None:
                shutil.rmtree(row[1].folder, ignore_errors=True)

    def find(self, key: Key, result: VideoResult) -> StoredExplanation | None:
        """The explanation of this result; one of an earlier result does not count."""
        with self.lock:
            of, explanation = self.kept.get(key, (None, None))
        return explanation if of is result else None

    def forget(self, video_id: str) -> None:
        """Remove the explanations of a video."""
        with self.lock:
            old = [self.kept.pop(key) for key in list(self.kept) if key.video == video_id]
        for _, explanation in old:
            shutil.rmtree(explanation.folder, ignore_errors=True)

    def by_id(self, video_id: str, item: str) -> StoredExplanation:
        """The explanation of a video with an id. Raises PathMissing."""
        with self.lock:
            for _, explanation in self.kept.values():
                if (explanation.key.video, explanation.id) == (video_id, item):
                    return explanation
        raise PathMissing("There is no such explanation", "Explain the prediction again.")
