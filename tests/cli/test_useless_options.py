"""Options that would have no effect are errors, before anything is computed or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.cli import main
from skelact.cli.predict import check_details
from skelact.errors import ConfigError
from skelact.options import PredictOptions
from skelact.skeletons import SKELETONS


def test_hands_that_a_network_uses_need_no_overlay() -> None:
    hand, body = SKELETONS["hand-21"], SKELETONS["coco-17"]
    check_details(PredictOptions(hands=True), [body, hand])
    with pytest.raises(ConfigError, match="--face needs --overlay"):
        check_details(PredictOptions(hands=True, face=True), [body, hand])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("enroll everyday --list --shots 3", "go without the options of examples"),
        ("enroll everyday --remove wave --method jsd", "go without the options of examples"),
        ("enroll everyday --list --out x.pt", "--list writes nothing"),
        ("calibrate runs/mine --undo --score energy", "--undo goes without"),
        ("calibrate runs/mine --undo --target-fpr 0.2", "--undo goes without"),
        ("explain everyday --graph --out x", "everyday is not a run folder"),
        ("poses export clip.mp4 --format coco --dims 3", "the same content with all dimensions"),
        ("train --dataset mads --model rocket --epochs 16", "closed form, without epochs"),
        ("train --dataset mads --model rocket --set train.lr=0.1", "closed form, without lr"),
        ("train --dataset mads --model rocket --log csv", "there are no epochs"),
        (
            "sweep --dataset mads --model rocket --set train.lr=0.1 --over train.ridge_alpha=1,2",
            "lr",
        ),
        ("poses --json export clip.mp4 --format trc", "--json in front of a command has no effect"),
        ("compare . runs/nothing", "no such run folder"),
        ("predict clip.mp4 --hands", "--hands needs --overlay, because the model does not use"),
        ("predict clip.mp4 --face --csv a.csv", "--face needs --overlay, because the model"),
        ("predict clip.mp4 --hands --overlay out", "clip.mp4: no such file"),
        ("app . --model nothing --no-browser --port 0", "nothing is not a run folder, a file or"),
        ("app . --model no.pt --no-browser --port 0", "There is no model no.pt"),
        ("app . --cache-dir= --no-browser --port 0", "The name of the cache is empty"),
    ],
)
def test_useless_options(
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not [p for p in tmp_path.iterdir() if p.name != ".skelact"]
