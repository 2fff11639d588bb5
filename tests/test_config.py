from __future__ import annotations

from pathlib import Path

import pytest

from skelact import config
from skelact.errors import ConfigError
from skelact.options import TrainOptions
from skelact.recipe import Recipe, compose


@pytest.mark.parametrize("name", config.recipes())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    recipe = compose(None, None, name, {})
    assert Recipe.from_dict(recipe.as_dict()) == recipe


def test_thesis_and_modern_ways() -> None:
    thesis, modern = compose("mads", None, "stgcn_mads_thesis", {}), compose("mads", None, None, {})
    assert (thesis.sampling.method, thesis.sampling.length) == ("wrap", 300)
    assert (modern.sampling.method, modern.sampling.length) == ("uniform", 100)
    assert thesis.clips.length_s == modern.clips.length_s == 5
    assert modern == compose("mads", None, "stgcn_mads", {})
    small = compose("mads", "stgcn_small", None, {})
    assert (small.model, small.train) == ({"name": "stgcn_small"}, modern.train)
    rocket = compose("mads", "rocket", None, {"train": {"repeat": 2}}).train
    assert (rocket.epochs, rocket.repeat) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["train.epoch=3"], "train.epoch .did you mean 'train.epochs'"),
        (["trian.epochs=3"], "did you mean 'train'"),
        (["train.epochs='many'"], "must be int"),
        (["train.epochs=True"], "must be int"),
        (["train=3"], "section"),
        (["train.lr=-1"], "lr must be greater than 0"),
        (["sampling.method=nowhere"], "method must be one of uniform"),
        (["normalise.dims=4"], "dims must be between 2 and 3, got 4"),
        (["sequence.persons=none"], "persons"),
        (["clips.overlap_s=5"], "must be less than the clip length"),
        (["nonsense"], "section.key=value"),
        (["augment.flip=2"], "flip must be between 0 and 1"),
        (["train.milestones=['a']"], "train.milestones must be int, got 'a'"),
        (["augment.rotate3d_rad=[None]"], "augment.rotate3d_rad must be float, got None"),
    ],
)
def test_bad_settings_are_named(changes: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        compose("mads", None, None, config.overrides(changes))


def test_later_overrides_win() -> None:
    assert config.overrides(["a.b=1", "a.c=2", "a.b=3"]) == {"a": {"b": 3, "c": 2}}
    assert config.overrides(["a=1", "a.b=2"]) == {"a": {"b": 2}}
    assert config.overrides(["a={'b': 1}", "a.c=2"]) == {"a": {"b": 1, "c": 2}}


def test_overrides_are_typed() -> None:
    recipe = compose("mads", None, None, config.overrides(["train.lr=1", "sequence.persons=2"]))
    assert recipe.train.lr == 1.0 and isinstance(recipe.train.lr, float)
    assert recipe.sequence.persons == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mds", None, None), "did you mean 'mads'"),
        (("mads", "stgn", None), "did you mean 'stgcn'"),
        (("mads", None, "stgcn_mad"), "did you mean 'stgcn_mads'"),
        (("mads", None, "missing.py"), "no such config"),
    ],
)
def test_unknown_names(arguments: tuple[str, str | None, str | None], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        compose(*arguments, {})


def test_a_config_that_is_no_config(tmp_path: Path) -> None:
    file = tmp_path / "c.py"
    file.write_text("train = dict(epochs=1/0)")
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        config.load(file)


def test_a_config_extends_others(tmp_path: Path) -> None:
    """In order, key by key, with paths relative to the config; what it imports is no section."""
    (tmp_path / "more").mkdir()
    (tmp_path / "a.py").write_text("train = dict(epochs=1, lr=0.1)\nmodel = dict(name='sgn')")
    (tmp_path / "more" / "b.py").write_text("_base_ = '../a.py'\ntrain = dict(lr=0.2, warmup=3)")
    (tmp_path / "c.py").write_text(
        "import math\n_base_ = ['a.py', 'more/b.py']\ntrain = dict(epochs=math.ceil(1.5))"
    )
    assert config.load(tmp_path / "c.py") == {
        "train": {"epochs": 2, "lr": 0.2, "warmup": 3},
        "model": {"name": "sgn"},
    }


@pytest.mark.parametrize(
    ("base", "says"), [("c.py", "extends itself"), ("nowhere.py", "exists neither in")]
)
def test_a_base_that_cannot_be_used(base: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text(f"_base_ = [{base!r}]")
    with pytest.raises(ConfigError, match=says):
        config.load(tmp_path / "c.py")


def test_help_comes_from_the_options() -> None:
    assert config.info_of(TrainOptions, "epochs").help == "Maximum number of epochs."


HALF = {
    **{"base_channels": 32, "num_stages": 6, "inflate_stages": [3, 5], "down_stages": [3, 5]},
    "dropout": 0.2,
}
SMALL = {"sampling": {"length": 64}, "train": {"epochs": 12, "lr": 0.4, "warmup": 20}}
FRAMES20 = {
    "sampling": {"length": 20, "test_clips": 5},
    "augment": {"rotate_rad": 0.3},
    "train": {
        **{"epochs": 60, "repeat": 1, "optimiser": "adam", "lr": 0.001, "base_batch_size": 0},
        **{"weight_decay": 0.0001, "schedule": "step", "milestones": [40, 52]},
        **{"label_smoothing": 0.1, "patience": 0},
    },
}
# what the recipe of each network on mads changes of stgcn's; the results in README were made so
ON_MADS: dict[str, dict[str, dict[str, object]]] = {
    "2s-agcn": {**SMALL, "model": HALF},
    "aagcn": {**SMALL, "model": HALF},
    "agcn": {**SMALL, "model": HALF},
    "asgcn": config.merge(
        SMALL,
        {"train": {"pretrain_epochs": 2}, "model": {"base_channels": 32, "tcn_dropout": 0.2}},
    ),
    "ctrgcn": config.merge(SMALL, {"train": {"epochs": 16, "lr": 0.2}, "model": HALF}),
    "ddnet": {
        "sampling": {"length": 64},
        "train": {"optimiser": "adamw", "lr": 0.002, "base_batch_size": 0, "weight_decay": 0.01},
    },
    "esan": FRAMES20,
    "msg3d": {
        **SMALL,
        "model": {"base_channels": 24, "gcn_scales": 8, "g3d_scales": 4, "dropout": 0.2},
    },
    "rocket": {
        "sampling": {"length": 64, "method": "linspace", "test_flip": True},
        "augment": {"rotate_rad": 0.1, "scale": 0.1, "noise": 0.005},
        "train": {"epochs": 1, "repeat": 4},
    },
    "sgn": FRAMES20,
    "stgcn": {},
    "stgcn-kth": {**SMALL, "model": {"base_channels": 32, "dropout": 0.2}},
    "stgcn_small": {},
    "stgcnpp": {**SMALL, "model": HALF},
}


@pytest.mark.parametrize("model", ON_MADS)
def test_networks_on_a_small_dataset(model: str) -> None:
    base = compose("mads", None, None, {}).as_dict()
    expected = config.merge(base, ON_MADS[model], {"model": {"name": model}})
    assert compose("mads", model, None, {}).as_dict() == expected


def test_networks_on_other_datasets_have_their_full_size() -> None:
    for dataset in ("ntu60", "nw-ucla"):
        recipe = compose(dataset, "msg3d", None, {})
        assert recipe.model == {"name": "msg3d"}
        assert recipe.train == compose(dataset, None, None, {}).train


def test_networks_on_own_data_have_their_small_size() -> None:
    own, mads = compose("folder", "msg3d", None, {}), compose("mads", "msg3d", None, {})
    assert own.model == mads.model and own.model["base_channels"] == 24


def test_a_named_network_replaces_that_of_a_recipe() -> None:
    recipe = compose("mads", "msg3d", "stgcn_mads_demo", {})
    assert recipe.model == {"name": "msg3d"} and recipe.train.warmup == 20
