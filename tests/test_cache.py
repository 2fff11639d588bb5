"""The cache: atomic entries, damage, locks, remembered hashes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from skelact.cache import Cache, Stage, key_of
from skelact.errors import CacheError
from skelact.schemas import ClipsManifest, PackedManifest, PosesManifest
from skelact.stages.extraction import POSES
from tests.cache_examples import KEY, STAGE, put
from tests.conftest import ROOT
from tests.document_examples import DOCUMENTS


def test_an_entry_is_written_and_read_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    assert cache.find(STAGE, KEY) is None
    put(cache)
    entry = cache.find(STAGE, KEY)
    assert entry is not None
    assert entry.manifest == PackedManifest(dataset="waves", samples=1)
    assert entry.read("a.txt") == b"hello" and list(entry.files) == ["a.txt"]
    assert cache.verify() == []
    about = json.loads((entry.path / "manifest.json").read_text())
    assert (about["stage"], about["key"]) == ("stage", KEY) and "created" in about
    assert about["manifest"]["document"] == "packed"


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fill(folder: Path) -> PackedManifest:
        (folder / "a").write_text("x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.write(STAGE, KEY, fill)
    assert list((tmp_path / "stage").iterdir()) == []


def _change(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "a.txt").unlink(),
        lambda f: (f / "a.txt").write_text("hell"),
        lambda f: (f / "extra").write_text(""),
        lambda f: (f / "manifest.json").write_text("{"),
        lambda f: (f / "manifest.json").unlink(),
        lambda f: (f / "manifest.json").write_text("[]"),
        lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe"),
        lambda f: _change(f, manifest={"document": "packed"}),
        lambda f: _change(f, manifest={"document": "poses", "dataset": "waves", "samples": 1}),
        lambda f: _change(f, manifest={"document": "packed", "dataset": "waves", "samples": "1"}),
        lambda f: _change(f, files={"a.txt": [5]}),
        lambda f: _change(f, more=1),
    ],
)
def test_a_damaged_entry_counts_as_absent_and_is_replaced(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    cache = Cache(tmp_path)
    damage(put(cache).path)
    assert cache.find(STAGE, KEY) is None
    assert cache.verify() == [tmp_path / "stage" / KEY]
    put(cache)
    entry = cache.find(STAGE, KEY)
    assert entry is not None and entry.read("a.txt") == b"hello" and cache.verify() == []


def test_an_entry_of_another_stage_counts_as_absent(tmp_path: Path) -> None:
    put(Cache(tmp_path))
    clips = Stage(name="stage", version=1, manifest=ClipsManifest)
    assert Cache(tmp_path).find(clips, KEY) is None


def test_a_changed_file_of_the_same_size_is_noticed_when_read(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = put(cache)
    (entry.path / "a.txt").write_text("hellO")
    assert cache.find(STAGE, KEY) is not None
    with pytest.raises(CacheError, match="damaged") as caught:
        entry.read("a.txt")
    assert "regenerated" in caught.value.hint
    assert cache.find(STAGE, KEY) is None and cache.verify() == [entry.path]


def test_the_first_writer_wins(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fill(folder: Path) -> PackedManifest:
        (folder / "a.txt").write_text("slow")
        put(Cache(tmp_path), text="fast")
        return PackedManifest(dataset="slow", samples=2)

    entry = cache.write(STAGE, KEY, fill)
    assert entry.manifest.dataset == "waves" and entry.read("a.txt") == b"fast"
    assert [p.name for p in (tmp_path / "stage").iterdir()] == [KEY]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
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
        put(cache, KEY)
    assert "Free some space" in caught.value.hint
    assert sorted(p.name for p in (tmp_path / "stage").iterdir()) == ["before"]


def test_temporary_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    code = (
        "import time; from skelact.cache import Cache; from tests.cache_examples import STAGE\n"
        "def fill(folder):\n"
        "    (folder / 'half').write_text('x'); print('in', flush=True); time.sleep(60)\n"
        f"Cache({str(tmp_path)!r}).write(STAGE, {KEY!r}, fill)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    cache = Cache(tmp_path)
    cache.remove_stale()
    assert len(list((tmp_path / "stage").iterdir())) == 1  # still running: kept
    process.kill()
    process.wait()
    process.stdout.close()
    cache.remove_stale()
    assert list((tmp_path / "stage").iterdir()) == []


def test_lock(tmp_path: Path) -> None:
    a, b = Cache(tmp_path), Cache(tmp_path)
    with a.lock(STAGE, KEY, wait=False) as first:
        assert first
        with b.lock(STAGE, KEY, wait=False) as second:
            assert not second
    with b.lock(STAGE, KEY, wait=True) as third:
        assert third
    assert list((tmp_path / "stage").iterdir()) == []


def test_who_waited_for_a_lock_holds_it_against_newcomers(tmp_path: Path) -> None:
    """The first holder removes the file of the lock while another process waits for it."""
    inside, leave = threading.Event(), threading.Event()
    waiting = threading.Thread(target=_hold, args=(Cache(tmp_path), inside, leave))
    with Cache(tmp_path).lock(STAGE, "k", wait=False) as first:
        assert first
        waiting.start()
        while len(_descriptors(tmp_path / "stage" / ".k.lock")) < 2:  # it waits, or is about to
            time.sleep(0.01)
    assert inside.wait(30)
    with Cache(tmp_path).lock(STAGE, "k", wait=False) as newcomer:
        assert not newcomer
    leave.set()
    waiting.join()
    with Cache(tmp_path).lock(STAGE, "k", wait=False) as last:
        assert last


def _hold(cache: Cache, inside: threading.Event, leave: threading.Event) -> None:
    with cache.lock(STAGE, "k", wait=True):
        inside.set()
        leave.wait(30)


def _descriptors(path: Path) -> list[Path]:
    """The descriptors of this process for a file."""
    return [p for p in Path("/proc/self/fd").iterdir() if p.exists() and p.samefile(path)]


def test_an_exception_releases_a_lock_and_stale_ones_are_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ZeroDivisionError), cache.lock(STAGE, "k", wait=False):
        raise ZeroDivisionError
    assert list((tmp_path / "stage").iterdir()) == []
    (tmp_path / "stage" / ".killed.lock").touch()
    with cache.lock(STAGE, "k", wait=False) as held:
        cache.remove_stale()
        assert held and [p.name for p in (tmp_path / "stage").iterdir()] == [".k.lock"]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock of the cache to this many seconds from now."""
    real = time.time_ns

    def move(seconds: float) -> None:
        monkeypatch.setattr(
            "skelact.cache.hashes.time.time_ns", lambda: real() + int(seconds * 1e9)
        )

    return move


def test_content_hash_ignores_names_and_is_remembered(
    tmp_path: Path, later: Callable[[float], None]
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"same")
    shutil.copy(a, b)
    later(60)
    cache = Cache(tmp_path / "c")
    known = cache.content_hash(a)
    assert known == cache.content_hash(b)
    cache.save_hashes()
    (memo,) = (tmp_path / "c" / "hashes").iterdir()
    assert len(json.loads(memo.read_text())["files"]) == 2
    # it is not fooled by a file of the same size with the same time
    stat = a.stat()
    a.write_bytes(b"SAME")
    os.utime(a, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Cache(tmp_path / "c").content_hash(a) != known
    memo.write_text("nonsense")
    assert Cache(tmp_path / "c").content_hash(b) == known


@pytest.mark.parametrize(
    ("clock_s", "file_s"), [(0, 0), (-3600, 0), (60, 7200)], ids=["new", "clock back", "future"]
)
def test_the_hash_of_a_file_that_may_still_change_is_not_stored(
    clock_s: float, file_s: float, tmp_path: Path, later: Callable[[float], None]
) -> None:
    """A file that was written a moment ago, or after what the clock says now."""
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, (time.time() + file_s, time.time() + file_s))
    later(clock_s)
    cache = Cache(tmp_path / "c")
    cache.content_hash(path)
    cache.save_hashes()
    assert not (tmp_path / "c" / "hashes").exists()
    later(max(clock_s, file_s) + 60)
    Cache(tmp_path / "c").content_hash(path)
    cache = Cache(tmp_path / "c")
    cache.content_hash(path)
    cache.save_hashes()
    assert list((tmp_path / "c" / "hashes").iterdir())


def test_each_folder_of_inputs_has_its_own_hashes(
    tmp_path: Path, later: Callable[[float], None]
) -> None:
    """So that a run on one folder does not read and write the hashes of all others."""
    files = [tmp_path / folder / "x" for folder in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.write_text(file.parent.name)
    later(60)
    for file in files:
        cache = Cache(tmp_path / "c")
        cache.content_hash(file)
        cache.save_hashes()
    memos = [json.loads(f.read_text()) for f in (tmp_path / "c" / "hashes").iterdir()]
    assert sorted(name for memo in memos for name in memo["files"]) == sorted(map(str, files))
    assert [len(memo["files"]) for memo in memos] == [1, 1]


def test_manifests_share_what_they_have_in_common(tmp_path: Path) -> None:
    """A layout of 33 joints takes 20 kB, and a run on a million clips has their manifests."""
    cache = Cache(tmp_path)
    manifest = next(d for d in DOCUMENTS if isinstance(d, PosesManifest))
    written = [cache.write(POSES, key_of(n=n), lambda folder: manifest) for n in range(2)]
    first, second = (cache.find(POSES, entry.path.name) for entry in written)
    assert first is not None and second is not None and first.manifest == second.manifest
    assert first.manifest.skeleton is second.manifest.skeleton
    assert first.manifest.pose is second.manifest.pose


def test_keys() -> None:
    assert key_of(a=1, b=[1, 2]) == key_of(b=[1, 2], a=1)
    assert key_of(a=1) != key_of(a=2)
    with pytest.raises(ValueError, match="JSON"):
        key_of(a=float("nan"))


def test_locks_of_killed_processes_are_removed(tmp_path: Path) -> None:
    code = (
        "import time; from skelact.cache import Cache\n"
        "from tests.cache_examples import STAGE, KEY\n"
        f"with Cache({str(tmp_path)!r}).lock(STAGE, KEY, wait=True):\n"
        "    print('in', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    Cache(tmp_path).remove_stale()
    assert [p.name for p in (tmp_path / "stage").iterdir()] == [f".{KEY}.lock"]  # held: kept
    process.kill()
    process.wait()
    process.stdout.close()
    put(Cache(tmp_path), "f" * 20)  # the first entry that a process writes cleans up
    assert [p.name for p in (tmp_path / "stage").iterdir()] == ["f" * 20]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """A cache of somebody else must not empty a file elsewhere."""
    own = tmp_path / "thesis.txt"
    own.write_text("mine")
    (tmp_path / "c" / "stage").mkdir(parents=True)
    (tmp_path / "c" / "stage" / f".{KEY}.lock").symlink_to(own)
    with (
        pytest.raises(CacheError, match="Cannot write"),
        Cache(tmp_path / "c").lock(STAGE, KEY, wait=True),
    ):
        pass
    Cache(tmp_path / "c").remove_stale()
    assert own.read_text() == "mine"


def test_a_folder_of_the_user_is_no_cache(tmp_path: Path) -> None:
    """Named as the cache by mistake, nothing in it is an entry that could be removed."""
    (tmp_path / "videos" / "kick").mkdir(parents=True)
    (tmp_path / "videos" / "kick" / "a.mp4").write_text("video")
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / KEY).symlink_to(tmp_path / "videos")
    cache = Cache(tmp_path)
    entry = put(cache, "f" * 20)
    assert list(cache.entries()) == [("stage", entry.path)] and cache.verify() == []
