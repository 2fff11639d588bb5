"""Undamaged small files of every format that skelact reads, as bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.readers import motion

POINTS = motion.sequence("wave", 0, frames=12)  # (12, 20, 3)


def _saved(write: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def npy() -> list[bytes]:
    return [_saved(partial(_save_array, a)) for a in (POINTS, POINTS[None].astype(float))]


def _save_array(array: Any, file: Any) -> None:
    np.save(file, array)


def npz() -> list[bytes]:
    names = np.array(motion.KINECT.joints)
    score = np.ones(POINTS.shape[:2], np.float32)
    content = {"positions": POINTS, "scores": score, "fps": 25.0, "joint_names": names}
    return [
        _saved(lambda f: np.savez(f, **content)),
        _saved(lambda f: np.savez_compressed(f, data=POINTS)),
    ]


def mat() -> list[bytes]:
    content = {"d_skel": POINTS.transpose(1, 2, 0)}
    return [_saved(partial(_save_mat, content, packed)) for packed in (False, True)]


def _save_mat(content: dict[str, Any], packed: bool, file: Any) -> None:
    from scipy.io import savemat

    savemat(file, content, do_compression=packed)


def csv() -> list[bytes]:
    names = [f"{joint}_{axis}" for joint in motion.KINECT.joints for axis in "xyz"]
    rows = [["0", str(t), *(f"{v:g}" for v in p.ravel())] for t, p in enumerate(POINTS)]
    wide = "\n".join(",".join(row) for row in [["person", "frame", *names], *rows])
    return [
        wide.encode(),
        motion.deeplabcut(False).encode(),
        motion.deeplabcut(True).encode(),
        text()[0],
    ]


def text() -> list[bytes]:
    per_joint = "\n".join(f"{x:.4f} {y:.4f} {z:.4f} 1" for x, y, z in POINTS.reshape(-1, 3))
    per_frame = "\n".join(
        f"{t + 200} " + " ".join(f"{v:.4f}" for v in p.ravel()) for t, p in enumerate(POINTS)
    )
    return [per_frame.encode(), per_joint.encode()]


def bvh() -> list[bytes]:
    return [motion.BVH.encode()]


def c3d() -> list[bytes]:
    """With the package's writer. Raises ImportError without it."""
    import warnings

    import c3d as package

    points = POINTS[..., [0, 2, 1]] * 1000
    rows = np.concatenate([points, np.zeros((*points.shape[:2], 2), np.float32)], axis=2)
    writer = package.Writer(point_rate=50.0)
    writer.set_point_labels(list(motion.KINECT.joints))
    writer.add_frames([(row, np.zeros((0, 0))) for row in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_saved(writer.write)]


def kinect() -> list[bytes]:
    """A .skeleton file of NTU RGB+D with one or two bodies."""
    rng = np.random.default_rng(0)
    lines = ["6"]
    for t in range(6):
        lines.append("2" if t > 2 else "1")
        for body in range(2 if t > 2 else 1):
            lines += [f"7205759403792{body:04d} 0 1 1 0 0 0 0.1 -0.2 2", "25"]
            for joint in rng.uniform(0.1, 1, (25, 11)):
                lines.append(" ".join(f"{v:.5f}" for v in joint) + " 2")
    return ["\n".join(lines).encode()]


def people(joints: int = 25) -> bytes:
    """One frame of OpenPose."""
    person = {"pose_keypoints_2d": [v for n in range(joints) for v in (n + 1.5, 50.0, 0.8)]}
    return json.dumps({"version": 1.3, "people": [person, person]}).encode()


def own_lines() -> list[bytes]:
    """frames.jsonl of skelact, with 3-D joints and ids."""
    flat = [v for n in range(33) for v in (n + 1.0, 50.0, 0.8)]
    deep = [v for n in range(33) for v in (n / 33, 0.5, 0.1, 0.8)]
    person = {"person_id": [0], "pose_keypoints_2d": flat, "pose_keypoints_3d": deep}
    line = json.dumps({"version": 1.3, "people": [person]})
    return ["\n".join([line] * 4).encode()]


def results() -> list[bytes]:
    """AlphaPose with ids, and COCO without."""
    keypoints = [v for n in range(17) for v in (n + 10.0, 20.0, 0.9)]
    alpha = [
        {"image_id": f"{t}.jpg", "keypoints": keypoints, "score": 2.0, "idx": 1} for t in range(3)
    ]
    coco = [{"image_id": t + 1, "keypoints": keypoints, "score": 0.9} for t in range(3)]
    return [
        json.dumps(alpha).encode(),
        json.dumps(coco).encode(),
        json.dumps({"annotations": coco}).encode(),
    ]


def kinetics() -> list[bytes]:
    person = {"pose": [0.5] * 36, "score": [0.7] * 18}
    data = [{"frame_index": t + 1, "skeleton": [person] * (t % 3)} for t in range(5)]
    return [json.dumps({"data": data, "label": "wave", "label_index": 3}).encode()]


def lists() -> list[bytes]:
    points = POINTS[:3].tolist()
    return [json.dumps(points).encode(), json.dumps({"skeletons": points, "label": 1}).encode()]


def skeletons_toml() -> list[bytes]:
    return [
        b'fps = 25.0\nlayout = "kinect-20"\ndims = 3\naxes = "x,z,-y"\nunit = "m"\n'
        b'size = [640, 480]\nmissing = 0.0\nscore = false\nfile_names = "a{label}_s{subject}*"\n'
        b'classes = ["sit", "stand"]\n[table]\nrows = "frame"\ncolumns = ["frame", "joints"]\n'
        b"header_lines = 0\n",
        b'missing = "nan"\norder = "TVC"\narray = "data"\nclasses = {1 = "sit", 2 = "stand"}\n',
    ]


def layout_toml() -> list[bytes]:
    return [
        b'name = "five"\njoints = ["Hip", "Chest", "Head", "HandL", "HandR"]\ncentre = "Hip"\n'
        b'flip_pairs = [["HandL", "HandR"]]\nedges = [["Chest", "Hip"], ["Head", "Chest"]]\n'
        b'[parents]\nChest = "Hip"\nHead = "Chest"\nHandL = "Chest"\nHandR = "Chest"\n'
        b'[same]\nHandL = "left_wrist"\nHandR = "right_wrist"\n'
    ]


def labels(paths: list[str]) -> list[bytes]:
    """labels.csv of these files, in two classes."""
    head = "path,label,start,end,subject,camera,person,source,subset\n"
    rows = [
        f"{p},{'sit' if n % 2 else 'stand'},0,0.3,s{n},c1,p{n},r{n},{'test' if n > 1 else 'train'}"
        for n, p in enumerate(paths)
    ]
    return [(head + "\n".join(rows)).encode(), ("path,label\n" + f"{paths[0]},sit\n").encode()]


def splits(names: list[str]) -> dict[str, list[bytes]]:
    """Split files by suffix."""
    lists = {"train": names[:2], "test": names[2:]}
    rows = [f"{name},{subset}" for subset, found in lists.items() for name in found]
    toml = "\n".join(f"{subset} = {json.dumps(found)}" for subset, found in lists.items())
    return {
        ".csv": [("path,subset\n" + "\n".join(rows)).encode()],
        ".json": [json.dumps(lists).encode(), json.dumps({"videos": lists}).encode()],
        ".toml": [toml.encode()],
    }


def pickles() -> list[bytes]:
    """Annotations of PYSKL."""
    import pickle

    rng = np.random.default_rng(0)
    keypoint = rng.uniform(1, 100, (1, 5, 17, 2)).astype(np.float16)
    score = np.ones((1, 5, 17), np.float16)
    annotations = [
        {
            "frame_dir": f"S001C001P00{n}R001A00{n % 2 + 1}",
            "label": n % 2,
            "img_shape": (1080, 1920),
            "original_shape": (1080, 1920),
            "total_frames": 5,
            "keypoint": keypoint,
            "keypoint_score": score,
        }
        for n in range(1, 5)
    ]
    names = [a["frame_dir"] for a in annotations]
    split = {"xsub_train": names[:2], "xsub_val": names[2:]}
    return [
        pickle.dumps({"split": split, "annotations": annotations}, protocol) for protocol in (3, 4)
    ]


def write_items(folder: Path) -> list[str]:
    """Four skeleton files to list in a table."""
    names = [f"clip{n}.npy" for n in range(4)]
    for name in names:
        np.save(folder / name, POINTS)
    return names
