"""A cache in a bucket, by the protocol of S3: a server of moto in a process of its own.

pip install s3fs 'moto[server]'"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skelact.cache import Cache, key_of
from skelact.cache import remote as remote_module
from skelact.errors import CacheUnavailable
from tests.cache_examples import KEY, STAGE, put
from tests.conftest import ROOT, run, sample, short_clip

for package in ("s3fs", "moto", "flask"):
    pytest.importorskip(package)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
_SERVER = """
import logging, sys, time
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def serving(**env: str) -> Iterator[str]:
    """The address of a server."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(server: str, credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new bucket."""
    import fsspec

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    name = f"b{key_of(path=str(tmp_path))}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}/cache"


@pytest.fixture
def machine(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Cache]:
    def at(name: str) -> Cache:
        monkeypatch.setenv("SKELACT_CACHE_COPIES", str(tmp_path / name))
        return Cache(bucket)

    return at


def test_entries(machine: Callable[[str], Cache], bucket: str) -> None:
    a, b = machine("a"), machine("b")
    assert a.find(STAGE, KEY) is None and list(a.stored()) == []
    keys = [key_of(n=n) for n in range(30)]
    for key in keys:
        put(a, key, key)
    assert sorted(e.key for e in b.stored()) == sorted(keys)
    for key, entry in b.find_each(STAGE, ((k, k) for k in keys)):
        assert entry is not None and entry.read("a.txt") == key.encode()
    assert a.verify() == b.verify() == []
    b.remove(STAGE.name, keys[0])
    assert machine("c").find(STAGE, keys[0]) is None
    assert b.prune(everything=True)[0] == 29 and list(machine("c").stored()) == []


def test_a_large_entry_is_uploaded_in_parts(machine: Callable[[str], Cache]) -> None:
    text = "0123456789abcdef" * (130 << 16)  # s3fs uploads more than 100 MB in parts
    put(machine("a"), text=text)
    entry = machine("b").find(STAGE, KEY)
    assert entry is not None and entry.read("a.txt") == text.encode()


def test_damage_in_the_bucket(machine: Callable[[str], Cache], bucket: str) -> None:
    import fsspec

    put(machine("a"))
    files = fsspec.filesystem("s3")
    (path,) = files.find(bucket.removeprefix("s3://"))
    content = files.cat_file(path)
    files.pipe_file(path, content.replace(b"hello", b"hellO"))
    assert machine("b").find(STAGE, KEY) is None and len(machine("b").verify()) == 1
    put(machine("b"))
    entry = machine("c").find(STAGE, KEY)
    assert entry is not None and entry.read("a.txt") == b"hello"


def test_a_process_is_killed_during_its_upload(
    machine: Callable[[str], Cache], bucket: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is cut when the server has got most of the request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = (
            "from tests.cache_examples import put; from skelact.cache import Cache\n"
            f"put(Cache({machine('a').address!r}), text='x' * 5_000_000)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
        )
        connection, _ = listener.accept()
        host, target_port = server.removeprefix("http://").split(":")
        with connection, socket.create_connection((host, int(target_port))) as target:
            passed = 0
            while passed < 3_000_000:
                chunk = connection.recv(1 << 16)
                target.sendall(chunk)
                passed += len(chunk)
                if b"Expect: 100-continue" in chunk:
                    connection.sendall(target.recv(1 << 16))
            process.kill()
            process.wait()
    assert list(machine("b").stored()) == [] and machine("b").find(STAGE, KEY) is None
    a = machine("a")
    a.remove_stale()
    assert a.find(STAGE, KEY) is not None and machine("b").find(STAGE, KEY) is not None


def test_without_a_bucket(machine: Callable[[str], Cache]) -> None:
    cache = Cache("s3://there-is-no-such-bucket/x")
    with pytest.raises(CacheUnavailable, match="does not exist") as caught:
        put(cache)
    assert "Create the bucket" in caught.value.hint
    with pytest.raises(CacheUnavailable):
        cache.check_writable()


def test_without_rights(credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not know the credentials."""
    import fsspec

    monkeypatch.setenv("SKELACT_CACHE_COPIES", str(tmp_path))
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    cache = Cache("s3://private/x")
    with serving(INITIAL_NO_AUTH_ACTION_COUNT="0") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        for work in (
            lambda: cache.find(STAGE, KEY),
            lambda: put(cache),
            lambda: list(cache.stored()),
            cache.check_writable,
        ):
            with pytest.raises(CacheUnavailable) as caught:
                work()
            assert "credentials" in caught.value.hint
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("accepts", [True, False], ids=["silent", "closed"])
def test_a_host_that_does_not_answer(
    accepts: bool, credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    monkeypatch.setattr(remote_module, "ANSWER_S", 2.0)
    monkeypatch.setenv("SKELACT_CACHE_COPIES", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not accepts:
            listener.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        cache = Cache("s3://bucket/x")
        with pytest.raises(CacheUnavailable) as caught:
            cache.find(STAGE, KEY)
        assert "AWS_ENDPOINT_URL" in caught.value.hint
        with pytest.raises(CacheUnavailable):
            put(cache)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_extract_on_two_machines(
    machine: Callable[[str], Cache], bucket: str, networks: None, tmp_path: Path
) -> None:
    """The second machine estimates nothing, and has the same files."""
    for n in range(3):
        short_clip(sample("Kata_A1_C0.avi"), tmp_path / "videos" / f"{n}.mp4", 8, start=30 + 20 * n)
    told = []
    for name in ("a", "b"):
        machine(name)
        done = run("extract", tmp_path / "videos", "--cache-dir", bucket, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        told.append("nothing to do" in done.stderr)
    assert told == [False, True]
    a, b = (
        {
            p.relative_to(tmp_path / name): p.read_bytes()
            for p in (tmp_path / name).rglob("*.*")
            if p.is_file() and p.parent.parent.name in ("poses", "sequences")
        }
        for name in ("a", "b")
    )
    assert a == b and len(a) > 20
    listed = run("cache", "ls", "--json", "--cache-dir", bucket, cwd=tmp_path)
    assert {s: v["entries"] for s, v in json.loads(listed.stdout).items()} == {
        "poses": 3,
        "sequences": 3,
    }
