"""A new dataset is a single file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.conftest import run
from tests.helpers import add_module

TOY = """
import numpy as np
from skelact.datasets.base import Collection, DatasetSpec, Item, every_third, spatial
from skelact.skeletons import SKELETONS


def find(root):
    items = [
        Item(p, p.parent.name, groups={"take": p.stem}) for p in sorted(root.rglob("*.npy"))
    ]
    return Collection(
        name="toy",
        root=root,
        items=tuple(items),
        protocols={"takes": (every_third("take"), ("take",))},
        read=lambda item: spatial(np.load(item.path)[None], SKELETONS["coco-17"], 10.0),
    )


DATASETS = (
    DatasetSpec(name="toy", title="toy", origin="here", layout="<class>/<take>.npy", find=find),
)
"""


def test_a_dataset_is_one_file(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for n in range(12):
            np.save(tmp_path / "data" / label / f"{label}{n}.npy", np.ones((20, 17, 3)))
    env = add_module(tmp_path, "datasets/toy.py", TOY)
    done = run("datasets", "--json", **env)
    assert "toy" in {row["name"] for row in json.loads(done.stdout)}, done.stderr
    done = run("datasets", "check", tmp_path / "data", "--dataset", "toy", "--json", **env)
    content = json.loads(done.stdout)
    assert content["items"] == 24 and content["splits"] == ["takes"]
    assert [(c["label"], c["seconds"]) for c in content["classes"]] == [("a", 24), ("b", 24)]
