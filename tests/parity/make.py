"""Writes this folder's fixtures anew out of the large ones: `python -m tests.parity.make`.

Nothing is written unless every network's weights by the fill rule are the reference's, bit by bit,
our network passes the whole comparison with the large fixture, and then the one with what is kept.
"""

from __future__ import annotations

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

# kept of the large graphs.npz: all but these; and of transforms.npz: what the tests read
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


def compare_weights(case: str, about: dict[str, Any], whole: Fixture, kept: Fixture) -> None:
    """The fill rule and what is kept give the reference's weights."""
    theirs, ours = (state_of(case, about, f) for f in (whole, kept))
    for name, value in theirs.items():
        graph = name.rsplit(".", 1)[-1] == "A"  # computed, not drawn: equal but for rounding
        if "num_batches_tracked" not in name:
            near = 1e-6 if graph else 0
            np.testing.assert_allclose(
                ours[name], value, rtol=near, atol=near, err_msg=f"{case}: {name}"
            )


def compare_whole(case: str, about: dict[str, Any], whole: Fixture) -> None:
    """The comparison of the tests that need the large fixtures."""
    if case == AIM:
        return asgcn.compare_aim(asgcn.aim_with_weights(whole), whole)
    if case in (SMALL, FULL):
        net = asgcn.asgcn_with_weights(case, whole)
        if case == FULL:
            return asgcn.compare_full_size(net, whole)
        features = asgcn.compare_backbone_and_forecast(net, whole)
        expected = whole["stage/class_layer_8"]
        return np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    net, theirs = with_weights(case, about, whole)
    x = network_input(whole, case)
    if case in FULL_SIZE:
        return compare_full_size(net, whole, x, theirs)
    compare_outputs(net, whole, x, theirs)
    if "train/label" in whole:
        compare_gradients(case, gradients(net, whole, x, theirs), whole)
    net, _ = with_weights(case, about, whole)
    names = stage_names(case, [k[6:] for k in whole if k.startswith("stage/")])
    for name, value in stages(net, x, names).items():
        np.testing.assert_allclose(value, whole[f"stage/{name}"], rtol=1e-3, atol=1e-4)
    return None


def packed(case: str, about: dict[str, Any], whole: Fixture) -> tuple[dict[str, Any], Fixture]:
    """What is kept of a case: the reference's numbers alone."""
    kept_about = {k: about[k] for k in ABOUT if k in about}
    if case.startswith("kth_spatial"):
        with np.load(LARGE / "graphs.npz") as graphs:
            kept_about["distances"] = graphs["kth/example_mean_distances"].tolist()
    kept = {k: v for k, v in whole.items() if k.startswith(("out/", "train/"))}
    if case == AIM:
        kept |= {k: whole[k] for k in ("in/x", "in/gumbel_uniform")}
        kept["out/edges_onehot"] = whole["out/edges_onehot"].astype(np.uint8)
        for key in ("out/prob", "out/x_nodes"):  # the latter is in/x in another order
            kept.pop(key)
    if case == SMALL:
        kept["in/x_last"] = whole["in/x_last"]
        kept.pop("out/target")
        kept["stages"] = sampled(whole["stage/class_layer_8"])[None]
    names = statistics(case, kept_about)
    kept["statistics"] = np.concatenate([whole[f"sd/{n}"].ravel() for n in names])
    if "train/label" in whole:
        if case in FULL_SIZE:
            norms = [whole[f"gradnorm/{n}"] for n in parameters(case, kept_about)]
            kept["gradnorms"] = np.array(norms, np.float32)
        else:
            after = [whole[f"after_train_step_bn/{n}"].ravel() for n in names]
            kept["statistics_after"] = np.concatenate(after)
            given = {k[5:]: v for k, v in whole.items() if k.startswith("grad/")}
            wanted = parameters(case, kept_about)
            assert set(wanted) <= given.keys(), f"{case}: gradients are missing"
            kept["gradients"] = digest({n: given[n] for n in wanted}).astype(np.float32)
    if "asgcn" not in case and case not in FULL_SIZE:
        found = stage_names(case, [k[6:] for k in whole if k.startswith("stage/")])
        kept_about["stages"] = found
        kept["stages"] = np.stack([sampled(whole[f"stage/{n}"]) for n in found])
    return kept_about, {f"{case}:{k}": v for k, v in kept.items()}


def networks() -> tuple[dict[str, Any], Fixture]:
    abouts, content = {}, {}
    for case in ALL:
        about, whole = large(case)
        kept_about, kept = packed(case, about, whole)
        abouts[case] = json.loads(json.dumps(kept_about))
        found = unpacked(case, abouts[case], kept)
        np.testing.assert_array_equal(found["in/x"], whole["in/x"])
        if case == SMALL:
            np.testing.assert_array_equal(found["in/A_act"], whole["in/A_act"])
        compare_weights(case, abouts[case], whole, found)
        compare_whole(case, about, whole)
        spread = whole["out/logits"].std(axis=0).mean()
        assert spread > 0.01, f"{case}: all samples have the same logits"
        compare(case, abouts[case], found)
        content |= kept
        print(f"{case:36} {sum(v.nbytes for v in kept.values()):8} bytes, logits {spread:.2f}")
    return abouts, content


def lean(value: np.ndarray) -> np.ndarray:
    """The same numbers in fewer bytes; coordinates keep float32."""
    if value.dtype.kind == "i":
        return value.astype(np.int16)
    return value.astype(np.float32) if value.dtype == np.float64 else value


def main() -> None:
    abouts, content = networks()
    graphs = np.load(LARGE / "graphs.npz")
    transforms = np.load(LARGE / "transforms.npz")
    np.savez_compressed(FOLDER / "networks.npz", **content)
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
