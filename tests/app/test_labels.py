"""labels.csv of a project: written at once, undone, changed by others; and `skelact labels`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelact.app import labels as labels_module
from skelact.app.labels import LabelTable
from skelact.cli import main
from skelact.datasets.folder import table
from skelact.errors import InputError
from skelact.interop.annotations import LabelledSpan
from tests.helpers import encode


def span(
    video: Path,
    label: str = "wave",
    start: float = 0,
    end: float | None = 1,
    who: int | None = None,
) -> LabelledSpan:
    return LabelledSpan(video=str(video), label=label, start_s=start, end_s=end, person_id=who)


def test_every_change_is_on_the_disk_and_can_be_undone(tmp_path: Path) -> None:
    labels = LabelTable(tmp_path / "labels.csv")
    video = tmp_path / "a.mp4"
    (first,) = labels.add([span(video)])
    labels.add([span(video, "=cmd()", 1, None)])
    text = "path,label,start,end,person_id\na.mp4,wave,0,1,\na.mp4,'=cmd(),1,,\n"
    assert labels.file.read_text() == text
    labels.update(first, span(video, "clap", 0.25, 0.75, who=2))
    assert "a.mp4,clap,0.25,0.75,2\n" in labels.file.read_text()
    labels.remove(first)
    assert [row.label for row in labels.rows()] == ["=cmd()"]
    assert labels.steps == (4, 0)
    assert labels.undo() and labels.undo() and labels.file.read_text() == text
    assert labels.redo() and labels.steps == (3, 1)
    labels.add([span(video, "walk", 0.8, 0.9)])  # a new change: nothing to do again
    assert not labels.redo()
    for _ in range(4):
        assert labels.undo()
    assert not labels.undo() and labels.rows() == ()
    items = table_items(tmp_path, labels)
    assert items == []


def table_items(folder: Path, labels: LabelTable) -> list[str]:
    """What `skelact train` reads."""
    return [item.name(folder) for item in table(labels.file).items] if labels.rows() else []


def test_training_reads_what_is_written(tmp_path: Path) -> None:
    labels = LabelTable(tmp_path / "labels.csv")
    labels.add([span(tmp_path / "x" / "a.mp4", "wave", 1234.567, 2345.678, 3)])
    labels.add([span(Path("/elsewhere/b.mp4"), "clap", 0, None)])
    items = table(labels.file).items
    assert [i.person_id for i in items] == [3, None]
    assert items[0].span_s == (1234.567, 2345.678) and items[1].span_s is None
    assert items[0].name(tmp_path) == "x/a.mp4@1234.57-2345.68@person3"
    assert items[1].path == Path("/elsewhere/b.mp4")


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (("", 5, 6, None), "is no label"),
        (("a\x1b[31m", 5, 6, None), "is no label"),
        (("x" * 101, 5, 6, None), "is no label"),
        (("wave", 6, 5, None), "from 6 s to 5"),
        (("wave", -1, 5, None), "from -1 s"),
        (("wave", float("nan"), 5, None), "from nan s"),
        (("wave", 0, float("inf"), None), "to inf"),
        (("clap", 1.5, 4, None), "clap overlaps wave, from 1 s to 2 s"),
        (("clap", 1.5, 4, 0), "overlaps"),
        (("clap", 0, None, 0), "overlaps"),
    ],
)
def test_impossible_labels(
    new: tuple[str, float, float | None, int | None], message: str, tmp_path: Path
) -> None:
    labels = LabelTable(tmp_path / "labels.csv")
    video = tmp_path / "a.mp4"
    labels.add([span(video, "wave", 1, 2, 0)])
    before = labels.file.read_bytes()
    with pytest.raises(InputError, match=message):
        labels.add([span(video, *new)])
    assert labels.file.read_bytes() == before and labels.steps == (1, 0)
    labels.add([span(video, "clap", 1, 2, 1), span(video, "clap", 2, 3, 0)])  # others, or later


def test_columns_and_changes_of_others_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("label,path,subject,start,end\nwave,a.mp4,anna,0,1\n")
    labels = LabelTable(file)
    labels.add([span(tmp_path / "a.mp4", "clap", 2, 3)])
    text = "path,label,start,end,person_id,subject\na.mp4,wave,0,1,,anna\na.mp4,clap,2,3,,\n"
    assert file.read_text() == text
    file.write_text(text.replace("anna", "ben"))  # by another program: nothing to undo any more
    assert not labels.undo() and "ben" in file.read_text()
    file.write_text("path,label\n,\n")
    with pytest.raises(InputError, match="path or label is empty"):
        labels.rows()
    file.unlink()
    assert labels.rows() == ()


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "remove", "undo", "redo"]), st.integers(0, 20)),
        max_size=25,
    )
)
def test_undo_goes_back_through_any_history(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The rows are those of a list of states with a position in it."""
    folder = tmp_path_factory.mktemp("labels")
    labels = LabelTable(folder / "labels.csv")
    states: list[list[int]] = [[]]
    at = 0
    for kind, n in steps:
        now = [round(row.start_s) for row in labels.rows()]
        assert now == states[at]
        if kind == "add" and n not in now:
            labels.add([span(folder / "a.mp4", "x", n, n + 1)])
            states, at = [*states[: at + 1], [*now, n]], at + 1
        elif kind == "remove" and now:
            labels.remove(labels.rows()[n % len(now)].id)
            states = [*states[: at + 1], [t for k, t in enumerate(now) if k != n % len(now)]]
            at += 1
        elif kind == "undo":
            assert labels.undo() == (at > 0)
            at = max(0, at - 1)
        elif kind == "redo":
            assert labels.redo() == (at + 1 < len(states))
            at = min(len(states) - 1, at + 1)


def test_import_and_export_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "color=red:size=64x48:rate=25:duration=3.6"
    encode(tmp_path / "films" / "walk.mp4", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p")
    region = {"ranges": [{"start": 1, "end": 50}], "timelinelabels": ["walk"]}
    result = {"value": region, "type": "timelinelabels"}
    task = {"data": {"video": "/data/upload/1/walk.mp4"}, "annotations": [{"result": [result]}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    assert main(["labels", "import", "export.json", "--videos", "films", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "labels.csv", "labels": 1}
    rows = "path,label,start,end,person_id\nfilms/walk.mp4,walk,0,2,\n"
    assert Path("labels.csv").read_text() == rows
    assert main(["labels", "import", "export.json", "--videos", "films"]) == 2  # overlaps
    assert "overlaps" in capsys.readouterr().err and Path("labels.csv").read_text() == rows
    for form, suffix in (("elan", ".eaf"), ("via", ".csv"), ("label-studio", ".json")):
        out = f"out{suffix}"
        arguments = ["labels", "export", "labels.csv", "--format", form, "--out", out]
        assert main(arguments) == 0 and main(arguments) == 2
        assert main(["labels", "import", out, "--videos", "films", "--out", f"{form}.csv"]) == 0
        assert Path(f"{form}.csv").read_text() == rows
    for wrong in (
        ["labels", "export", "labels.csv", "--format", "word", "--out", "x.doc"],
        ["labels", "export", "labels.csv", "--format", "elan", "--out", "labels.csv"],
        ["labels", "export", "labels.csv", "--format", "elan", "--out", "x.eaf", "--video", "no"],
        ["labels", "import", "absent.json", "--videos", "films"],
        ["labels", "import", "export.json", "--videos", "absent"],
    ):
        assert main(wrong) == 2, wrong
    assert main(["labels"]) == 0 and "Label Studio" in capsys.readouterr().out


@pytest.mark.parametrize(("form", "suffix"), [("via", ".csv"), ("label-studio", ".json")])
def test_videos_of_the_same_name_are_not_mixed_up(
    form: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "color=red:size=64x48:rate=25:duration=2"
    first = encode(tmp_path / "wave" / "1.mp4", "-f", "lavfi", "-i", source)
    (tmp_path / "kick").mkdir()
    shutil.copy(first, "kick/1.mp4")
    rows = "path,label,start,end,person_id\nwave/1.mp4,wave,0,1,\nkick/1.mp4,kick,0,1,\n"
    Path("labels.csv").write_text(rows)
    command = ["labels", "export", "labels.csv", "--format", form, "--out"]
    assert main([*command, f"all{suffix}"]) == 0
    assert main(["labels", "import", f"all{suffix}", "--videos", ".", "--out", "new.csv"]) == 0
    assert Path("new.csv").read_text() == rows
    assert main([*command, f"one{suffix}", "--video", "kick/1.mp4"]) == 0
    assert "wave" not in Path(f"one{suffix}").read_text()


def test_the_path_of_a_video_is_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[Path] = []
    labels = LabelTable(tmp_path / "labels.csv")
    resolve = Path.resolve

    def counting(path: Path, strict: bool = False) -> Path:
        looked_up.append(path)
        return resolve(path, strict)

    def table_text(rows: object, folder: Path) -> str:
        return "path,label\n"

    monkeypatch.setattr(labels_module, "table_text", table_text)
    monkeypatch.setattr(Path, "resolve", counting)
    labels.add([span(tmp_path / "a.mp4", "wave", n, n + 1) for n in range(300)])
    assert len(looked_up) < 10 and len(labels.rows()) == 300
    with pytest.raises(InputError, match="overlaps"):
        labels.add([span(tmp_path / "b.mp4", "wave", n, n + 1.5) for n in range(2)])


def test_a_table_that_is_missing_is_not_an_empty_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.csv"
    words = ["labels", "export", str(tmp_path / "no.csv"), "--format", "via", "--out", str(out)]
    assert main(words) == 2 and "no such file" in capsys.readouterr().err and not out.exists()
