"""Label Studio: the JSON of video timelines (TimelineLabels, from version 1.20 on) and of regions
in seconds (Labels on Audio), as its full export and as its JSON-MIN.

The documentation of the tag TimelineLabels shows the form of a region. Frames are counted from 1,
and the last one belongs to the range."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from skelact.errors import InputError
from skelact.interop.annotations import AnnotationFormat, FrameRate, LabelledSpan, person_of

_VIDEO_KEYS = ("video", "video_url", "videos", "audio", "url")
_TAG, _VIDEO = "timelineLabels", "video"


def read(text: str, rate: FrameRate) -> list[LabelledSpan]:
    """The spans of all tasks, without annotations that were cancelled and without predictions."""
    content = json.loads(text)
    tasks = content if isinstance(content, list) else [content]
    return [span for task in tasks for span in _task(task, rate)]


def _task(task: dict[str, Any], rate: FrameRate) -> Iterator[LabelledSpan]:
    video = _video(task.get("data", task))
    if "annotations" not in task:  # JSON-MIN: the regions are under the name of their tag
        for regions in task.values():
            if isinstance(regions, list):
                for region in regions:
                    yield from _region(region, {}, video, rate)
        return
    for annotation in task["annotations"]:
        if not annotation.get("was_cancelled"):
            for region in annotation["result"]:
                yield from _region(region["value"], region, video, rate)


def _video(data: dict[str, Any]) -> str:
    names = [data[key] for key in _VIDEO_KEYS if isinstance(data.get(key), str)]
    names += [v for v in data.values() if isinstance(v, str) and "." in v and "/" in v]
    if not names:
        raise InputError("A task has no video", "The key of the video is expected to be video.")
    return str(names[0])


def _region(
    value: Any, region: dict[str, Any], video: str, rate: FrameRate
) -> Iterator[LabelledSpan]:
    """The spans of a region; none for kinds of regions that have no time or no label."""
    if not isinstance(value, dict):
        return
    labels = value.get("timelinelabels") or value.get("labels") or ()
    text = (region.get("meta") or {}).get("text") or ()
    notes = [text] if isinstance(text, str) else text
    persons = [p for note in notes if (p := person_of(str(note))) is not None]
    person = persons[0] if persons else None
    for label in labels:
        if "ranges" in value:
            fps = rate(video)
            for part in value["ranges"]:
                start, end = (int(part["start"]) - 1) / fps, int(part["end"]) / fps
                yield LabelledSpan(
                    video=video, label=str(label), start_s=start, end_s=end, person_id=person
                )
        elif "start" in value and "end" in value:
            start, end = float(value["start"]), float(value["end"])
            yield LabelledSpan(
                video=video, label=str(label), start_s=start, end_s=end, person_id=person
            )


def write(spans: Sequence[LabelledSpan], rate: FrameRate) -> str:
    """Tasks with annotations, which Label Studio imports. The person is in the note of a region
    (meta.text), because a timeline has no tracks."""
    tasks = []
    for number, video in enumerate(dict.fromkeys(s.video for s in spans)):
        fps = rate(video)
        results = []
        for n, span in enumerate(s for s in spans if s.video == video):
            if span.end_s is None:
                raise InputError(
                    f"{video}: {span.label} has no end", "Frames are counted: give it an end."
                )
            first = round(span.start_s * fps) + 1
            region: dict[str, Any] = {
                "id": f"s{number}_{n}",
                "type": "timelinelabels",
                "from_name": _TAG,
                "to_name": _VIDEO,
                "origin": "manual",
                "value": {
                    "ranges": [{"start": first, "end": max(first, round(span.end_s * fps))}],
                    "timelinelabels": [span.label],
                },
            }
            if span.person_id is not None:
                region["meta"] = {"text": [f"person {span.person_id}"]}
            results.append(region)
        tasks.append({"data": {"video": video}, "annotations": [{"result": results}]})
    return json.dumps(tasks, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS = (
    AnnotationFormat(
        name="label-studio", title="Label Studio (JSON)", suffix=".json", read=read, write=write
    ),
)
