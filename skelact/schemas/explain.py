"""The document in a folder of explanations."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from skelact.schemas.base import Amount, Count, Document, Positive, Record, Share

EXPLANATION = "explanation.json"

Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]


class JointImportance(Record, frozen=True, kw_only=True):
    """The contribution of one joint to the score of a class, over the whole time, and its share of
    the sum of all absolute contributions."""

    joint: str
    total: Finite
    share: Annotated[float, Meta(ge=-1.000001, le=1.000001)]


class ExplainedLabel(Record, frozen=True, kw_only=True):
    """The joints that spoke for a label: of the persons of a video, or of `clips` clips of a
    class. The most important joint is the first one. `gap` is how far the sum is from the
    difference of the scores, relative to it; None if the method has no such sum."""

    label: str
    method: str
    joints: tuple[JointImportance, ...]
    persons: tuple[int, ...] = ()
    probability: Share | None = None
    gap: Amount | None = None
    clips: Positive = 1


class ExplanationDocument(Document, tag="explanation", frozen=True, kw_only=True):
    """What `skelact explain` wrote into a folder: the names of its files, and the numbers."""

    hint: ClassVar[str] = "Write it with `skelact explain`."

    model: str
    source: str
    files: tuple[str, ...]
    explained: tuple[ExplainedLabel, ...] = ()
    stages: Count = 0  # of which a graph is drawn
