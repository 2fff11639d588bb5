"""ELAN: .eaf documents (the schema EAF 3.0) and tab-delimited text, as its manual describes the
export. A tier that is called "person 2" holds the labels of person 2, any other tier those of
everybody."""

from __future__ import annotations

import csv
import io
import re
import xml.parsers.expat
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from skelact.errors import InputError
from skelact.interop.annotations import AnnotationFormat, FrameRate, LabelledSpan, person_of

_DEPTH = 50  # of elements; a document has six levels


@dataclass
class _Document:
    """What is collected while an .eaf document is parsed."""

    media: str = ""
    slots: dict[str, float] = field(default_factory=dict)  # id -> seconds
    tier: str = ""
    refs: tuple[str, str] | None = None
    text: list[str] | None = None
    found: list[tuple[str, str, str, str]] = field(default_factory=list)
    depth: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Called at the start of an element."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise InputError("The document is nested too deeply")
        if name == "MEDIA_DESCRIPTOR" and not self.media:
            self.media = attributes.get("RELATIVE_MEDIA_URL") or attributes.get("MEDIA_URL", "")
        elif name == "TIME_SLOT" and "TIME_VALUE" in attributes:
            self.slots[attributes["TIME_SLOT_ID"]] = int(attributes["TIME_VALUE"]) / 1000
        elif name == "TIER":
            self.tier = attributes["TIER_ID"]
        elif name == "ALIGNABLE_ANNOTATION":
            self.refs = attributes["TIME_SLOT_REF1"], attributes["TIME_SLOT_REF2"]
        elif name == "ANNOTATION_VALUE" and self.refs is not None:
            self.text = []

    def end(self, name: str) -> None:
        """Called at the end of an element."""
        self.depth -= 1
        if name == "ANNOTATION_VALUE" and self.refs is not None and self.text is not None:
            self.found.append((self.tier, *self.refs, " ".join("".join(self.text).split())))
            self.text = None
        elif name == "ALIGNABLE_ANNOTATION":
            self.refs = None

    def characters(self, text: str) -> None:
        """Called for text."""
        if self.text is not None:
            self.text.append(text)


def read_eaf(text: str, rate: FrameRate) -> list[LabelledSpan]:
    """The aligned annotations of all tiers that have text and times. A document type, which could
    define entities, is refused; nothing outside the text is read."""
    document = _Document()
    parser = xml.parsers.expat.ParserCreate()

    def refuse(*arguments: object) -> int:
        raise InputError("It has a document type, which .eaf documents do not have")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.characters
    encoded = re.sub(r"^<\?xml[^>]*\?>", "", text.lstrip("\ufeff").lstrip(), count=1).encode()
    parser.Parse(encoded, True)
    spans = []
    for tier, first, last, label in document.found:
        start, end = document.slots.get(first), document.slots.get(last)
        if label and start is not None and end is not None and start < end:
            spans.append(
                LabelledSpan(
                    video=document.media,
                    label=label,
                    start_s=start,
                    end_s=end,
                    person_id=person_of(tier),
                )
            )
    return sorted(spans, key=lambda s: s.start_s)


def write_eaf(spans: Sequence[LabelledSpan], rate: FrameRate) -> str:
    """A document with one tier for each person. Raises InputError for several videos."""
    videos = list(dict.fromkeys(s.video for s in spans))
    if len(videos) > 1:
        raise InputError(
            f"An .eaf document is about one video, not {len(videos)}", "Export one video at a time."
        )
    tiers: dict[str, list[str]] = {}
    slots: list[str] = []
    for n, span in enumerate(spans, 1):
        if span.end_s is None:
            raise InputError(f"{span.video}: {span.label} has no end", "ELAN needs one.")
        for k, time in enumerate((span.start_s, span.end_s)):
            slots.append(
                f'<TIME_SLOT TIME_SLOT_ID="ts{2 * n - 1 + k}" TIME_VALUE="{round(1000 * time)}"/>'
            )
        tiers.setdefault(_tier(span), []).append(
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{n}" '
            f'TIME_SLOT_REF1="ts{2 * n - 1}" TIME_SLOT_REF2="ts{2 * n}"><ANNOTATION_VALUE>'
            f"{escape(span.label)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        )
    media = quoteattr(videos[0] if videos else "")
    body = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ANNOTATION_DOCUMENT AUTHOR="" DATE="2000-01-01T00:00:00+00:00" FORMAT="3.0" '
        'VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
        '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">'
        f'<MEDIA_DESCRIPTOR MEDIA_URL={media} MIME_TYPE="video/*" RELATIVE_MEDIA_URL={media}/>'
        "</HEADER>",
        "<TIME_ORDER>",
        *slots,
        "</TIME_ORDER>",
    ]
    for name, elements in tiers.items():
        head = f'<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID={quoteattr(name)}>'
        body += [head, *elements, "</TIER>"]
    body += [
        '<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" '
        'TIME_ALIGNABLE="true"/>',
        "</ANNOTATION_DOCUMENT>",
    ]
    return "\n".join(body) + "\n"


def _tier(span: LabelledSpan) -> str:
    return "all persons" if span.person_id is None else f"person {span.person_id}"


# --- tab-delimited text ---------------------------------------------------------------------------

_TIME = re.compile(r"(?:(\d+):(\d{1,2}):)?(\d+(?:[.,]\d+)?)")
_SECONDS, _CLOCK, _MS = "ss.msec", "hh:mm:ss.ms", "msec"
_NAMED = re.compile(r"(begin|end) time - (ss\.msec|hh:mm:ss\.ms|msec)")


def read_table(text: str, rate: FrameRate) -> list[LabelledSpan]:
    """The rows of a tab-delimited export: with a line of column names, where each tier has a column
    or the names of tiers have one; or without, as tier, participant, times and annotation. Lines
    with the media file at the start are used for the video."""
    rows = [row for row in csv.reader(io.StringIO(text), delimiter="\t", quotechar='"') if row]
    video = ""
    while rows and len(rows[0]) < 3:  # header lines: "#file:///...", the media files and offsets
        found = re.search(r"file:\S+\.\w{2,5}\b", rows[0][0])
        video = video or (found[0] if found and not found[0].endswith(".eaf") else "")
        rows = rows[1:]
    if not rows:
        return []
    names = [name.strip().lower() for name in rows[0]]
    if any(_NAMED.fullmatch(name) for name in names):
        return [s for row in rows[1:] for s in _named_row(rows[0], names, row, video)]
    return [span for row in rows if (span := _plain_row(row, video)) is not None]


def _named_row(
    heads: Sequence[str], names: Sequence[str], row: Sequence[str], video: str
) -> list[LabelledSpan]:
    times: dict[str, float] = {}
    for name, cell in zip(names, row, strict=False):
        match = _NAMED.fullmatch(name)
        if match and cell.strip():
            times.setdefault(match[1], _seconds(cell, match[2] == _MS))
    cells = dict(zip(names, row, strict=False))
    video = cells.get("file path", "").strip() or cells.get("file", "").strip() or video
    fixed = ("tier", "participant", "file", "file path", "annotation", "")
    if "annotation" in names or "tier" in names:
        values = [(cells.get("tier", ""), cells.get("annotation", ""))]
    else:
        values = [
            (head.strip(), cell)
            for head, name, cell in zip(heads, names, row, strict=False)
            if name not in fixed and " time - " not in name and not name.startswith("duration")
        ]
    return [
        LabelledSpan(
            video=video,
            label=" ".join(value.split()),
            start_s=times["begin"],
            end_s=times["end"],
            person_id=person_of(tier),
        )
        for tier, value in values
        if value.strip()
    ]


def _plain_row(row: Sequence[str], video: str) -> LabelledSpan | None:
    """A row without column names: the first cell is the tier, the last one the annotation, the
    cells with times between them are begin, end and maybe duration, each in one form or two. None
    if there is no annotation."""
    if not row[-1].strip():
        return None
    cells = [c.strip() for c in row[1:-1] if _TIME.fullmatch(c.strip())]
    clock = [c for c in cells if ":" in c]
    plain = [c for c in cells if ":" not in c]
    times = plain or clock
    if len(times) < 2:
        raise InputError(
            f"The row {' | '.join(row)[:80]} has no begin and end time",
            "Export begin time and end time.",
        )
    is_ms = all("." not in c and "," not in c for c in times) and ":" not in times[0]
    return LabelledSpan(
        video=video,
        label=" ".join(row[-1].split()),
        start_s=_seconds(times[0], is_ms),
        end_s=_seconds(times[1], is_ms),
        person_id=person_of(row[0]),
    )


def _seconds(text: str, is_ms: bool) -> float:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text[:40]!r} is no time")
    hours, minutes = int(match[1] or 0), int(match[2] or 0)
    value = 3600 * hours + 60 * minutes + float(match[3].replace(",", "."))
    return value / 1000 if is_ms else value


def write_table(spans: Sequence[LabelledSpan], rate: FrameRate) -> str:
    """A table with column names, which ELAN imports (Import, CSV / tab-delimited text)."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    heads = ("Tier", "Begin Time - ss.msec", "End Time - ss.msec", "Annotation", "File")
    writer.writerow(heads)
    for span in spans:
        if span.end_s is None:
            raise InputError(f"{span.video}: {span.label} has no end", "ELAN needs one.")
        writer.writerow(
            (_tier(span), f"{span.start_s:.3f}", f"{span.end_s:.3f}", span.label, span.video)
        )
    return out.getvalue()


FORMATS = (
    AnnotationFormat(
        name="elan", title="ELAN (.eaf)", suffix=".eaf", read=read_eaf, write=write_eaf
    ),
    AnnotationFormat(
        name="elan-text",
        title="ELAN (tab-delimited text)",
        suffix=".txt",
        read=read_table,
        write=write_table,
    ),
)
