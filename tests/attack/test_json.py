"""Arbitrary JSON in the place of poses, made by Hypothesis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelact.errors import SkelactError
from skelact.pose import importers
from skelact.pose.track import TrackOptions
from skelact.skeletons import parse_layout
from tests.attack.mutate import attempts, memory_limit, read_skeletons, time_limit

EXAMPLES = settings(
    max_examples=attempts(40),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=8)
    | st.sampled_from([4 * 10**8, 1e38, -1e300, "1", "NaN", 2**63])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
)
flat = st.lists(scalars, max_size=6) | st.builds(
    lambda v, n: [v] * n, scalars, st.sampled_from([51, 75, 78, 45, 63, 10**5])
)
record = st.fixed_dictionaries(
    {"image_id": values, "keypoints": flat | values},
    optional={"idx": values, "track_id": values, "score": values, "category_id": values},
)
person = st.fixed_dictionaries(
    {"pose_keypoints_2d": flat | values},
    optional={
        "person_id": values,
        "pose_keypoints_3d": flat | values,
        "hand_left_keypoints_2d": flat | values,
        "face_keypoints_2d": flat | values,
    },
)
people = st.fixed_dictionaries({"people": st.lists(person | values, max_size=3) | values}) | values
kinetics = st.fixed_dictionaries(
    {
        "data": st.lists(
            st.fixed_dictionaries(
                {
                    "frame_index": values,
                    "skeleton": values
                    | st.lists(st.fixed_dictionaries({"pose": flat, "score": flat}), max_size=2),
                }
            )
            | values,
            max_size=3,
        )
    }
)


def attempt(function: Any) -> None:
    """A result or an error of skelact's, in time."""
    try:
        with time_limit(), memory_limit():
            function()
    except SkelactError as error:
        assert not isinstance(error.__cause__, MemoryError), error


def write(path: Path, content: Any) -> None:
    path.write_bytes(json.dumps(content).encode("utf-8", "surrogatepass"))


@EXAMPLES
@given(st.lists(record, max_size=4) | st.fixed_dictionaries({"annotations": values}) | values)
@pytest.mark.parametrize("length", [None, 5])
def test_results(tmp_path: Path, length: int | None, content: Any) -> None:
    write(tmp_path / "a.json", content)
    source = importers.sources(tmp_path)["a"]
    attempt(lambda: importers.read(source, length, 25.0, TrackOptions()))
    attempt(lambda: read_skeletons(tmp_path / "a.json"))


@EXAMPLES
@given(people)
def test_frames(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a_000000000001_keypoints.json"
    write(path, content)
    source = importers.sources(tmp_path)["a"]
    attempt(lambda: importers.read(source, 5, 25.0, TrackOptions(), hands=True, face=True))
    attempt(lambda: read_skeletons(path))
    write(tmp_path / "lines.jsonl", content)
    attempt(lambda: read_skeletons(tmp_path / "lines.jsonl"))


@EXAMPLES
@given(kinetics | st.dictionaries(st.sampled_from(["keypoints", "frames", "data"]), values))
def test_sequences(tmp_path: Path, content: Any) -> None:
    write(tmp_path / "a.json", content)
    attempt(lambda: read_skeletons(tmp_path / "a.json"))


names = st.sampled_from(["a", "b", "left_x", "right_x", "pelvis"]) | values
layout = st.fixed_dictionaries(
    {"name": names, "joints": st.lists(names, max_size=5) | values, "centre": names},
    optional={
        "parents": st.dictionaries(st.sampled_from(["a", "b", "left_x"]), names) | values,
        "edges": st.lists(st.lists(names, max_size=3), max_size=3) | values,
        "flip_pairs": st.lists(st.lists(names, max_size=3), max_size=3) | values,
        "same": st.dictionaries(st.sampled_from(["a", "b"]), names) | values,
        "more": values,
    },
)


@EXAMPLES
@given(layout)
def test_layouts(content: Any) -> None:
    attempt(lambda: parse_layout(content, "a.toml"))
