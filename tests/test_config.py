from __future__ import annotations

from pathlib import Path

import pytest

from skelact import config
from skelact.errors import ConfigError
from skelact.options import TrainOptions
from skelact.recipe import Recipe, compose


@pytest.mark.parametrize("name", config.recipes())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    recipe = compose("mads", None, name, {})
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
        (["train.epoch=3"], "train.epoch .did you mean 'epochs'"),
        (["trian.epochs=3"], "did you mean 'train'"),
        (["train.epochs='many'"], "must be int"),
        (["train.epochs=True"], "must be int"),
        (["train=3"], "section"),
        (["train.lr=-1"], "lr must be positive"),
        (["sampling.method=nowhere"], "sampling method"),
        (["normalise.dims=4"], "dims"),
        (["sequence.persons=none"], "persons"),
        (["clips.overlap_s=5"], "does not move on"),
        (["nonsense"], "section.key=value"),
        (["augment.flip=2"], "out of range"),
    ],
)
def test_bad_settings_are_named(changes: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        compose("mads", None, None, config.overrides(changes))


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


def test_help_comes_from_the_options() -> None:
    assert config.help_of(TrainOptions, "epochs") == "epochs at most"
