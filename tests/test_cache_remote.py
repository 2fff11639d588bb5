"""A cache at an address: uploads and downloads, damage, hostile archives, failures."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from typer.testing import CliRunner

from skelact.cache import Cache, key_of
from skelact.cache import remote as remote_module
from skelact.cache.remote import RemoteStore
from skelact.cli.cache import app
from skelact.errors import BackendMissing, CacheError, CacheUnavailable, ConfigError, DamagedEntry
from skelact.schemas import FileRecord, PackedManifest
from tests.cache_examples import HANG, KEY, STAGE, SharedFiles, put
from tests.conftest import ROOT

Machine = Callable[[str], Cache]
OBJECT = f"bucket/stage/01/{KEY}.tar"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The cache at one address, as seen from the machine with this name."""
    monkeypatch.setattr(SharedFiles, "error", None)

    def at(name: str) -> Cache:
        monkeypatch.setenv("SKELACT_CACHE_COPIES", str(tmp_path / name))
        return Cache(f"shared://{tmp_path}/bucket/")

    return at


def test_an_entry_is_found_on_another_machine(machine: Machine, tmp_path: Path) -> None:
    a, b = machine("a"), machine("b")
    assert a.find(STAGE, KEY) is None
    written = put(a)
    assert [p.name for p in tmp_path.glob("bucket/stage/*/*")] == [f"{KEY}.tar"]
    found = b.find(STAGE, KEY)
    assert found is not None and found.manifest == written.manifest
    assert found.read("a.txt") == b"hello" and found.path.is_relative_to(tmp_path / "b")
    for file in written.path.iterdir():
        assert (found.path / file.name).read_bytes() == file.read_bytes()
    requests = SharedFiles.requests
    assert b.find(STAGE, KEY) is not None and SharedFiles.requests == requests  # the copy
    assert [p for p in tmp_path.glob("?/*/stage/*") if p.name != KEY] == []


def test_many_entries(machine: Machine) -> None:
    keys = [key_of(n=n) for n in range(40)]
    for key in keys[::2]:
        put(machine("a"), key, key)
    found = list(machine("b").find_each(STAGE, enumerate(keys)))
    assert [n for n, _ in found] == list(range(40))
    for n, entry in found:
        assert (entry is None) == bool(n % 2)
        assert entry is None or entry.read("a.txt") == keys[n].encode()


def test_the_address_gives_the_same_cache(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = machine("a")
    assert Cache(cache.address).root == cache.root
    monkeypatch.setenv("SKELACT_CACHE", cache.address)
    assert Cache().address == cache.address and Cache().remote is not None
    monkeypatch.chdir(tmp_path)
    assert Cache("c").address == str(tmp_path / "c") and Cache("c").root == Path("c")


def test_a_folder_as_an_address(tmp_path: Path) -> None:
    cache = Cache(f"file://{tmp_path}/a%20b")
    assert cache.remote is None and put(cache).path.parent == tmp_path / "a b" / "stage"


def test_an_address_as_a_path(tmp_path: Path) -> None:
    """pathlib makes s3:/bucket of it, which would be a folder."""
    with pytest.raises(CacheError, match="s3:/bucket/x") as caught:
        Cache(Path("s3://bucket/x"))
    assert "text" in caught.value.hint


# --- interrupted uploads and damage ---------------------------------------------------------------


def test_an_upload_that_is_killed(machine: Machine, tmp_path: Path) -> None:
    code = (
        "from tests.cache_examples import put; from skelact.cache import Cache\n"
        f"put(Cache({machine('a').address!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, HANG: "1"},
    )
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    process.kill()
    process.wait()
    process.stdout.close()
    (part,) = tmp_path.glob(OBJECT)
    assert machine("b").find(STAGE, KEY) is None  # only a part is there
    assert machine("b").verify() == [f"shared://{tmp_path}/{OBJECT}"]
    a = machine("a")
    a.remove_stale()
    assert a.find(STAGE, KEY) is not None  # it is still on this machine, and uploaded now
    assert part.stat().st_size > 1000 and machine("b").verify() == []
    assert machine("b").find(STAGE, KEY) is not None
    assert [p.name for p in a.root.glob("stage/*") if p.name != KEY] == []


def test_an_upload_that_fails_is_repeated(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = machine("a")
    monkeypatch.setattr(SharedFiles, "error", PermissionError)
    with pytest.raises(CacheUnavailable, match=r"Cannot write shared://.*of the test") as caught:
        put(a)
    assert "credentials" in caught.value.hint
    monkeypatch.setattr(SharedFiles, "error", None)
    assert not list(tmp_path.glob(OBJECT))
    entry = machine("a").find(STAGE, KEY)
    assert entry is not None and entry.read("a.txt") == b"hello"
    assert machine("b").find(STAGE, KEY) is not None


def test_a_damaged_entry_is_not_uploaded(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedFiles, "error", OSError)
    with pytest.raises(CacheUnavailable):
        put(machine("a"))
    monkeypatch.setattr(SharedFiles, "error", None)
    (stored,) = machine("a").stored_here()
    (Path(stored.place) / "a.txt").write_text("hellO")
    assert machine("a").find(STAGE, KEY) is None and list(machine("a").stored()) == []


def test_every_damage_is_found(machine: Machine, tmp_path: Path) -> None:
    """A flipped bit anywhere, and every length: the content is the right one, or is not used."""
    written = put(machine("a"))
    (file,) = tmp_path.glob(OBJECT)
    content, used = file.read_bytes(), 0
    damaged = [content[:n] for n in range(0, len(content) - 1024, 200)]
    for n in range(0, len(content), 19):
        damaged.append(content[:n] + bytes([content[n] ^ 1 << n % 8]) + content[n + 1 :])
    for n, other in enumerate(damaged):
        file.write_bytes(other)
        entry = machine(f"machine {n}").find(STAGE, KEY)
        if entry is not None:  # padding, or a part of a header that nobody reads
            used += 1
            assert entry.manifest == written.manifest and entry.read("a.txt") == b"hello"
    assert 0 < used < len(damaged)
    file.write_bytes(b"")
    put(machine("c"), text="again")
    found = machine("d").find(STAGE, KEY)
    assert found is not None and found.read("a.txt") == b"again"


def test_a_damaged_copy_is_downloaded_again(machine: Machine) -> None:
    a = machine("a")
    entry = put(a)
    (entry.path / "a.txt").write_text("hellO")
    assert a.verify() == [entry.path]
    with pytest.raises(DamagedEntry):
        entry.read("a.txt")
    found = a.find(STAGE, KEY)
    assert found is not None and found.read("a.txt") == b"hello" and a.verify() == []


# --- archives of others ---------------------------------------------------------------------------


def archive(
    members: list[tarfile.TarInfo | tuple[str, bytes]], manifest: dict[str, object] | None = None
) -> bytes:
    """An archive with right checksums whose manifest lists the members, or what it is given."""
    contents = dict(m for m in members if isinstance(m, tuple))
    files = {name: FileRecord.of(content) for name, content in contents.items()}
    envelope = STAGE.decoder.type(
        stage="stage",
        key=KEY,
        created="",
        files=files,
        manifest=PackedManifest(dataset="waves", samples=1),
    )
    envelope = structs.replace(envelope, **(manifest or {}))
    envelope = structs.replace(envelope, checksum=envelope.content_hash())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member in (("manifest.json", msgspec.json.encode(envelope)), *members):
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
            else:
                tar.addfile(member)
    return out.getvalue()


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


LISTED = {"files": {"a.txt": FileRecord(0, FileRecord.of(b"").hash)}}


@pytest.mark.parametrize(
    "content",
    [
        archive([("../x", b"x")]),
        archive([("../../../../x", b"x")]),
        archive([("/tmp/skelact-x", b"x")]),
        archive([("sub/x", b"x")]),
        archive([("..", b"x")]),
        archive([(".hidden", b"x")]),
        archive([("manifest.json", b"{}")]),
        archive([("x\\..\\y", b"x")]),
        archive([("x" * 200, b"x")]),
        archive([link("a.txt", tarfile.SYMTYPE)], LISTED),
        archive([link("a.txt", tarfile.LNKTYPE)], LISTED),
        archive([link("a.txt", tarfile.FIFOTYPE)], LISTED),
        archive([link("a.txt", tarfile.CHRTYPE)], LISTED),
        archive([link("a.txt", tarfile.DIRTYPE)], LISTED),
        archive([("a.txt", b"x")], LISTED),
        archive([("b.txt", b"")], LISTED),
        archive([("a.txt", b"x")], {"key": "f" * 20}),
        archive([("a.txt", b"x")], {"stage": "poses"}),
        archive([]).replace(b"manifest.json", b"manifesto.jso"),
        b"",
        b"\0" * 5000,
        b"PK" + bytes(5000),
    ],
)
def test_hostile_archives(machine: Machine, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / OBJECT
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    cache = machine("a")
    assert cache.find(STAGE, KEY) is None
    assert {p for p in tmp_path.rglob("*") if not p.is_dir()} == before
    assert cache.verify() == [f"shared://{tmp_path}/{OBJECT}"]
    put(cache)
    assert machine("b").find(STAGE, KEY) is not None


def test_a_listing_names_no_folder_elsewhere(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store allows .. as a part of a name."""
    cache = machine("a")
    own = cache.root.parent / KEY
    own.mkdir(parents=True)
    names = {"": ["..", ".", "Stage"], "..": [KEY[:2]], f"../{KEY[:2]}": [f"{KEY}.tar"]}

    def listed(self: RemoteStore, path: str) -> dict[str, int]:
        return dict.fromkeys(names.get(path.partition("/bucket")[2].lstrip("/"), []), 1)

    monkeypatch.setattr(RemoteStore, "_list", listed)
    assert list(cache.stored()) == [] and cache.verify() == []
    assert cache.prune(everything=True, damaged=True) == (0, 0) and own.exists()


def test_an_archive_of_the_examples_can_be_used(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / OBJECT
    file.parent.mkdir(parents=True)
    file.write_bytes(archive([("a.txt", b"x"), ("b.txt", b"")]))
    assert machine("a").find(STAGE, KEY) is not None


# --- addresses that cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError, PermissionError, KeyError])
def test_every_request_can_fail(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    cache = machine("a")
    monkeypatch.setattr(SharedFiles, "error", error)
    for work in (
        lambda: cache.find(STAGE, KEY),
        lambda: put(cache),
        cache.check_writable,
        lambda: list(cache.stored()),
        lambda: list(cache.find_each(STAGE, [(1, KEY[::-1])])),
        cache.verify,
    ):
        with pytest.raises(CacheUnavailable, match="test") as caught:
            work()
        assert caught.value.hint


def test_a_bucket_that_does_not_exist(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed before the work begins."""
    monkeypatch.setattr(SharedFiles, "error", FileNotFoundError)
    cache = machine("a")
    assert cache.find(STAGE, KEY) is None
    with pytest.raises(CacheUnavailable, match="cannot be written") as caught:
        cache.check_writable()
    assert "bucket" in caught.value.hint


def test_an_address_that_does_not_answer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "ANSWER_S", 0.2)
    monkeypatch.setattr(SharedFiles, "ls", lambda *a, **k: time.sleep(30))
    with pytest.raises(CacheUnavailable, match="does not answer") as caught:
        list(machine("a").stored())
    assert "network" in caught.value.hint


def test_a_slow_answer_is_awaited() -> None:
    steps = []

    def work() -> str:
        for n in range(8):
            time.sleep(0.1)
            steps.append(n)
        return "done"

    assert remote_module.within(0.4, work, lambda: len(steps)) == "done"
    with pytest.raises(TimeoutError):
        remote_module.within(0.1, lambda: time.sleep(5))


def test_protocols_that_are_not_there() -> None:
    with pytest.raises(CacheUnavailable, match="Protocol not known"):
        Cache("nonsense://x/y").find(STAGE, KEY)
    with pytest.raises(BackendMissing, match="adlfs") as caught:
        Cache("abfs://container/x").find(STAGE, KEY)
    assert "package" in caught.value.hint


def test_without_fsspec(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(BackendMissing) as caught:
        machine("a").find(STAGE, KEY)
    assert "skelact[remote]" in caught.value.hint


def test_passwords_are_not_shown() -> None:
    cache = Cache("nonsense://me:secret@host/x")
    assert cache.name == "nonsense://host/x"
    with pytest.raises(CacheUnavailable) as caught:
        cache.find(STAGE, KEY)
    assert "secret" not in caught.value.message + caught.value.hint


# --- the commands ---------------------------------------------------------------------------------


def test_commands(machine: Machine, tmp_path: Path) -> None:
    def run(*arguments: str) -> object:
        done = CliRunner().invoke(app, [*arguments, "--cache-dir", address, "--json"])
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    cache = machine("a")
    address, keys = cache.address, [key_of(n=n) for n in range(5)]
    for key in keys:
        put(cache, key)
    size = sum(f.stat().st_size for f in tmp_path.glob("bucket/stage/*/*"))
    assert run("ls") == {"stage": {"entries": 5, "bytes": size}}
    assert run("verify") == {"damaged": []}
    (bad,) = tmp_path.glob(f"bucket/stage/*/{keys[0]}.tar")
    bad.write_bytes(b"x")
    assert run("verify") == {"damaged": [f"shared://{bad}"]}
    assert run("prune", "--damaged") == {"removed": 1, "bytes": 1}
    assert run("verify") == {"damaged": []} and not bad.exists()
    assert machine("a").find(STAGE, keys[0]) is None
    assert run("prune", "--all", "--copies") != {"removed": 0, "bytes": 0}
    assert list(cache.entries()) == [] and run("ls") != {}
    assert machine("a").find(STAGE, keys[1]) is not None
    assert run("prune", "--stage", "poses") == {"removed": 0, "bytes": 0}
    assert run("prune", "--all") != {"removed": 0, "bytes": 0}
    assert run("ls") == {} and list(cache.entries()) == []
    assert machine("a").find(STAGE, keys[1]) is None


def test_copies_of_a_folder(tmp_path: Path) -> None:
    given = ["prune", "--copies", "--cache-dir", str(tmp_path)]
    error = CliRunner().invoke(app, given).exception
    assert isinstance(error, ConfigError) and "--copies" in error.hint
