"""Reads the numbers of the reference implementations: those in this folder, and the large fixtures
from which they were taken. No test requires the large ones."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity.asgcn import (
    AIM,
    FULL,
    SMALL,
    actional_by_rule,
    aim_with_weights,
    asgcn,
    asgcn_with_weights,
    compare_aim,
    compare_backbone_and_forecast,
)
from tests.parity.asgcn import compare_full_size as compare_full_asgcn
from tests.parity.networks import (
    CASES,
    FULL_SIZE,
    GRADIENT_TOLERANCE,
    Fixture,
    compare_full_size,
    compare_outputs,
    draw,
    gradients,
    input_by_rule,
    network_input,
    network_of,
    stages,
    with_weights,
)

FOLDER = Path(__file__).parent
LARGE = FOLDER.parent.parent.parent / "shared" / "parity"
ALL = [*CASES, *FULL_SIZE, SMALL, FULL, AIM]
SAMPLE = 48  # stored values of a stage's output


def large(case: str) -> tuple[dict[str, Any], Fixture]:
    """The description of a case, and its large fixture."""
    about = json.loads((LARGE / f"{case}.json").read_text())
    with np.load(LARGE / f"{case}.npz") as content:
        return about, dict(content)


@cache
def state_dicts() -> dict[str, dict[str, list[int]]]:
    """Case -> name -> shape of the reference's state dict, in its order."""
    with gzip.open(FOLDER / "state_dicts.json.gz", "rt") as file:
        return {case: dict(entries) for case, entries in json.load(file).items()}


@cache
def _small() -> tuple[dict[str, dict[str, Any]], Fixture]:
    with np.load(FOLDER / "networks.npz") as content:
        return json.loads((FOLDER / "networks.json").read_text()), dict(content)


def small(case: str) -> tuple[dict[str, Any], Fixture]:
    """The same from this folder: `stages` and `gradients` replace `stage/…` and `grad/…`; values
    that the fill rule produces are not stored."""
    abouts, content = _small()
    return abouts[case], unpacked(case, abouts[case], content)


def unpacked(case: str, about: dict[str, Any], content: Fixture) -> Fixture:
    """The fixture of a case from the content of this folder's file."""
    found = {k.removeprefix(f"{case}:"): v for k, v in content.items() if k.startswith(f"{case}:")}
    if "in/x" not in found:
        found["in/x"] = input_by_rule(about["input"])
    if case == SMALL:
        found["in/A_act"] = actional_by_rule()
    if case == AIM:
        found["out/edges_onehot"] = found["out/edges_onehot"].astype(np.float32)
    shapes = statistics(case, about)
    _split(found, "statistics", "sd", shapes)
    _split(found, "statistics_after", "after_train_step_bn", shapes)
    if "gradnorms" in found:
        _split(found, "gradnorms", "gradnorm", dict.fromkeys(parameters(case, about), ()))
    return found


def _split(found: Fixture, packed: str, prefix: str, shapes: dict[str, tuple[int, ...]]) -> None:
    if packed not in found:
        return
    row, at = found.pop(packed), 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[f"{prefix}/{name}"] = row[at : at + size].reshape(shape)
        at += size
    assert at == len(row), f"{packed} has another size than expected"


def statistics(case: str, about: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The reference's names of a network's running statistics, sorted, and their shapes."""
    if case == AIM:
        places = [f"encoder.mlp{n}.bn.running_{s}" for n in (1, 2, 3, 4) for s in ("mean", "var")]
        return dict.fromkeys(places, (128,))
    net, theirs = asgcn(case) if case in (SMALL, FULL) else network_of(case, about)
    state = net.state_dict()
    found = {name: tuple(state[k].shape) for k, name in theirs.items() if "running" in name}
    return dict(sorted(found.items()))


def parameters(case: str, about: dict[str, Any]) -> list[str]:
    """The reference's names of a network's parameters, sorted."""
    net, theirs = network_of(case, about)
    return sorted(theirs[k] for k, _ in net.named_parameters())


def sampled(value: np.ndarray) -> np.ndarray:
    """Some elements of a stage's output, evenly spread."""
    flat = np.asarray(value).ravel()
    return flat[np.linspace(0, flat.size - 1, SAMPLE).astype(int)]


def digest(values: dict[str, np.ndarray]) -> np.ndarray:
    """The norm of every gradient, by sorted names, and its product with a random unit vector. They
    differ at most as much as the gradients."""
    rows = []
    for name, value in sorted(values.items()):
        flat = np.asarray(value, np.float64).ravel()
        direction = draw(f"direction:{name}").standard_normal(flat.size)
        rows.append((np.linalg.norm(flat), flat @ direction / np.linalg.norm(direction)))
    return np.array(rows)


def compare(case: str, about: dict[str, Any], fixture: Fixture) -> None:
    """Compare the network, with weights by the fill rule, to the reference's numbers in this
    folder. Raises AssertionError if they differ."""
    if case == AIM:
        compare_aim(aim_with_weights(fixture), fixture)
        return
    if case == FULL:
        compare_full_asgcn(asgcn_with_weights(case, fixture), fixture)
        return
    if case == SMALL:
        features = compare_backbone_and_forecast(asgcn_with_weights(case, fixture), fixture)
        _close(sampled(features.numpy()), fixture["stages"][0], "class_layer_8")
        return
    net, theirs = with_weights(case, about, fixture)
    x = network_input(fixture, case)
    if case in FULL_SIZE:
        compare_full_size(net, fixture, x, theirs)
        return
    outputs = stages(net, x, about["stages"])
    for name, expected in zip(about["stages"], fixture["stages"], strict=True):
        _close(sampled(outputs[name].numpy()), expected, name)
    compare_outputs(net, fixture, x, theirs)
    if "gradients" not in fixture:
        return
    ours, expected = digest(gradients(net, fixture, x, theirs)), fixture["gradients"]
    gap = np.linalg.norm(ours - expected, axis=0) / np.linalg.norm(expected, axis=0)
    tolerance = GRADIENT_TOLERANCE.get(case, 1e-3)
    assert gap[0] < tolerance and gap[1] < 3 * tolerance, f"{case}: gradients differ by {gap}"


def _close(ours: np.ndarray, expected: np.ndarray, name: str) -> None:
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4, err_msg=name)
