from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skelact.cache import Cache, key_of
from skelact.errors import CacheError


def put(cache: Cache, key: str = "k", text: str = "hello") -> None:
    with cache.write("stage", key, {"n": 1}) as folder:
        (folder / "a.txt").write_text(text)


def test_written_whole_and_read_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    assert cache.find("stage", "k") is None
    put(cache)
    entry = cache.find("stage", "k")
    assert entry is not None
    assert entry.manifest["n"] == 1 and entry.read("a.txt") == b"hello"
    assert cache.verify() == []


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ZeroDivisionError), cache.write("stage", "k", {}) as folder:
        (folder / "a").write_text("x")
        raise ZeroDivisionError
    assert list((tmp_path / "stage").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "a.txt").unlink(),
        lambda f: (f / "a.txt").write_text("hell"),
        lambda f: (f / "extra").write_text(""),
        lambda f: (f / "manifest.json").write_text("{"),
        lambda f: (f / "manifest.json").unlink(),
        lambda f: (f / "manifest.json").write_text("[]"),
    ],
)
def test_damage_is_found_and_mended(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    cache = Cache(tmp_path)
    put(cache)
    damage(tmp_path / "stage" / "k")
    assert cache.find("stage", "k") is None
    assert cache.verify() == [tmp_path / "stage" / "k"]
    put(cache, text="again")
    entry = cache.find("stage", "k")
    assert entry is not None and entry.read("a.txt") == b"again"


def test_a_changed_byte_is_found_on_reading(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    put(cache)
    (tmp_path / "stage" / "k" / "a.txt").write_text("hellO")
    entry = cache.find("stage", "k")
    assert entry is not None
    with pytest.raises(CacheError, match="damaged"):
        entry.read("a.txt")
    assert cache.verify() == [tmp_path / "stage" / "k"]


def test_the_first_writer_wins(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.write("stage", "k", {}) as slow:
        (slow / "a.txt").write_text("slow")
        put(Cache(tmp_path), text="fast")
    entry = cache.find("stage", "k")
    assert entry is not None and entry.read("a.txt") == b"fast"
    assert [p.name for p in (tmp_path / "stage").iterdir()] == ["k"]


def test_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError) as caught:
        put(Cache(tmp_path / "file" / "cache"))
    assert "--cache-dir" in caught.value.hint


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    put(cache, "before")

    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CacheError, match="No space left") as caught:
        put(cache, "k")
    assert "free some space" in caught.value.hint
    assert sorted(p.name for p in (tmp_path / "stage").iterdir()) == ["before"]


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    code = (
        "import sys, time; from skelact.cache import Cache\n"
        f"with Cache({str(tmp_path)!r}).write('stage', 'k', {{}}) as f:\n"
        "    (f / 'half').write_text('x'); print('in', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    cache = Cache(tmp_path)
    cache.remove_stale()
    assert len(list((tmp_path / "stage").iterdir())) == 1  # alive: left alone
    process.kill()
    process.wait()
    process.stdout.close()
    cache.remove_stale()
    assert list((tmp_path / "stage").iterdir()) == []


def test_lock(tmp_path: Path) -> None:
    a, b = Cache(tmp_path), Cache(tmp_path)
    with a.lock("stage", "k", wait=False) as first:
        assert first
        with b.lock("stage", "k", wait=False) as second:
            assert not second
    with b.lock("stage", "k", wait=True) as third:
        assert third


def test_content_hash_ignores_names_and_is_remembered(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"same")
    shutil.copy(a, b)
    cache = Cache(tmp_path / "c")
    known = cache.content_hash(a)
    assert known == cache.content_hash(b)
    cache.save_hashes()
    memo = json.loads((tmp_path / "c" / "hashes.json").read_text())
    assert len(memo) == 2
    # the memo is trusted while size and time stay, and only then
    stat = a.stat()
    a.write_bytes(b"SAME")
    os.utime(a, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Cache(tmp_path / "c").content_hash(a) == known
    os.utime(a, ns=(stat.st_atime_ns, time.time_ns() + 10**9))
    assert Cache(tmp_path / "c").content_hash(a) != known
    (tmp_path / "c" / "hashes.json").write_text("nonsense")
    assert Cache(tmp_path / "c").content_hash(b) == known


def test_keys() -> None:
    assert key_of(a=1, b=[1, 2]) == key_of(b=[1, 2], a=1)
    assert key_of(a=1) != key_of(a=2)
    with pytest.raises(ValueError, match="JSON"):
        key_of(a=float("nan"))
