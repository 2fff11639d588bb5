"""One example of every JSON document."""

from __future__ import annotations

from skelact.metrics import Scores
from skelact.schemas import (
    Calibration,
    Clip,
    ClipsManifest,
    ContentHashes,
    Document,
    ExplainedLabel,
    ExplanationDocument,
    FailedInput,
    FileHash,
    JointImportance,
    PackedManifest,
    PackedMeta,
    PosesManifest,
    PredictedSample,
    Predictions,
    ReliabilityBins,
    RunConfig,
    RunResult,
    ScoreResult,
    SequenceClip,
    SequencesManifest,
    SplitDocument,
    SubsetVideos,
    ThresholdPoint,
)
from skelact.skeletons import SKELETONS

COCO = SKELETONS["coco-17"]
SCORES = Scores(
    top1=0.5, mean_class=0.5, majority=0.5, top5=None, samples=4, confusion=[[2, 0], [2, 0]]
)
BINS = ReliabilityBins(counts=(0, 2), confidence=(0.0, 0.75), accuracy=(0.0, 0.5), error=0.25)
DOCUMENTS: list[Document] = [
    ClipsManifest(
        source="a.mp4",
        content="0a",
        fps=25.0,
        clip_options={"length_s": 5.0},
        coding={"height": None},
        clips=(
            Clip(file="000.mp4", start_frame=0, end_frame=50, start_s=0.0, end_s=2.0, frames=50),
        ),
    ),
    PosesManifest(
        source="a.mp4",
        content="0a",
        estimator="blazepose",
        weights="ba",
        skeleton=COCO,
        width=64,
        height=48,
        fps=25.0,
        pose={"max_persons": 4},
        track={},
        frames=50,
        frames_with_people=49,
        people_found=51,
        persons=2,
    ),
    SequencesManifest(
        poses="0b",
        clip_options={},
        sequence={"persons": None},
        clips=(SequenceClip(start=0, end=50, persons=(0, 2), frames_with_people=49),),
        skeleton=COCO,
        fps=25.0,
        width=64,
        height=48,
        estimator="blazepose",
        weights="ba",
    ),
    PackedManifest(
        dataset="mads", samples=2, failed=(FailedInput(path="b.mp4", reason="empty", hint=""),)
    ),
    PackedMeta(
        dataset="mads",
        classes=("a", "b"),
        skeleton=COCO,
        dims=2,
        minmax=True,
        y_up=False,
        offsets=[0, 5, 9],
        labels=[0, 1],
        items=[0, 0],
        fps=[25.0, 30.0],
        is_mirrored=[False, True],
        ids=("x", "x#mirrored"),
        checksums=[7, 8],
    ),
    ContentHashes(files={"/a.mp4": FileHash(size=1, mtime_ns=2, ctime_ns=3, hash="0c")}),
    Calibration(
        temperature=0.9,
        unknown_threshold=0.5,
        known="validation.json",
        curve=(ThresholdPoint(threshold=0.5, coverage=0.0, accuracy=None, negatives=0.0),),
        score="energy",
        scores=(
            ScoreResult(
                name="energy",
                threshold=-2.5,
                chosen_by=0.5,
                auroc=0.75,
                fpr95=1.0,
                aurc=0.25,
                coverage=1.0,
                accuracy=0.5,
                negatives=0.0,
                curve=((0.5, 0.0), (1.0, 0.5)),
            ),
            ScoreResult(name="agreement", obstacle="one network"),
        ),
        before=BINS,
        after=BINS,
    ),
    ExplanationDocument(
        model="runs/a",
        source="a.mp4",
        files=("overlay.mp4",),
        explained=(
            ExplainedLabel(
                label="kick",
                method="occlusion",
                joints=(JointImportance(joint="nose", total=-0.5, share=-1.0),),
                persons=(0,),
                probability=0.5,
            ),
        ),
    ),
    RunConfig(
        recipe={
            "model": {"name": "stgcn"},
            "dataset": {"name": "mads"},
            "train": {"milestones": [1, 2]},
        }
    ),
    SplitDocument(
        fingerprint="0d",
        protocol="xsub",
        disjoint_groups=("take",),
        videos=SubsetVideos(train=("a.mp4",), val=(), test=("b.mp4",)),
    ),
    RunResult(scores=SCORES, classes=("a", "b"), clips={"train": 2}, changes={"clips": {"n": 1}}),
    Predictions(samples={"x": PredictedSample(label="a", probabilities=(0.25, 0.75))}),
]
IDS = [type(document).__name__ for document in DOCUMENTS]
