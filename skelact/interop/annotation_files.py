"""Read and write labelled time spans in the formats of annotation programs: Label Studio, ELAN,
VIA, and tables. A format is a module that declares `FORMATS` and works on text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import parse_qs, unquote, urlsplit

from skelact import limits
from skelact.errors import InputError, escaped, lookup, reading
from skelact.interop import elan, label_studio, segment_table, via
from skelact.interop.annotations import AnnotationFormat, FrameRate, LabelledSpan
from skelact.video.probe import probe


def formats() -> dict[str, AnnotationFormat]:
    """All formats by name."""
    modules = (label_studio, elan, via, segment_table)
    return {f.name: f for module in modules for f in module.FORMATS}


def guess_format(text: str, name: str) -> str:
    """The format of a file from its content. Raises InputError if it is none of them."""
    start = text.lstrip("\ufeff").lstrip()[:4096]
    if start.startswith(("[", "{")):
        return "label-studio"
    if start.startswith("<") and "ANNOTATION_DOCUMENT" in start:
        return "elan"
    if "CSV_HEADER" in start and "VGG Image Annotator" in start:
        return "via"
    first = start.partition("\n")[0]
    if "\t" in first or ("\t" in start and start.startswith(('"#file', "#file"))):
        return "elan-text"
    if "," in first and {"label"} & {c.strip() for c in first.lower().split(",")}:
        return "csv"
    raise InputError(
        f"{name} is in no format that is known",
        f"Known are {', '.join(f.title for f in formats().values())}.",
    )


def parse_annotations(
    text: str, name: str, rate: FrameRate, format_name: str | None = None
) -> list[LabelledSpan]:
    """The spans in the text of a file, in its order. Raises InputError if the file is damaged, in
    an unknown format, or without a labelled span."""
    form = lookup("format", format_name or guess_format(text, name), formats())
    with reading(name, InputError, f"Is it a file of {form.title}?"):
        spans = form.read(text, rate)
    for span in spans:
        end = limits.COORDINATE if span.end_s is None else span.end_s
        if not (span.label.strip() and 0 <= span.start_s < end <= limits.COORDINATE):
            raise InputError(
                f"{name}: {span.label!r} from {span.start_s:g} s to {end:g} s is no labelled span",
                "A span needs a label and an end after its start.",
            )
    if not spans:
        raise InputError(f"{name} has no labelled span", f"It was read as {form.title}.")
    return spans


def video_name(stated: str) -> str:
    """The file name in what a program states about a video: a path, a URL, or the path of Label
    Studio, which has the name of the file in its query (?d=...) or a hash in front of it."""
    text = stated.strip()
    parts = urlsplit(text)
    if parts.query and (found := parse_qs(parts.query).get("d")):
        text = found[0]
    elif parts.scheme in ("file", "http", "https", "s3", "gs") or text.startswith("/data/"):
        text = unquote(parts.path)
    return PurePosixPath(PureWindowsPath(text).as_posix()).name


def distinct_names(paths: Sequence[Path]) -> dict[str, str]:
    """A name for each path, by which it is found again: the name of the file, with as many of its
    folders as it takes to tell it from the others."""
    kept = list(dict.fromkeys(paths))
    counts = Counter(path.parts[-n:] for path in kept for n in range(1, len(path.parts) + 1))
    names = {}
    for path in kept:
        lengths = range(1, len(path.parts) + 1)
        n = next((n for n in lengths if counts[path.parts[-n:]] == 1), len(path.parts))
        names[str(path)] = escaped(Path(*path.parts[-n:]).as_posix())
    return names


def match_videos(names: Sequence[str], videos: Sequence[Path]) -> dict[str, Path]:
    """The video that each name stands for: the one with that path, whose path ends with it, or with
    that file name; if there is none, without the hash that Label Studio puts in front of it, or
    without regard to the suffix. Raises InputError with the names for which there is no video, or
    more than one."""
    out: dict[str, Path] = {}
    missing = []
    for name in dict.fromkeys(names):
        own = video_name(name)
        short = re.sub(r"^[0-9a-f]{8}-", "", own)
        tests: tuple[Callable[[Path], bool], ...] = (
            lambda v, n=name: escaped(v) == n,  # type: ignore[misc]
            lambda v, n=f"/{name}": escaped(v.as_posix()).endswith(n),  # type: ignore[misc]
            lambda v, n=own: v.name == n,  # type: ignore[misc]
            lambda v, n=short: v.name == n,  # type: ignore[misc]
            lambda v, n=own: v.stem in (n, Path(n).stem),  # type: ignore[misc]
            lambda v, n=short: v.stem == Path(n).stem,  # type: ignore[misc]
        )
        found = next((f for test in tests if (f := [v for v in videos if test(v)])), [])
        if len(found) == 1:
            out[name] = found[0]
        else:
            missing.append(f"{own} ({len(found)} videos)" if found else own)
    if missing:
        raise InputError(
            f"No single video for {', '.join(missing[:5])}"
            + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
            "Name the folder with these videos; each name must be there once.",
        )
    return out


def annotation_text(
    spans: Sequence[LabelledSpan], rate: FrameRate, format_name: str
) -> tuple[str, str]:
    """The spans in a format, and the suffix of its files. Raises InputError if the format cannot
    hold them."""
    form = lookup("format", format_name, formats())
    return form.write(spans, rate), form.suffix


def import_spans(
    text: str, name: str, videos: Sequence[Path], format_name: str | None = None
) -> list[LabelledSpan]:
    """The spans in the text of a file, each with the path of its video among `videos`. The frame
    rates that a format needs are those of the videos. Raises InputError if the file is damaged, or
    a video is not there."""
    rate = _rates(lambda stated: match_videos([stated or name], videos)[stated or name])
    spans = parse_annotations(text, name, rate, format_name)
    paths = match_videos([s.video or name for s in spans], videos)
    return [replace(s, video=str(paths[s.video or name])) for s in spans]


def export_spans(
    spans: Sequence[LabelledSpan], format_name: str, names: Mapping[str, str]
) -> tuple[str, str]:
    """The spans, whose videos are paths, as text in a format, and the suffix of its files. `names`
    are the names of the videos in it. Raises InputError if a video cannot be read."""
    infos = {video: probe(Path(video)) for video in dict.fromkeys(s.video for s in spans)}
    rates = {names[video]: info.fps for video, info in infos.items()}
    complete = [
        replace(
            s,
            video=names[s.video],
            end_s=infos[s.video].duration_s if s.end_s is None else s.end_s,
        )
        for s in spans
    ]
    return annotation_text(complete, lambda video: rates[video], format_name)


def _rates(path_of: Callable[[str], Path]) -> FrameRate:
    """The frame rate of the video that a name stands for, found once."""
    known: dict[str, float] = {}

    def rate(name: str) -> float:
        if name not in known:
            known[name] = probe(path_of(name)).fps
        return known[name]

    return rate
