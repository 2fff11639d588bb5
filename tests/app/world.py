"""A project with two videos whose poses are made up: people who wave, then squat, or the other way
round."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skelact.app.tasks import OWN_POSE
from skelact.cache import Cache
from skelact.pose.registry import fingerprint_of, resolve
from skelact.skeletons import SKELETONS
from skelact.stages.extraction import POSES, Job, write_tracked
from skelact.stages.parts import PART_S, division
from skelact.types import PersonPose
from skelact.video.probe import probe
from tests.helpers import encode

FPS, SECONDS = 10, 12
HALF = SECONDS / 2
LAYOUT = SKELETONS["blazepose-33"]
LABELS = (  # of a part of the videos
    ("a.mp4", "wave", 0, HALF, 0),
    ("a.mp4", "squat", HALF, SECONDS, 0),
    ("a.mp4", "squat", 0, HALF, 1),
    ("b.mp4", "squat", 0, HALF, None),
)


def body(action: str, frame: int, x: float, style: int) -> PersonPose:
    """A person at `x` who waves or squats; `style` changes the shape, the speed and the size of
    the movement, so that no two people look like copies."""
    rng = np.random.default_rng(style)
    shape = rng.uniform(-8, 8, (len(LAYOUT.joints), 2))
    speed, size = rng.uniform(0.7, 1.4), rng.uniform(0.7, 1.3)
    height = {"nose": 60, "shoulder": 90, "elbow": 120, "wrist": 145, "hip": 160, "knee": 210}
    xy = np.zeros((len(LAYOUT.joints), 2), np.float32)
    for n, joint in enumerate(LAYOUT.joints):
        side = 20 if joint.startswith("left") else -20 if joint.startswith("right") else 0
        part = joint.split("_")[-1]
        xy[n] = x + side, height.get(part, 255 if part in ("ankle", "heel", "index") else 60)
    xy += shape
    phase = size * np.sin(2 * np.pi * speed * frame / FPS + style)
    for n, joint in enumerate(LAYOUT.joints):
        if action == "wave" and joint in ("right_wrist", "right_index", "right_pinky"):
            xy[n] += (25 * phase, -90)
        if action == "squat" and joint.split("_")[-1] not in ("ankle", "heel", "index"):
            xy[n, 1] += 25 * (1 + phase)
    xy += np.random.default_rng(frame).normal(0, 0.5, xy.shape)
    return PersonPose(xy.astype(np.float32), np.full(len(xy), 0.9, np.float32))


def frames(orders: list[tuple[str, str]], style: int) -> list[list[PersonPose]]:
    """The persons of each frame: (action of the first half, of the second half) for each."""
    out = []
    for t in range(FPS * SECONDS):
        people = []
        for person, order in enumerate(orders):
            pose = body(order[t >= FPS * HALF], t, 80 + 130 * person, style + person)
            people.append(PersonPose(pose.xy, pose.score, person_id=person))
        out.append(people)
    return out


def add_video(
    path: Path, cache: Cache, orders: list[tuple[str, str]], colour: str, style: int
) -> Path:
    """A video of one colour, and its poses in the cache."""
    source = f"color={colour}:size=320x280:rate={FPS}:duration={SECONDS}"
    encode(path, "-f", "lavfi", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    pose = resolve(OWN_POSE)
    job = Job(
        path=path,
        content=cache.content_hash(path),
        cache_root=cache.root,
        options=pose,
        fingerprint=fingerprint_of(pose),
        division=division(pose, PART_S),
    )
    info = probe(path)
    cache.write(
        POSES,
        job.key,
        lambda folder: write_tracked(
            folder,
            job,
            info,
            frames(orders, style),
            estimator="blazepose",
            weights=job.fingerprint,
            skeleton=LAYOUT,
        ),
    )
    return path


def make_project(folder: Path, cache: Cache) -> list[Path]:
    """Two people in the first video, one in each of the others."""
    one, other = ("wave", "squat"), ("squat", "wave")
    return [
        add_video(folder / "a.mp4", cache, [one, other], "red", 1),
        add_video(folder / "b.mp4", cache, [other], "blue", 3),
        add_video(folder / "c.mp4", cache, [one], "green", 4),
    ]
