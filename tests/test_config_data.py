"""Configs without code: TOML, YAML and JSON, and that they never cause code to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skelact import config, config_data
from skelact.cli import main
from skelact.errors import ConfigError
from skelact.recipe import compose

SECTIONS: dict[str, Any] = {
    "_base_": ["datasets/folder.py", "training/small.py"],
    "model": {"name": "stgcn_small"},
    "train": {"epochs": 20, "lr": 0.001, "milestones": [3, 7]},
}
TEXTS = {
    "c.toml": """
        _base_ = ["datasets/folder.py", "training/small"]
        model = {name = "stgcn_small"}
        [train]
        epochs = 20
        lr = 1e-3
        milestones = [3, 7]
    """,
    "c.yaml": """
_base_: [datasets/folder.py, training/small]
model: {name: stgcn_small}
train:
  epochs: 20
  lr: 1e-3
  milestones:
  - 3
  - 7
""",
    "c.yml": "_base_: [datasets/folder, training/small]\nmodel:\n  name: stgcn_small\n"
    "train: {epochs: 20, lr: 0.001, milestones: [3, 7]}\n",
    "c.json": json.dumps(SECTIONS),
}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def planted(path: Path) -> Path:
    """A Python file that leaves a trace when it is executed."""
    trace = path.with_suffix(".executed")
    return write(
        path, f"from pathlib import Path\nPath({str(trace)!r}).touch()\ntrain = dict(epochs=3)\n"
    )


def executed(folder: Path) -> list[Path]:
    return list(folder.rglob("*.executed"))


@pytest.mark.parametrize("name", TEXTS)
def test_the_same_recipe_in_every_format(name: str, tmp_path: Path) -> None:
    lines = [f"{k} = {v!r}" for k, v in SECTIONS.items()]
    python = compose(None, None, write(tmp_path / "c.py", "\n".join(lines)), {})
    assert compose(None, None, write(tmp_path / name, TEXTS[name]), {}) == python
    assert (python.train.epochs, python.train.milestones) == (20, (3, 7))


def test_formats_extend_each_other(tmp_path: Path) -> None:
    """In order, key by key, relative to the file that names them; Python may extend any of them."""
    write(tmp_path / "a.yaml", "train: {epochs: 1, lr: 0.1}\nmodel: {name: sgn}")
    write(
        tmp_path / "more" / "b.json", '{"_base_": "../a.yaml", "train": {"lr": 0.2, "warmup": 3}}'
    )
    write(tmp_path / "c.toml", "_base_ = ['a.yaml', 'more/b.json']\ntrain.epochs = 2")
    write(tmp_path / "d.py", "_base_ = 'c.toml'\nclips = dict(length_s=3.0)")
    content = {"train": {"epochs": 2, "lr": 0.2, "warmup": 3}, "model": {"name": "sgn"}}
    assert config.load(tmp_path / "c.toml") == content
    assert config.load(tmp_path / "d.py") == content | {"clips": {"length_s": 3.0}}


def test_the_dataset_can_be_replaced(tmp_path: Path) -> None:
    lines = [f"{k} = {v!r}" for k, v in SECTIONS.items()]
    files = write(tmp_path / "c.py", "\n".join(lines)), write(tmp_path / "c.toml", TEXTS["c.toml"])
    first, second = (compose("mads", None, file, {}) for file in files)
    assert first == second and first.dataset.name == "mads"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("_base_ = 'mine.py'", "the base 'mine.py' is Python, which would be executed"),
        ("_base_ = './mine.py'", "is Python, which would be executed"),
        ("_base_ = ['more/mine.py']", "is Python, which would be executed"),
        ("_base_ = '{folder}/mine.py'", "is Python, which would be executed"),
        ("_base_ = 'mine.PY'", "is Python, which would be executed"),
        ("_base_ = 'second.toml'", "is Python, which would be executed"),
        ("_base_ = 'mine'", "exists neither in"),
        ("_base_ = 'mine.executable'", "exists neither in"),
        ("_base_ = '../../mine.py'", "exists neither in"),
        ("_base_ = {x = 1}", "must be names of files"),
        ("pose = {estimator = 'custom', config = 'mine.py'}", "is Python and would be executed"),
    ],
)
def test_no_python_of_the_user_runs(text: str, says: str, tmp_path: Path) -> None:
    for name in ("mine.py", "more/mine.py", "mine.PY", "mine", "mine.executable"):
        planted(tmp_path / "in" / name)
    write(tmp_path / "in" / "second.toml", "_base_ = 'more/mine.py'")
    file = write(tmp_path / "in" / "c.toml", text.replace("{folder}", str(tmp_path / "in")))
    with pytest.raises(ConfigError, match=says):
        config.load(file)
    assert executed(tmp_path) == []
    # the traps work: the same base of a Python config is executed
    config.load(write(tmp_path / "in" / "c.py", "_base_ = 'mine.py'"))
    assert executed(tmp_path) != []


def test_a_shipped_name_is_the_shipped_file(tmp_path: Path) -> None:
    """A Python file of the same name beside a config without code does not take its place."""
    planted(tmp_path / "training" / "small.py")
    file = write(tmp_path / "c.toml", "_base_ = 'training/small.py'")
    assert config.load(file) == config.load("training/small") and executed(tmp_path) == []


def test_data_with_the_name_of_python_is_not_executed(tmp_path: Path) -> None:
    planted(tmp_path / "mine.py")
    (tmp_path / "mine.toml").symlink_to(tmp_path / "mine.py")
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(write(tmp_path / "c.toml", "_base_ = 'mine.toml'"))
    assert executed(tmp_path) == []


DEEP = "[" * 100_000
BAD = [
    ("c.toml", "[train]\nepochs = \n", r"c.toml is not TOML: .*\(at line 2, column 1"),
    ("c.toml", "train = {epochs = 1}\ntrain = 2", "Cannot overwrite a value"),
    ("c.toml", "train.lr = nan", "train.lr must be a finite number, got nan"),
    ("c.toml", "train.date = 1979-05-27", "train.date is a date, which no option takes"),
    ("c.toml", "train.x = " + DEEP, "is nested deeper than 8 levels"),
    ("c.toml", "a.b.c.d.e.f.g.h.i = 1", "is nested deeper than 8 levels"),
    ("c.yaml", "train:\n  epochs: 1\n lr: 2", r"c.yaml is not YAML: .*\(at line 3, column 2\)"),
    ("c.yaml", "train: {epochs: 1}\ntrain: {lr: 1}", r"'train' is there twice \(at line 2"),
    ("c.yaml", "train: !!python/object/apply:os.system ['touch x.executed']", "at line 1"),
    ("c.yaml", "a: &a [x, x]\nb: [*a, *a]", r"aliases are not read.*\(at line 2, column 5\)"),
    ("c.yaml", "train: {lr: .nan}", "must be a finite number"),
    ("c.yaml", "train: !!binary aGVsbG8=", "train is a bytes"),
    ("c.yaml", "? [1, 2]\n: 3", "is not YAML"),
    ("c.yaml", "1: 2", "the key 1 in the file is no name"),
    ("c.yaml", "a: 1\n---\nb: 2", r"at line 2"),
    ("c.yaml", "train: \x07", "is not YAML"),
    ("c.yaml", "", "c.yaml is empty"),
    ("c.yaml", "just a text", "c.yaml is a str"),
    ("c.yaml", "x: " + DEEP, "is nested deeper than 8 levels"),
    ("c.json", '{"train":\n {"epochs": 1,}}', r"is not JSON: .*\(at line 2, column"),
    ("c.json", '{"train": 1, "train": 2}', "'train' is there twice"),
    ("c.json", '{"train": {"lr": NaN}}', "must be a finite number"),
    ("c.json", '{"train": {"lr": 1e999}}', "must be a finite number"),
    ("c.json", '{"train": {"epochs": ' + "9" * 5000 + "}}", "is not JSON"),
    ("c.json", "[1]", "c.json is a list"),
    ("c.json", '{"": 1}', "the key '' in the file is no name"),
    ("c.json", DEEP, "is nested deeper than 8 levels"),
    ("c.json", " " * 300_000, "is larger than 200 kB"),
    ("c.json", '{"_base_": [1]}', "_base_ must be names of files, got 1"),
    ("c.json", '{"_base_": "c.json"}', "extends itself"),
    ("c.json", '{"_base_": "\\u0000.json"}', "exists neither in"),
    ("c.json", '{"_private": {}}', "Unknown option _private"),
    ("c.json", '{"train": 3}', "train is a section, not a value"),
    ("c.json", '{"dataset": 3}', "dataset is a section, not a value"),
    ("c.json", '{"model": 3}', "model must be dict"),
    ("c.json", '{"train": {"epohcs": 3}}', "did you mean 'train.epochs'"),
]


@pytest.mark.parametrize(("name", "text", "says"), BAD, ids=range(len(BAD)))
def test_bad_files_are_named(name: str, text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        compose("mads", None, write(tmp_path / name, text), {})
    assert executed(tmp_path) == []


def test_other_encodings_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes("# one\n# gr\xfcn".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"c.toml is not UTF-8 \(at line 2\)"):
        config.load(tmp_path / "c.toml")
    (tmp_path / "c.json").write_bytes(b'\xef\xbb\xbf{"train": {"epochs": 3}}')  # Windows' mark
    assert config.load(tmp_path / "c.json") == {"train": {"epochs": 3}}


def test_yaml_has_the_plain_values_of_version_1_2(tmp_path: Path) -> None:
    text = "{a: 1e-3, b: off, c: 010, d: ~, e: true, f: 2001-01-01, g: 1:30, h: -2., i: '3', j: <<}"
    values = config_data.read(write(tmp_path / "c.yaml", text))
    assert values == {
        **{"a": 0.001, "b": "off", "c": 10, "d": None, "e": True, "f": "2001-01-01"},
        **{"g": "1:30", "h": -2.0, "i": "3", "j": "<<"},
    }


def test_many_bases_end(tmp_path: Path) -> None:
    """Each file extends the next one twice: 2 ** 30 files without a limit."""
    for n in range(30):
        write(tmp_path / f"{n}.json", json.dumps({"_base_": [f"{n + 1}.json"] * 2}))
    write(tmp_path / "30.json", "{}")
    with pytest.raises(ConfigError, match="extends more than 100 files"):
        config.load(tmp_path / "0.json")


def test_train_takes_a_file_without_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "c.toml", "_base_ = 'stgcn_mads'\ntrain.epohcs = 3")
    assert main(["train", "--config", str(file)]) == 2
    assert "did you mean 'train.epochs'" in capsys.readouterr().err
    assert main(["train", "--config", str(tmp_path / "c.ini")]) == 2
    assert ".py, .toml, .yaml, .yml, .json" in capsys.readouterr().err
