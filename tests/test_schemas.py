"""Documents in JSON files: round trips, and damage that must give the document's error.

Checkpoints are tested in tests/models/test_checkpoint.py, manifests in cache entries in
tests/test_cache.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelact.errors import CacheError, CheckpointError, InputError, SkelactError
from skelact.models.checkpoint import load_model
from skelact.schemas import (
    Document,
    EpochLog,
    PackedMeta,
    Predictions,
    RunConfig,
    RunResult,
    load_json,
    load_log,
    save_json,
    save_log,
)
from tests.document_examples import DOCUMENTS, IDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_round_trip(document: Document, tmp_path: Path) -> None:
    save_json(tmp_path / "x.json", document)
    assert load_json(tmp_path / "x.json", type(document)) == document
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_damage_gives_the_error_of_the_document(document: Document, tmp_path: Path) -> None:
    path, kind = tmp_path / "x.json", type(document)

    def refused(content: bytes | dict[str, Any]) -> str:
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        with pytest.raises(kind.error) as caught:
            load_json(path, kind)
        assert type(caught.value) is kind.error and str(path) in caught.value.message
        assert caught.value.hint == kind.hint != ""
        return caught.value.message

    save_json(path, document)
    text = path.read_bytes()
    content = json.loads(text)
    fields = [f for f in content if f not in ("document", "version")]
    refused(text[: len(text) // 2])
    refused(b"")
    refused(b"\xff\xfe\x00")
    refused(b"[" * 100_000)
    assert "document" in refused(content | {"document": "something"})
    assert "version" in refused(content | {"version": 2})
    assert "surprise" in refused(content | {"surprise": 1})
    for field in fields:
        wrong = 0.5 if isinstance(content[field], str) else "wrong"
        assert field in refused(content | {field: wrong})
    path.unlink()
    with pytest.raises(kind.error, match="cannot be read"):
        load_json(path, kind)


def test_documents_name_an_error_of_their_domain() -> None:
    errors = {type(d).__name__: type(d).error for d in DOCUMENTS}
    assert errors["PosesManifest"] is CacheError and errors["PackedMeta"] is CacheError
    assert errors["Calibration"] is CheckpointError and errors["RunResult"] is InputError


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        DOCUMENTS[0].version = 1  # type: ignore[misc]


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    meta = next(d for d in DOCUMENTS if isinstance(d, PackedMeta))
    content = msgspec.to_builtins(meta) | {"labels": [0]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(CacheError, match="differ in length"):
        load_json(tmp_path / "x.json", PackedMeta)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (RunConfig, {"recipe": {"model": {}}}, "model of the recipe has no name"),
        (RunResult, {"classes": ["a"]}, "confusion matrix is not 1 x 1"),
        (
            Predictions,
            {"samples": {n: {"label": "a", "probabilities": [1.0] * n} for n in (1, 2)}},
            "differ in their number",
        ),
    ],
)
def test_parts_that_do_not_fit_together(
    kind: type[Document], change: dict[str, object], message: str, tmp_path: Path
) -> None:
    document = next(d for d in DOCUMENTS if isinstance(d, kind))
    (tmp_path / "x.json").write_text(json.dumps(msgspec.to_builtins(document) | change))
    with pytest.raises(InputError, match=message):
        load_json(tmp_path / "x.json", kind)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot write"):
        save_json(tmp_path / "missing" / "x.json", DOCUMENTS[-1])


def test_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = (
        EpochLog(epoch=1, lr=0.1, train_loss=2.0, train_top1=0.25, best=True),
        EpochLog(epoch=2, lr=0.05, train_loss=1.0, train_top1=0.5, val_loss=1.5, val_top1=0.5),
    )
    save_log(path, rows)
    assert len(path.read_text().splitlines()) == 2
    assert load_log(path) == rows
    path.write_text(path.read_text()[:-5])
    with pytest.raises(InputError, match="cannot be used"):
        load_log(path)
    with pytest.raises(InputError, match="cannot be used"):
        load_log(tmp_path / "none.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[type[Document], bytes]:
    """A document in which a value somewhere is replaced, removed or added."""
    document = draw(st.sampled_from(DOCUMENTS))
    content = json.loads(msgspec.json.encode(document))
    parent = content
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = draw(st.sampled_from(keys))
        inner = parent[key]
        if not (isinstance(inner, dict | list) and inner and draw(st.booleans())):
            break
        parent = inner
    change = draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "remove":
        del parent[key]
    elif change == "add" and isinstance(parent, dict):
        parent[draw(st.text(max_size=5))] = draw(json_values)
    else:
        parent[key] = draw(json_values)
    return type(document), json.dumps(content).encode()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=mutated() | st.tuples(st.sampled_from([type(d) for d in DOCUMENTS]), st.binary()))
def test_any_content_gives_a_document_or_its_error(
    tmp_path: Path, case: tuple[type[Document], bytes]
) -> None:
    kind, content = case
    (tmp_path / "x.json").write_bytes(content)
    try:
        assert isinstance(load_json(tmp_path / "x.json", kind), kind)
    except SkelactError as error:
        assert type(error) is kind.error


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary())
def test_any_bytes_as_a_checkpoint_or_a_log_give_the_typed_error(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "x.pt")
    try:
        load_log(tmp_path / "x.pt")
    except InputError:
        pass
    else:
        assert not content.strip()
