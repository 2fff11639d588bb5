"""Output formats of predictions."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from skelact import cli
from skelact.errors import FfmpegError, InputError, OutputError, TruncatedVideo
from skelact.inference.predictor import Predictor
from skelact.report import writers
from skelact.report.overlay import write_overlay
from skelact.skeletons import SKELETONS
from skelact.types import BatchResult, Prediction, Segment
from skelact.video.probe import probe
from tests.helpers import pattern

TOY = '''"""Labels as text."""

from skelact.report.writers.base import Writer


def write(results, path):
    """One line per prediction."""
    labels = [p.label for result in results for p in result.predictions]
    path.write_text("\\n".join(labels))


WRITERS = (Writer(name="txt", suffix="txt", help="Write labels as text.", write=write),)
'''


@dataclass(frozen=True)
class Video:
    """A result without poses."""

    path: Path
    predictions: list[Prediction]
    extracted: Any = None


def video(name: str, *persons: int) -> Video:
    segments = (
        Segment(0.0, 1.5, "wave", 0.75, (0.75, 0.25)),
        Segment(1.5, 3661.25, "jump", 0.5, (0.5, 0.5)),
    )
    predictions = [
        Prediction(Path(name), person, "wave", 0.75, ("wave", "jump"), segments)
        for person in persons
    ]
    return Video(Path(name), predictions)


def names(*videos: Video) -> dict[Path, Path]:
    return {v.path: Path(v.path.stem) for v in videos}


def write(name: str, target: Path, *videos: Video, overwrite: bool = False) -> list[Path]:
    writer = writers.load_writers()[name]
    return writers.write(writer, videos, names(*videos), target, overwrite=overwrite)


def test_csv_has_one_file_for_all_videos(tmp_path: Path) -> None:
    target = tmp_path / "new" / "segments.csv"
    assert write("csv", target, video("a.mp4", 0), video("b.mp4", 0, 1)) == [target]
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["path"], r["person_id"]) for r in rows[::2]] == [
        ("a.mp4", "0"),
        ("b.mp4", "0"),
        ("b.mp4", "1"),
    ]
    assert rows[1] == {
        "path": "a.mp4",
        "person_id": "0",
        "start_s": "1.500",
        "end_s": "3661.250",
        "label": "jump",
        "probability": "0.5000",
        "score": "0.0000",
        "reason": "",
    }


def test_subtitles_of_one_video_and_of_several(tmp_path: Path) -> None:
    (file,) = write("srt", tmp_path / "one.srt", video("a.mp4", 0))
    assert file.read_text() == (
        "1\n00:00:00,000 --> 00:00:01,500\nwave\n\n2\n00:00:01,500 --> 01:01:01,250\njump\n\n"
    )
    files = write("srt", tmp_path / "folder", video("a.mp4", 0), video("b.mp4", 0, 1))
    assert files == [tmp_path / "folder" / "a.srt", tmp_path / "folder" / "b.srt"]
    assert "\n#1 wave\n" in files[1].read_text()


def test_several_videos_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are 2 videos"):
        write("srt", tmp_path / "one.srt", video("a.mp4", 0), video("b.mp4", 0))


def test_a_format_never_replaces_an_input(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"video")
    other = tmp_path / "b.mp4"
    other.hardlink_to(source)
    for target in (source, other):
        with pytest.raises(OutputError, match="is an input and is never replaced"):
            write("overlay", target, video(str(source), 0), overwrite=True)
    with pytest.raises(OutputError, match="is an input and is never replaced"):
        write("overlay", tmp_path, video(str(source), 0), overwrite=True)
    assert source.read_bytes() == b"video"


def test_a_table_of_several_sequences_is_an_input(tmp_path: Path) -> None:
    """The path of a sequence in a file is below the file."""
    table = tmp_path / "people.csv"
    table.write_text("frame,x,y")
    with pytest.raises(OutputError, match=r"people\.csv is an input and is never replaced"):
        write("csv", table, video(str(table / "first"), 0), overwrite=True)
    assert table.read_text() == "frame,x,y"


def test_existing_files_need_overwrite(tmp_path: Path) -> None:
    old = tmp_path / "a.srt"
    old.write_text("old")
    for target in (old, tmp_path):
        with pytest.raises(OutputError, match=r"a\.srt exists") as caught:
            write("srt", target, video("a.mp4", 0))
        assert "--overwrite" in caught.value.hint and old.read_text() == "old"
    dangling = tmp_path / "b.srt"
    dangling.symlink_to(tmp_path / "nothing")
    with pytest.raises(OutputError, match=r"b\.srt exists"):
        write("srt", dangling, video("a.mp4", 0))
    assert write("srt", tmp_path, video("a.mp4", 0), overwrite=True) == [old]
    assert old.read_text() != "old"


def test_overwrite_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "thesis.srt").write_text("mine")
    (tmp_path / "a.srt").symlink_to(tmp_path / "thesis.srt")
    write("srt", tmp_path / "a.srt", video("a.mp4", 0), overwrite=True)
    assert (tmp_path / "thesis.srt").read_text() == "mine"
    assert not (tmp_path / "a.srt").is_symlink()


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        ("csv", "result.mp4", r"The name of .*result\.mp4 must end in \.csv"),
        ("csv", "result", r"must end in \.csv"),
        ("csv", "folder.csv", "is a folder"),
        ("srt", "result.mp4", r"is neither a folder nor a \.srt file"),
        ("overlay", "result.avi", r"is neither a folder nor a \.mp4 file"),
        ("overlay", "file/new", "file is not a folder"),
    ],
)
def test_outputs_have_the_right_form(name: str, target: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=says):
        write(name, tmp_path / target, video("a.mp4", 0), overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_may_have_a_point_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "results.new").mkdir()
    for folder in ("results.new", "1.5"):
        target = tmp_path / folder
        assert write("srt", target, video("a.mp4", 0)) == [target / "a.srt"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    def fail(results: Any, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    old = tmp_path / "x.txt"
    old.write_text("old")
    writer = writers.Writer(name="txt", suffix="txt", help="", write=fail)
    with pytest.raises(InputError, match=r"Cannot write .*x\.txt: No space left"):
        writers.write(writer, [video("a.mp4", 0)], {}, old, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"] and old.read_text() == "old"


def test_a_new_format_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module in the package becomes an option of `skelact predict`."""
    package = tmp_path / "writers"
    package.mkdir()
    (package / "toy.py").write_text(TOY)
    monkeypatch.setattr(writers, "__path__", [*writers.__path__, str(package)])
    monkeypatch.delitem(sys.modules, "skelact.cli.predict", raising=False)

    def predict_many(*arguments: Any) -> BatchResult[Video]:
        arguments[-2]([Path("a.mp4"), Path("b.mp4")])
        return BatchResult(done=[video("a.mp4", 0), video("b.mp4", 0)])

    monkeypatch.setattr(Predictor, "predict_many", predict_many)
    assert cli.main(["predict", "--help"]) == 0 and "--txt" in capsys.readouterr().out
    assert cli.main(["predict", "a.mp4", "b.mp4", "--txt", "labels"]) == 0
    assert (tmp_path / "labels" / "a.txt").read_text() == "wave"
    assert (tmp_path / "labels" / "b.txt").read_text() == "wave"
    assert "txt: labels" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "skelact.report.writers.toy")


def test_an_overlay_of_a_truncated_video_ends_with_an_error(tmp_path: Path) -> None:
    """The encoder does not wait for the frames that are missing."""
    info = probe(pattern(tmp_path / "short.mp4"))
    announced = replace(info, frames=10 * info.frames)
    with pytest.raises(TruncatedVideo):
        write_overlay(announced, [], SKELETONS["coco-17"], [], tmp_path / "out.mp4")


def test_an_overlay_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    info = probe(pattern(tmp_path / "short.mp4"))
    with pytest.raises(FfmpegError, match="No such file"):
        write_overlay(info, [], SKELETONS["coco-17"], [], tmp_path / "nowhere" / "out.mp4")
