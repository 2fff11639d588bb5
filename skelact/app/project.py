"""A project: the videos of some folders, uploads of sessions, labels.csv and runs."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skelact import temporary
from skelact.app.labels import LabelTable
from skelact.app.results import DrawnPoses, VideoResult
from skelact.cache import Cache
from skelact.errors import InputError, OutputError, PathMissing, escaped
from skelact.escaping import for_terminal
from skelact.files import replacing
from skelact.schemas import BEST, CONFIG, RESULT, RunConfig, RunResult, load_json
from skelact.video.probe import VIDEO_SUFFIXES, find_videos

LABELS, RUNS, KEPT = "labels.csv", "runs", "videos"
_SCAN_S = 2.0  # a list of videos is used for so long
_UPLOADS = 20  # of one session
_POSES_KEPT = 3  # videos whose joints are in memory
_UNSAFE = re.compile(r"[^\w .()+-]")


@dataclass(frozen=True, kw_only=True)
class ProjectVideo:
    """A video by its id, which the page uses in place of a path. `session` is that of the owner of
    an upload, empty for a video of the project."""

    id: str
    path: Path
    name: str
    session: str = ""


class Project:
    """The files of a project. Safe for several threads."""

    def __init__(self, folder: Path, others: Sequence[Path], cache: Cache) -> None:
        """Raises PathMissing if a folder does not exist."""
        self.folder, self.cache = folder.resolve(), cache
        self.roots = [self.folder, *(p.resolve() for p in others)]
        for root, given in zip(self.roots, (folder, *others), strict=True):
            if not root.is_dir():
                raise PathMissing(f"{given}: no such folder")
        self.labels = LabelTable(self.folder / LABELS)
        self.lock = threading.RLock()
        self.uploads: dict[str, ProjectVideo] = {}
        self.results: dict[str, VideoResult] = {}  # by video id, of the model that was used last
        self.overlays: dict[tuple[str, str], Path] = {}  # by video id and model
        self.drawn: dict[Path, DrawnPoses] = {}  # by folder of the poses, the last ones
        self.place = _new_place(cache)
        self._scanned: tuple[float, dict[str, ProjectVideo]] = (0.0, {})

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.folder / RUNS

    def close(self) -> None:
        """Remove the uploads."""
        shutil.rmtree(self.place, ignore_errors=True)

    def videos(self, session: str) -> list[ProjectVideo]:
        """The videos of the project, then the uploads of a session."""
        with self.lock:
            own = [v for v in self.uploads.values() if v.session == session]
            return [*self._scan().values(), *own]

    def video(self, video_id: str, session: str) -> ProjectVideo:
        """The video with an id. Raises PathMissing if there is none, or if it is an upload of
        another session."""
        with self.lock:
            video = self.uploads.get(video_id)
            if video is not None and video.session != session:
                video = None
            video = video or self._scan().get(video_id)
        if video is None:
            raise PathMissing("There is no such video", "Load the page again.")
        return video

    def by_path(self) -> dict[Path, ProjectVideo]:
        """The videos of the project by their real paths."""
        with self.lock:
            return {v.path.resolve(): v for v in self._scan().values()}

    def _scan(self, force: bool = False) -> dict[str, ProjectVideo]:
        now = time.monotonic()
        if force or not self._scanned[1] or now - self._scanned[0] > _SCAN_S:
            found: dict[str, ProjectVideo] = {}
            for number, root in enumerate(self.roots):
                with contextlib.suppress(InputError):  # no video
                    for path in find_videos([root]):
                        self._add(path, root, number, found)
            self._scanned = (now, found)
        return self._scanned[1]

    def _add(self, path: Path, root: Path, number: int, found: dict[str, ProjectVideo]) -> None:
        """Add a video, unless it is a link that leads out of the given folders, or of the cache."""
        real, cache = path.resolve(), self.cache.root.resolve()
        if real.is_relative_to(cache) or not any(real.is_relative_to(r) for r in self.roots):
            return
        name = escaped(path.relative_to(root).as_posix())
        if number:
            name = f"{escaped(root.name)}/{name}"
        video_id = hashlib.blake2b(f"{number} {name}".encode(), digest_size=8).hexdigest()
        found[video_id] = ProjectVideo(id=video_id, path=path, name=for_terminal(name))

    # --- uploads ----------------------------------------------------------------------------------

    def new_upload(self, stated: str, session: str) -> Path:
        """The path of a new upload, in a folder of its own. Raises InputError if its name is not
        that of a video, or if the session has too many."""
        name = safe_file_name(stated)
        with self.lock:
            if sum(v.session == session for v in self.uploads.values()) >= _UPLOADS:
                raise InputError(f"There are {_UPLOADS} uploads", "Remove some of them first.")
        return self.temporary_folder() / name

    def temporary_folder(self) -> Path:
        """A new folder, which is removed at the end."""
        return Path(tempfile.mkdtemp(dir=self.place))

    def add_upload(self, path: Path, session: str) -> ProjectVideo:
        """Register an upload that is complete."""
        video = ProjectVideo(id=path.parent.name, path=path, name=path.name, session=session)
        with self.lock:
            self.uploads[video.id] = video
        return video

    def remove_upload(self, video_id: str, session: str) -> None:
        """Remove an upload of a session. Raises PathMissing if it has no such upload."""
        with self.lock:
            video = self.uploads.get(video_id)
            if video is None or video.session != session:
                raise PathMissing("There is no such upload", "Load the page again.")
            del self.uploads[video_id]
            self.results.pop(video_id, None)
        shutil.rmtree(video.path.parent, ignore_errors=True)

    def keep_upload(self, video_id: str, session: str) -> ProjectVideo:
        """Copy an upload of a session to the folder videos/ of the project, where all sessions see
        it. Raises PathMissing, or OutputError if it cannot be written."""
        with self.lock:
            video = self.uploads.get(video_id)
            if video is None or video.session != session:
                raise PathMissing("There is no such upload", "Load the page again.")
            folder, n = self.folder / KEPT, 2
            target = folder / video.path.name
            while target.exists():
                target = folder / f"{video.path.stem}-{n}{video.path.suffix}"
                n += 1
            try:
                folder.mkdir(exist_ok=True)
                with replacing(target) as new:
                    shutil.copy(video.path, new)
            except OSError as error:
                raise OutputError(f"Cannot write {target}: {error.strerror or error}") from error
            found = (v for v in self._scan(force=True).values() if v.path == target)
            kept = next(found, None)
            if kept is None:  # the folder is a link to another place
                raise OutputError(f"{folder} is not a folder of the project", "Remove the link.")
            if video_id in self.results:
                self.results[kept.id] = _moved(self.results[video_id], kept.path)
            self.remove_upload(video_id, session)
        return kept

    def add_overlay(self, video_id: str, model: str, path: Path) -> None:
        """Keep the drawn video of a result, in a folder of its own, in place of an earlier one."""
        with self.lock:
            old = self.overlays.pop((video_id, model), None)
            self.overlays[video_id, model] = path
        if old is not None:
            shutil.rmtree(old.parent, ignore_errors=True)

    # --- results and models -----------------------------------------------------------------------

    def store(self, results: Sequence[VideoResult], videos: Sequence[ProjectVideo]) -> None:
        """Keep the results of some videos in memory."""
        by_path = {v.path: v for v in videos}
        with self.lock:
            for result in results:
                video = by_path[result.path]
                if not video.session or video.id in self.uploads:  # it may have been removed
                    self.results[video.id] = result

    def all_results(self) -> list[VideoResult]:
        """The results that are kept; a job may add others meanwhile."""
        with self.lock:
            return list(self.results.values())

    def poses(self, result: VideoResult) -> DrawnPoses:
        """The joints of a result. Raises CacheError if the poses are damaged."""
        key = result.extracted.poses.path
        with self.lock:
            if key not in self.drawn:
                self.drawn[key] = DrawnPoses.of(result.extracted)
                for old in list(self.drawn)[:-_POSES_KEPT]:
                    del self.drawn[old]
            return self.drawn[key]

    def run_rows(self) -> list[dict[str, Any]]:
        """The runs with a model, the latest one first. Folders that are links are left out."""
        rows = []
        for path in self.runs.glob(f"*/{BEST}"):
            run = path.parent
            if run.is_symlink() or path.is_symlink():
                continue
            with contextlib.suppress(InputError):
                network = load_json(run / CONFIG, RunConfig).model
                rows.append((path.stat().st_mtime, run, network))
        rows.sort(reverse=True)
        return [
            {
                "name": for_terminal(run.name),
                "network": for_terminal(network),
                "created": created,
                "top1": _top1(run),
            }
            for created, run, network in rows
        ]

    def run(self, name: str) -> Path:
        """The folder of a run by its name. Raises PathMissing."""
        if name not in {row["name"] for row in self.run_rows()}:
            raise PathMissing(f"There is no run {name!r}", "Load the page again.")
        return self.runs / name


def _new_place(cache: Cache) -> Path:
    """A new folder for uploads in the cache; those of killed processes are removed. Raises
    OutputError."""
    folder = cache.root.resolve() / "uploads"
    place = folder / temporary.new_name()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.sweep(folder)
        place.mkdir(mode=0o700)
    except OSError as error:
        raise OutputError(
            f"Cannot write {folder}: {error.strerror}", "Choose another folder with --cache-dir."
        ) from error
    return place


def _moved(result: VideoResult, path: Path) -> VideoResult:
    """A result of the same content at another path."""
    return replace(
        result,
        path=path,
        predictions=[replace(p, path=path) for p in result.predictions],
        extracted=replace(result.extracted, path=path),
    )


def _top1(run: Path) -> float | None:
    with contextlib.suppress(InputError):
        scores = load_json(run / RESULT, RunResult).scores
        return None if scores is None else scores.top1
    return None


def safe_file_name(stated: str) -> str:
    """A file name from one that a browser states. Raises InputError if it is not that of a
    video."""
    name = _UNSAFE.sub("_", Path(stated.replace("\\", "/")).name).strip(" .")
    suffix = Path(name).suffix.lower()
    if suffix not in VIDEO_SUFFIXES:
        raise InputError(
            f"{name[:60] or 'The file'} is not a video by its name",
            f"Videos end in {' '.join(sorted(VIDEO_SUFFIXES))}.",
        )
    return f"{Path(name).stem[:80]}{suffix}"
