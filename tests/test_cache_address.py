"""What --cache-dir and SKELACT_CACHE may name."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from skelact.cache import Cache
from skelact.cli.cache import app
from skelact.errors import CacheUnavailable


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("file://tmpq/zz", "names the machine tmpq"),
        ("file://me:secret@host/zz", "file://host/zz names the machine host"),
        ("file://[", "names the machine"),
        ("file://", "names no place"),
        ("file://localhost", "names no place"),
        ("file:///a?b", "after its path"),
        ("file:///a#b", "after its path"),
        ("file:/a", "one slash"),
        ("s3:/bucket", "one slash"),
        ("s3://", "names no place"),
        ("s3:///", "names no place"),
        ("", "empty"),
    ],
)
def test_addresses_that_are_wrong(address: str, says: str, tmp_path: Path) -> None:
    """None of them becomes the name of a folder."""
    with pytest.raises(CacheUnavailable, match=says) as caught:
        Cache(address)
    assert caught.value.hint and "secret" not in caught.value.message + caught.value.hint
    answer = CliRunner().invoke(app, ["ls", "--cache-dir", address])
    assert isinstance(answer.exception, CacheUnavailable)
    assert list(tmp_path.iterdir()) == []


def test_addresses_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cache("file://localhost/a").root == Cache("file:///a").root == Path("/a")
    assert Cache("file:///").root == Path("/") and Cache("a:b").root == Path("a:b")
    monkeypatch.setenv("SKELACT_CACHE", "")  # as if it were not set
    assert Cache().root == Path(".skelact")
    monkeypatch.setenv("SKELACT_CACHE", "s3:/bucket")
    with pytest.raises(CacheUnavailable, match="one slash"):
        Cache()
