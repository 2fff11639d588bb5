"""Damage to files of tensors: checkpoints, ensembles, unfinished trainings, files of other
programs, exported and shipped models."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import Tensor

from skelact.errors import CheckpointError, SkelactError
from skelact.inference import zoo
from skelact.inference.ensemble import input_spec
from skelact.inference.predictor import Predictor
from skelact.interop.checkpoints import foreign_checkpoint
from skelact.models import SPECS, build
from skelact.models.checkpoint import build_network, load_model, state_dict_on_cpu
from skelact.options import DEFAULT, ForeignOptions, PredictOptions
from skelact.runs.export_model import export_model
from skelact.schemas import (
    BEST,
    LAST,
    Calibration,
    Checkpoint,
    Ensemble,
    EstimatorInfo,
    Member,
    save_tensors,
    to_plain,
)
from skelact.skeletons import SKELETONS
from tests.attack.documents import (
    Key,
    Tally,
    at,
    attempts,
    changed,
    flipped,
    paths,
    short,
    structural,
)
from tests.helpers import trainer

COCO = SKELETONS["coco-17"]
SMALL = {"base_channels": 8, "num_stages": 2, "inflate_stages": [2], "down_stages": [2]}


def small_checkpoint() -> Checkpoint:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = state_dict_on_cpu(build("stgcn", 2, COCO, **SMALL))
    return Checkpoint(
        model="stgcn",
        model_kwargs=SMALL,
        weights=weights,
        classes=("sit", "stand"),
        skeleton=COCO,
        in_channels=3,
        persons=1,
        recipe={"sampling": {"length": 16}, "sequence": {"persons": 1}},
        estimator=EstimatorInfo(name="blazepose", weights="abc", pose={"estimator": "blazepose"}),
        clip_s=2.5,
        split="0123",
        dataset="chairs",
        calibration=Calibration(temperature=0.8, unknown_threshold=0.6),
    )


def is_same(a: Any, b: Any) -> bool:
    """Equality of plain values, in which tensors are compared bit by bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(is_same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(is_same, a, b))
    return bool(a == b)


def use(path: Path) -> Any:
    """Load a model as predict does, and give it an input. Returns what was stored."""
    predictor = Predictor.load(path, PredictOptions(device="cpu"))
    repr(predictor)
    predictor.pose()
    predictor._trained_format()
    assert 0 < predictor.temperature < 1000 and 0 <= predictor.unknown_threshold < 1.1
    for member in predictor.members:
        spec = member.spec
        frames = spec.sampling.length
        net = member.net.eval()
        channels = 3  # of every model here
        x = torch.rand(1, spec.persons, min(frames, 64), len(spec.skeleton.joints), channels)
        with torch.no_grad():
            assert net(x).shape == (1, len(predictor.classes))
    return predictor.model


def flips(path: Path, name: str, count: int, read: Callable[[], Any]) -> None:
    """Flipped bits and truncations of a file: an error, or exactly what was stored, because some
    bits of an archive (dates) mean nothing."""
    content = path.read_bytes()
    intact = to_plain(read())
    rng, tally = random.Random(len(name)), Tally(name)
    for n in range(count):
        cut = n % 10 == 0
        path.write_bytes(content[: rng.randrange(len(content))] if cut else flipped(content, rng))
        tally.attempt(
            f"number {n}",
            read,
            CheckpointError,
            lambda result: is_same(to_plain(result), intact),
        )
    path.write_bytes(content)
    tally.check()


def test_flipped_bits(tmp_path: Path) -> None:
    path = tmp_path / BEST
    save_tensors(path, small_checkpoint())
    flips(path, "best.pt, flipped bits", attempts(120), lambda: load_model(path))


def test_flipped_bits_in_an_exported_model(tmp_path: Path) -> None:
    save_tensors(tmp_path / BEST, small_checkpoint())
    path = tmp_path / "exported.pt"
    export_model(tmp_path, path, "torch")
    flips(path, "exported model, flipped bits", attempts(60), lambda: load_model(path))


def test_flipped_bits_in_the_shipped_model(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(zoo.find(DEFAULT).read_bytes())
    flips(path, "shipped model, flipped bits", attempts(25), lambda: load_model(path))


def test_a_damaged_end_of_the_archive(tmp_path: Path) -> None:
    """The number of the disk, of which zipfile.is_zipfile itself complains."""
    path = tmp_path / BEST
    save_tensors(path, small_checkpoint())
    content = bytearray(path.read_bytes())
    locator = content.rindex(b"PK\x06\x07")  # the end record of ZIP64
    content[locator + 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(path)


def strange_tensors(value: Tensor) -> Iterator[tuple[str, Any]]:
    """What may stand in place of a tensor, with correct checksums of the file."""
    flat = value.float().flatten() if value.numel() else torch.zeros(1)
    for name, bad in (("NaN", float("nan")), ("infinity", float("inf"))):
        spoiled = flat.clone()
        spoiled[-1] = bad
        yield name, spoiled.reshape(value.shape)
    yield "another shape", flat.reshape(1, -1, 1)
    yield "more elements", torch.cat([flat, flat])
    yield "none", torch.zeros(0)
    yield "a scalar", torch.tensor(1.0)
    yield "complex", value.to(torch.complex64)
    yield "other numbers", value.int() if value.is_floating_point() else value.float()
    yield "sparse", value.float().to_sparse()
    yield "without data", value.to("meta")
    yield "a terabyte of one element", torch.zeros(1).expand(1 << 38)
    yield "an array of numbers", flat[:5].tolist()
    yield "text", "weights"


def test_tensors(tmp_path: Path) -> None:
    path = tmp_path / BEST
    content = to_plain(small_checkpoint())
    rng, tally = random.Random(2), Tally("best.pt, another tensor")
    names = list(content["weights"])
    rng.shuffle(names)
    for name in names[: attempts(4)]:
        for what, value in strange_tensors(content["weights"][name]):
            torch.save(changed(content, ("weights", name), value), path)
            tally.attempt(f"{name}: {what}", lambda: use(path), CheckpointError, lambda r: False)
    tally.check()


def plain_paths(content: Any) -> list[Key]:
    return [p for p in paths(content) if "weights" not in p or p[-1] == "weights"]


def resaved(path: Path, content: Any, rng: random.Random, count: int, tally: Tally) -> None:
    """Other values at every path of a document, with correct checksums of the file."""
    torch.save(content, path)
    use(path)
    settings = {k: v for k, v in content.items() if k != "weights"}
    for mutated in structural(settings, rng, count):
        what = short({k: v for k, v in mutated.items() if v != content.get(k)})
        if "weights" in content and "weights" not in mutated:
            mutated = {**mutated, "weights": content["weights"]}
        torch.save(mutated, path)
        tally.attempt(what, lambda: use(path))


def test_settings(tmp_path: Path) -> None:
    tally = Tally("best.pt, other settings")
    path = tmp_path / BEST
    resaved(path, to_plain(small_checkpoint()), random.Random(3), attempts(100), tally)
    tally.check()


def test_ensembles(tmp_path: Path) -> None:
    tally = Tally("ensemble, other settings")
    checkpoint = small_checkpoint()
    members = tuple(Member(weight=w, checkpoint=checkpoint) for w in (1.0, 2.0))
    content = to_plain(Ensemble(members=members))
    rng, path = random.Random(4), tmp_path / BEST
    torch.save(content, path)
    use(path)
    for mutated in structural(content, rng, attempts(30)):
        torch.save(mutated, path)
        tally.attempt("an ensemble", lambda: use(path))
    tally.check()


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e-30, 1e30, "1", None])
@pytest.mark.parametrize("name", ["temperature", "unknown_threshold"])
def test_calibration_values(name: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / BEST
    content = to_plain(small_checkpoint())
    torch.save(changed(content, ("calibration", name), value), path)
    if (name, value) in (("unknown_threshold", 0.0), ("unknown_threshold", 1e-30)):
        assert Predictor.load(path).unknown_threshold == value
        return
    with pytest.raises(CheckpointError, match=name):
        Predictor.load(path)


def test_arguments_that_need_a_terabyte(tmp_path: Path) -> None:
    checkpoint = small_checkpoint()
    tally = Tally("best.pt, arguments of a huge network")
    for change in (
        {"base_channels": 1000},
        {"base_channels": 10**6},
        {"num_stages": 10**9},
        {"ch_ratio": 1e9},
        {"inflate_stages": list(range(1000)), "num_stages": 1000},
    ):
        huge = structs.replace(checkpoint, model_kwargs=SMALL | change)
        tally.attempt(change, lambda h=huge: build_network(h), right=lambda r: False)  # type: ignore[misc]
    many = {"persons": 4096, "in_channels": 4096}
    huge = structs.replace(checkpoint, **many)
    tally.attempt(many, lambda: build_network(huge), right=lambda r: False)
    tally.check()


def test_weights_that_are_shared_without_end(tmp_path: Path) -> None:
    """A list in a list in a list, each twice: 2 ** 60 elements in a small file."""
    tangle: Any = []
    for _ in range(60):
        tangle = [tangle, tangle]
    content = {**to_plain(small_checkpoint()), "recipe": {"model": {"name": tangle}}}
    torch.save(content, tmp_path / BEST)
    with pytest.raises(CheckpointError, match="stored in two places"):
        load_model(tmp_path / BEST)


def test_unfinished_trainings(tmp_path: Path) -> None:
    first = trainer(tmp_path, epochs=1, optimiser="adam")
    first.fit()
    path = tmp_path / "run" / LAST
    content = torch.load(path, weights_only=True)
    rng, tally = random.Random(5), Tally("last.pt, another state")
    state = {k: v for k, v in content.items() if k != "checkpoint"}
    state["optimiser"]["state"] = dict(list(state["optimiser"]["state"].items())[:2])
    longer = trainer(tmp_path, epochs=2, optimiser="adam")
    longer.plan = first.plan  # check_same_run compares the recipes

    def resume() -> None:
        assert longer.resume()
        longer._epoch(1, 1)

    known = [p for p in paths(state) if p[-1] != "params"]
    for n in range(attempts(25)):
        keys = known[rng.randrange(len(known))]
        old = at(state, keys)
        value = rng.choice([None, 7, -1.0, float("nan"), "x", [], torch.zeros(3), {"a": 1}])
        if isinstance(old, Tensor):
            value = rng.choice([v for _, v in strange_tensors(old)])
        mutated = {**content, **changed(state, keys, value)}
        torch.save(mutated, path)
        tally.attempt(f"{n}: {keys} = {short(value)}", resume)
    tally.check()


# --- files of other programs ---

FOREIGN = ("stgcn", "aagcn", "ctrgcn", "msg3d", "sgn", "stgcnpp")


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_state_dicts(name: str, tmp_path: Path) -> None:
    assert name in SPECS
    path = tmp_path / "x.pth"
    weights = state_dict_on_cpu(build(name, 4, COCO, persons=2))
    rng, tally = random.Random(6), Tally(f"state dict of {name}")
    torch.save({"state_dict": weights, "meta": {}}, path)

    def read() -> Any:
        return foreign_checkpoint(path, ForeignOptions())

    names = list(weights)
    for n in range(attempts(12)):
        mutated: dict[Any, Any] = dict(weights)
        key = rng.choice((names[0], names[-2], names[-1], rng.choice(names)))
        kind = rng.randrange(4)
        what = f"{n}: {key} "
        if kind == 0:
            what += "is missing"
            del mutated[key]
        elif kind == 1:
            what += "has another name"
            other = rng.choice((7, "", "fc.weight", "l99999999.x", key * 50, f"module.{key}"))
            mutated[other] = mutated.pop(key)
        else:
            described, mutated[key] = rng.choice(list(strange_tensors(weights[key])))
            what += described
        torch.save(rng.choice([mutated, {"state_dict": mutated}, {"x": mutated}]), path)
        tally.attempt(what, read)
    content = path.read_bytes()
    for n in range(attempts(4)):
        path.write_bytes(flipped(content, rng) if n % 2 else content[: rng.randrange(len(content))])
        tally.attempt(f"bytes {n}", read)
    tally.check()


# --- what would make a useless model ---


def test_no_checkpoint_with_nan_is_written(tmp_path: Path) -> None:
    checkpoint = small_checkpoint()
    name = "cls_head.fc.bias"
    spoiled = checkpoint.weights | {name: torch.full((2,), float("nan"))}
    with pytest.raises(CheckpointError, match=f"{name} holds values that are not finite"):
        save_tensors(tmp_path / BEST, structs.replace(checkpoint, weights=spoiled))
    assert not list(tmp_path.iterdir())


def test_export_keeps_values_that_half_precision_cannot_hold(tmp_path: Path) -> None:
    checkpoint = small_checkpoint()
    name = "backbone.data_bn.running_var"
    large = torch.full_like(checkpoint.weights[name], 3e5)  # of coordinates in pixels
    weights = checkpoint.weights | {name: large}
    save_tensors(tmp_path / BEST, structs.replace(checkpoint, weights=weights))
    export_model(tmp_path, tmp_path / "x.pt", "torch")
    exported = load_model(tmp_path / "x.pt")
    assert isinstance(exported, Checkpoint) and torch.equal(exported.weights[name], large)
    assert exported.weights["cls_head.fc.weight"].dtype == torch.float16


def test_an_input_spec_of_a_damaged_recipe_is_a_checkpoint_error() -> None:
    damaged = structs.replace(small_checkpoint(), recipe={"sampling": {"length": "long"}})
    with pytest.raises(CheckpointError, match="recipe of the checkpoint"):
        input_spec(damaged)
    assert issubclass(CheckpointError, SkelactError)
