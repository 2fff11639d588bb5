"""Regenerate this folder's fixtures from the large ones: `python -m tests.parity.make`.

Nothing is written unless every network's weights by the fill rule are the reference's, bit by bit,
the network passes the complete comparison with the large fixture, and then the comparison with the
stored values.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import torch

from tests.parity import asgcn
from tests.parity.asgcn import AIM, FULL, SMALL
from tests.parity.fixtures import (
    ALL,
    FOLDER,
    LARGE,
    compare,
    digest,
    large,
    parameters,
    sampled,
    statistics,
    unpacked,
)
from tests.parity.networks import (
    FULL_SIZE,
    Fixture,
    compare_full_size,
    compare_gradients,
    compare_outputs,
    gradients,
    network_input,
    stage_names,
    stages,
    with_weights,
)

# stored: of the large graphs.npz all but these, of transforms.npz what the tests read
UNREAD = ("/inward", "/center", "/hop_dis_maxhop1", "/k_adjacency_with_self", "/edge", "/edges")
UNREAD += ("/opposite",)
TRANSFORMS = ("ann2d/", "ann2d_openpose18/", "ann3d/", "ann3d_1p/")
TRANSFORMS += ("pyskl/PreNormalize2D/", "pyskl/coco/PreNormalize2D+GenSkeFeat/")
TRANSFORMS += ("f32in/PreNormalize3D/", "f32in/nturgb+d/PreNormalize3D+GenSkeFeat/")
TRANSFORMS += ("mmaction2/openpose/", "UniformSampleFrames/mmaction2/")
ABOUT = ("source", "commit", "args", "note", "input", "logits", "n_params")


def state_of(case: str, about: dict[str, Any], fixture: Fixture) -> dict[str, torch.Tensor]:
    """Our network's state with a fixture's weights."""
    if case == AIM:
        return asgcn.aim_with_weights(fixture).state_dict()
    if case in (SMALL, FULL):
        state = asgcn.asgcn_with_weights(case, fixture).state_dict()
        return {k: v for k, v in state.items() if ".aim." not in k}
    return with_weights(case, about, fixture)[0].state_dict()


def compare_weights(case: str, about: dict[str, Any], full: Fixture, stored: Fixture) -> None:
    """Check that the fill rule and the stored values reproduce the reference's weights."""
    theirs, ours = (state_of(case, about, f) for f in (full, stored))
    for name, value in theirs.items():
        last = name.rsplit(".", 1)[-1]  # computed, not drawn: equal up to rounding
        graph = last == "A" or (last == "PA" and case == "orig_ctrgcn_V25")
        if "num_batches_tracked" not in name:
            near = 1e-6 if graph else 0
            np.testing.assert_allclose(
                ours[name], value, rtol=near, atol=near, err_msg=f"{case}: {name}"
            )


def compare_full(case: str, about: dict[str, Any], full: Fixture) -> None:
    """The comparison of the tests that need the large fixtures."""
    if case == AIM:
        return asgcn.compare_aim(asgcn.aim_with_weights(full), full)
    if case in (SMALL, FULL):
        net = asgcn.asgcn_with_weights(case, full)
        if case == FULL:
            return asgcn.compare_full_size(net, full)
        features = asgcn.compare_backbone_and_forecast(net, full)
        expected = full["stage/class_layer_8"]
        return np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    net, theirs = with_weights(case, about, full)
    x = network_input(full, case)
    if case in FULL_SIZE:
        return compare_full_size(net, full, x, theirs)
    compare_outputs(net, full, x, theirs)
    if "train/label" in full:
        compare_gradients(case, gradients(net, full, x, theirs), full)
    net, _ = with_weights(case, about, full)
    names = stage_names(case, [k[6:] for k in full if k.startswith("stage/")])
    for name, value in stages(net, x, names).items():
        np.testing.assert_allclose(value, full[f"stage/{name}"], rtol=1e-3, atol=1e-4)
    return None


def packed(case: str, about: dict[str, Any], full: Fixture) -> tuple[dict[str, Any], Fixture]:
    """The values of a case that are stored: only the reference's numbers."""
    stored_about = {k: about[k] for k in ABOUT if k in about}
    if case.startswith("kth_spatial"):
        with np.load(LARGE / "graphs.npz") as graphs:
            stored_about["distances"] = graphs["kth/example_mean_distances"].tolist()
    stored = {k: v for k, v in full.items() if k.startswith(("out/", "train/"))}
    if case == AIM:
        stored |= {k: full[k] for k in ("in/x", "in/gumbel_uniform")}
        stored["out/edges_onehot"] = full["out/edges_onehot"].astype(np.uint8)
        for key in ("out/prob", "out/x_nodes"):  # the latter is in/x in another order
            stored.pop(key)
    if case == SMALL:
        stored["in/x_last"] = full["in/x_last"]
        stored.pop("out/target")
        stored["stages"] = sampled(full["stage/class_layer_8"])[None]
    names = statistics(case, stored_about)
    stored["statistics"] = np.concatenate([full[f"sd/{n}"].ravel() for n in names])
    if "train/label" in full:
        if case in FULL_SIZE:
            norms = [full[f"gradnorm/{n}"] for n in parameters(case, stored_about)]
            stored["gradnorms"] = np.array(norms, np.float32)
        else:
            after = [full[f"after_train_step_bn/{n}"].ravel() for n in names]
            stored["statistics_after"] = np.concatenate(after)
            expected = {k[5:]: v for k, v in full.items() if k.startswith("grad/")}
            names = parameters(case, stored_about)
            assert set(names) <= expected.keys(), f"{case}: gradients are missing"
            stored["gradients"] = digest({n: expected[n] for n in names}).astype(np.float32)
    if "asgcn" not in case and case not in FULL_SIZE:
        shared = stage_names(case, [k[6:] for k in full if k.startswith("stage/")])
        stored_about["stages"] = shared
        stored["stages"] = np.stack([sampled(full[f"stage/{n}"]) for n in shared])
    return stored_about, {f"{case}:{k}": v for k, v in stored.items()}


def networks() -> tuple[dict[str, Any], Fixture]:
    abouts, content = {}, {}
    for case in ALL:
        about, full = large(case)
        stored_about, stored = packed(case, about, full)
        abouts[case] = json.loads(json.dumps(stored_about))
        read = unpacked(case, abouts[case], stored)
        np.testing.assert_array_equal(read["in/x"], full["in/x"])
        if case == SMALL:
            np.testing.assert_array_equal(read["in/A_act"], full["in/A_act"])
        compare_weights(case, abouts[case], full, read)
        compare_full(case, about, full)
        spread = full["out/logits"].std(axis=0).mean()
        assert spread > 0.01, f"{case}: all samples have the same logits"
        compare(case, abouts[case], read)
        content |= stored
        print(f"{case:36} {sum(v.nbytes for v in stored.values()):8} bytes, logits {spread:.2f}")
    return abouts, content


def state_dicts() -> dict[str, list[tuple[str, list[int]]]]:
    """The names and shapes of every reference's state dict, in its order."""
    found = {}
    for file in sorted(LARGE.glob("*.json")):
        about = json.loads(file.read_text())
        if "state_dict" in about:
            found[file.stem] = [(name, shape) for name, shape, *_ in about["state_dict"]]
    return found


def lean(value: np.ndarray) -> np.ndarray:
    """The same values in smaller types; coordinates stay float32."""
    if value.dtype.kind == "i":
        return value.astype(np.int16)
    return value.astype(np.float32) if value.dtype == np.float64 else value


def main() -> None:
    abouts, content = networks()
    graphs = np.load(LARGE / "graphs.npz")
    transforms = np.load(LARGE / "transforms.npz")
    np.savez_compressed(FOLDER / "networks.npz", **content)
    with gzip.GzipFile(FOLDER / "state_dicts.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(state_dicts()).encode())
    text = json.dumps(abouts, indent=1)
    (FOLDER / "networks.json").write_text(text + "\n")
    np.savez_compressed(
        FOLDER / "graphs.npz", **{k: graphs[k] for k in graphs.files if not k.endswith(UNREAD)}
    )
    np.savez_compressed(
        FOLDER / "transforms.npz",
        **{k: lean(transforms[k]) for k in transforms.files if k.startswith(TRANSFORMS)},
    )


if __name__ == "__main__":
    main()
