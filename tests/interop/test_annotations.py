"""Labels of annotation programs: files in the form that the programs write, as their documentation
and their source show it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skelact.errors import InputError
from skelact.interop.annotation_files import (
    annotation_text,
    export_spans,
    formats,
    guess_format,
    import_spans,
    match_videos,
    parse_annotations,
)
from skelact.interop.annotations import LabelledSpan
from tests.helpers import encode

# the tag TimelineLabels of Label Studio: frames from 1, the last one included
LABEL_STUDIO = """[{"id": 24, "data": {"video": "/data/upload/3/0a1b2c3d-walk.mp4"},
 "annotations": [{"id": 23, "was_cancelled": false, "result": [
  {"value": {"ranges": [{"start": 1, "end": 50}], "timelinelabels": ["walk"]}, "id": "a1",
   "from_name": "timelineLabels", "to_name": "video", "type": "timelinelabels", "origin": "manual"},
  {"value": {"ranges": [{"start": 51, "end": 75}], "timelinelabels": ["wave"]}, "id": "a2",
   "from_name": "timelineLabels", "to_name": "video", "type": "timelinelabels",
   "meta": {"text": ["person 0"]}},
  {"value": {"framesCount": 90, "duration": 3.6, "sequence": [{"frame": 1, "x": 3}],
    "labels": ["Man"]}, "type": "videorectangle", "id": "a3"}]},
  {"id": 25, "was_cancelled": true, "result": [
  {"value": {"ranges": [{"start": 1, "end": 9}], "timelinelabels": ["no"]}, "id": "b",
   "type": "timelinelabels"}]}],
 "predictions": [{"result": [{"value": {"ranges": [{"start": 1, "end": 9}],
   "timelinelabels": ["guess"]}, "type": "timelinelabels"}]}]}]"""
LABEL_STUDIO_MIN = """[{"video": "s3://bucket/walk.mp4", "id": 1, "timelineLabels": [
 {"ranges": [{"start": 1, "end": 50}], "timelinelabels": ["walk"]},
 {"ranges": [{"start": 51, "end": 75}], "timelinelabels": ["wave"]}], "annotator": 1}]"""
LABEL_STUDIO_SECONDS = """[{"data": {"video": "/data/local-files/?d=set/walk.mp4"}, "annotations":
 [{"result": [{"original_length": 3.6, "value": {"start": 0.0, "end": 2.0, "channel": 0,
 "labels": ["walk"]}, "type": "labels"}, {"value": {"start": 2.0, "end": 3.0, "labels": ["wave"]},
 "type": "labels"}]}]}]"""
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="me" DATE="2024-05-06T10:00:00+02:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
 <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
  <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/films/walk.mp4" MIME_TYPE="video/mp4"
   RELATIVE_MEDIA_URL="./walk.mp4"/>
  <PROPERTY NAME="lastUsedAnnotationId">3</PROPERTY></HEADER>
 <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2"
  TIME_VALUE="2000"/><TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3000"/>
  <TIME_SLOT TIME_SLOT_ID="ts4"/></TIME_ORDER>
 <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="action">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
   <ANNOTATION_VALUE>walk</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
   <ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
   <ANNOTATION_VALUE>without an end</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
 <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="action" TIER_ID="note"><ANNOTATION>
  <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1"><ANNOTATION_VALUE>slow</ANNOTATION_VALUE>
  </REF_ANNOTATION></ANNOTATION></TIER>
 <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>"""
ELAN_PLAIN = (
    "action\t\t00:00:00.000\t0.0\t00:00:02.000\t2.0\t00:00:02.000\t2.0\twalk\n"
    "action\t\t00:00:02.000\t2.0\t00:00:03.000\t3.0\t00:00:01.000\t1.0\twave\n"
)
ELAN_MS = "action\tMary\t0\t2000\t2000\twalk\naction\tMary\t2000\t3000\t1000\twave\n"
ELAN_TIERS = (
    '"#file:///C:/films/walk.eaf"\n"#file:///C:/films/walk.mp4 -- offset: 0"\n'
    "Begin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - hh:mm:ss.ms\tEnd Time - ss.msec\t"
    "Duration - ss.msec\taction\tmood\n"
    "00:00:00.000\t0.0\t00:00:02.000\t2.0\t2.0\twalk\t\n"
    "00:00:02.000\t2.0\t00:00:03.000\t3.0\t1.0\twave\t\n"
)
VIA_NOTES = "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)\n"
VIA = (
    VIA_NOTES
    + '# - metadata of {""1"":""3""} indicates attribute with id "1" set to an option with id "3"\n'
    '# SHAPE_ID = {"POINT":1,"RECTANGLE":2}\n# FLAG_ID = {}\n'
    '# ATTRIBUTE = {"1":{"aname":"action","anchor_id":"FILE1_Z2_XY0","type":4,"desc":"",'
    '"options":{"0":"walk","1":"wave"},"default_option_id":""}}\n'
    "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n"
    '"1_a","[""walk.mp4""]",0,"[0,2]","[]","{""1"":""0""}"\n'
    '"1_b","[""walk.mp4""]",0,"[2,3]","[]","{""1"":""1""}"\n'
    '"1_c","[""walk.mp4""]",0,"[2.5]","[2,1,1,5,5]","{""1"":""1""}"\n'
)
VIA_SEGMENTS = (
    VIA_NOTES
    + "# CSV_HEADER = metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata\n"
    '"1_a","[""walk.mp4""]",0,2,"{""action"":""walk""}"\n'
    '"1_b","[""walk.mp4""]",2,3,"{""action"":""wave""}"\n'
)
PREDICTED = (
    "path,person_id,start_s,end_s,label,probability\n"
    "films/walk.mp4,-1,0.000,2.000,walk,0.9\nfilms/walk.mp4,-1,2.000,3.000,wave,0.8\n"
)
FILES = {
    "label-studio": [LABEL_STUDIO, LABEL_STUDIO_MIN, LABEL_STUDIO_SECONDS],
    "elan": [EAF],
    "elan-text": [ELAN_PLAIN, ELAN_MS, ELAN_TIERS],
    "via": [VIA, VIA_SEGMENTS],
    "csv": [PREDICTED],
}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 frames at 25 frames/s."""
    path = tmp_path_factory.mktemp("videos") / "walk.mp4"
    source = "color=red:size=64x48:rate=25:duration=3.6"
    return encode(path, "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p")


@pytest.mark.parametrize(
    ("form", "text"), [(form, text) for form, texts in FILES.items() for text in texts]
)
def test_files_of_other_programs(form: str, text: str, video: Path) -> None:
    assert guess_format(text, "file") == form
    spans = import_spans(text, "walk.txt", [video])
    assert [(s.video, s.label, s.start_s, s.end_s) for s in spans] == [
        (str(video), "walk", 0.0, 2.0),
        (str(video), "wave", 2.0, 3.0),
    ]
    assert spans[1].person_id == (0 if text == LABEL_STUDIO else None)


@pytest.mark.parametrize("form", formats())
def test_what_is_written_can_be_read(form: str, video: Path) -> None:
    spans = [
        LabelledSpan(video=str(video), label='a <b> & "c"', start_s=0.4, end_s=1.2, person_id=3),
        LabelledSpan(video=str(video), label="=1+1", start_s=1.2, end_s=None),
    ]
    text, suffix = export_spans(spans, form, {str(video): "walk.mp4"})
    assert suffix == formats()[form].suffix and str(video.parent) not in text
    again = import_spans(text, f"x{suffix}", [video])
    assert [(s.label, s.start_s, s.end_s, s.person_id) for s in again] == [
        ('a <b> & "c"', 0.4, 1.2, 3),
        ("=1+1", 1.2, 3.6, None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "in no format that is known"),
        ("[]", "has no labelled span"),
        ("[1]", "cannot be used"),
        ('{"annotations": [{"result": [{"value": {"ranges": [{}]}}]}]}', "has no video"),
        ('[{"data": {"video": "a.mp4"}, "annotations": 3}]', "cannot be used"),
        (EAF.replace("<ANNOTATION_DOCUMENT", "<ANNOTATION_DOCUMENT><", 1), "cannot be used"),
        (EAF.replace('TIME_VALUE="2000"', 'TIME_VALUE="x"'), "cannot be used"),
        ("action\t\tsoon\tlater\twalk", "has no begin and end time"),
        (VIA.replace('""1"":""0""', '""1"":'), "cannot be used"),
        ("path,label,start,end\na.mp4,x,5,2\n", "is no labelled span"),
        ("path,label,start,end\na.mp4,x,nan,2\n", "is no labelled span"),
    ],
)
def test_damaged_files(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_annotations(text, "file", lambda name: 25.0)


def test_entities_of_xml_are_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    head, _, rest = EAF.partition("\n")
    evil = f'{head}\n<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>\n{rest}'
    bomb = f'{head}\n<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n{rest}'
    for text in (evil.replace(">walk<", ">&e;<"), bomb.replace(">walk<", ">&b;<")):
        with pytest.raises(InputError, match="document type"):
            parse_annotations(text, "evil.eaf", lambda name: 25.0, "elan")
    deep = head + "<ANNOTATION_DOCUMENT>" + "<a>" * 10_000
    with pytest.raises(InputError, match="nested too deeply"):
        parse_annotations(deep, "deep.eaf", lambda name: 25.0)


def test_videos_are_matched_by_name(tmp_path: Path) -> None:
    videos = [tmp_path / "x" / "walk.mp4", tmp_path / "run.avi", tmp_path / "y" / "run.avi"]
    stated = ("file:///C:/a%20b/walk.mp4", "/data/upload/1/0a1b2c3d-walk.mp4", "walk", "walk.eaf")
    assert set(match_videos(stated, videos).values()) == {videos[0]}
    with pytest.raises(InputError, match=r"run\.avi \(2 videos\), other\.mp4"):
        match_videos(["run.avi", "other.mp4"], videos)


@given(text=st.text(max_size=300), form=st.sampled_from(sorted(FILES)))
def test_any_text_gives_spans_or_an_error(text: str, form: str) -> None:
    for content in (text, FILES[form][0][: len(text)] + text):
        with contextlib.suppress(InputError):
            parse_annotations(content, "file", lambda name: 25.0, form)
    assert annotation_text([], lambda name: 25.0, form)[1] == formats()[form].suffix
