"""Commands that are killed, interrupted, or run twice at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from skelact import cli
from skelact.cache import Cache
from tests.conftest import run, sample, short_clip
from tests.helpers import (
    SMALL_RUN,
    descendants,
    entries,
    wait_for_end,
)


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "skelact", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a test run in the background ignores SIGINT, and so would its children
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str]) -> str:
    _, complaints = process.communicate(timeout=300)
    return complaints


def kill_all(process: subprocess.Popen[str]) -> None:
    """kill -9 the whole process group: nothing gets to clean up."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def test_kill_in_the_middle_of_extract(tmp_path: Path) -> None:
    """What was finished stays and is not done again; the rest is done; the result is that of an
    unbroken run."""
    folder, cache = tmp_path / "videos", tmp_path / ".skelact"
    for n in range(6):
        short_clip(sample("Kata_A1_C0.avi"), folder / f"{n}.mp4", 40, start=20 * n)
    process = start("extract", folder, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while len(entries(cache)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_all(process)
    kept = {name: (cache / "poses" / name / "manifest.json").read_text() for name in entries(cache)}
    assert 2 <= len(kept) < 6
    done = run("extract", folder, "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["videos"]) == 6
    for name, manifest in kept.items():  # untouched: it carries its date
        assert (cache / "poses" / name / "manifest.json").read_text() == manifest
    assert len(entries(cache)) == 6
    assert not list(cache.glob("*/tmp-*")) and Cache(cache).verify() == []


def test_two_extracts_at_once_on_one_cache(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    for n in range(4):
        short_clip(sample("Kata_A1_C0.avi"), folder / f"{n}.mp4", 20, start=20 * n)
    both = [start("extract", folder, cwd=tmp_path) for _ in range(2)]
    told = [finish(p) for p in both]
    assert [p.returncode for p in both] == [0, 0], told
    cache = Cache(tmp_path / ".skelact")
    assert len(entries(cache.root)) == 4 and cache.verify() == []
    assert not list(cache.root.glob("*/tmp-*"))
    assert "nothing to do" in run("extract", folder).stderr


def test_kill_in_the_middle_of_train(mini_mads: Path, cache_dir: Path, tmp_path: Path) -> None:
    """Resumed after kill -9, the run ends with the weights of an unbroken one."""
    from skelact.models.checkpoint import load_checkpoint

    arguments = (
        "train",
        "--data",
        mini_mads,
        *SMALL_RUN,
        "--set",
        "train.patience=0",
        "--cache-dir",
        cache_dir,
    )
    assert run(*arguments, "--name", "whole").returncode == 0
    process = start(*arguments, "--name", "broken", cwd=tmp_path)
    log = tmp_path / "runs" / "broken" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    kill_all(process)
    finished = len(log.read_text().splitlines())
    assert finished < 4 and not (log.parent / "result.json").exists()
    done = run(*arguments, "--name", "broken", "--resume")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [r["epoch"] for r in rows] == [1, 2, 3, 4]
    a, b = (load_checkpoint(tmp_path / "runs" / n / "last.pt").weights for n in ("whole", "broken"))
    assert all((a[k] == b[k]).all() for k in a)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_to_the_parent_alone_ends_the_workers(
    number: signal.Signals, code: int, tmp_path: Path, networks: None
) -> None:
    shutil.copy(sample("HipHop_A1_C0.avi"), tmp_path / "a.avi")
    process = start("extract", tmp_path / "a.avi", "--cache-dir", tmp_path / "cache", cwd=tmp_path)
    children: list[int] = []
    for _ in range(600):
        children = descendants(process.pid)
        if children and list((tmp_path / "cache").glob("poses/*tmp*")):
            break
        time.sleep(0.1)
    assert children
    process.send_signal(number)
    message = finish(process)
    assert process.returncode == code
    assert "Interrupted" in message
    for _ in range(100):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            break
        time.sleep(0.1)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not entries(tmp_path / "cache")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("train --dataset x", "Run the same command again with --resume to continue."),
        ("--quiet train --dataset x --resume", "Run the same command again to continue."),
        ("predict train --json", "Run the same command again to continue."),
        ("sweep --over train.lr=1,2", "It trains all runs anew"),
        ("models pull rtmo-m", "Run the same command again.\n"),
    ],
)
def test_what_to_do_after_an_interrupt(
    words: str, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "program", interrupt)
    assert cli.main(words.split()) == 130
    assert hint in capsys.readouterr().err
    assert set(cli.CONTINUED) <= cli.commands().keys()


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the parent alone, while its workers estimate poses: all its children end, and the
    next run continues."""
    folder, cache = tmp_path / "videos", tmp_path / ".skelact"
    for n in range(2):
        short_clip(sample("Kata_A1_C0.avi"), folder / f"{n}.mp4", 60, start=20 * n)
    process = start("extract", folder, cwd=tmp_path)
    for _ in range(1200):
        if list(cache.glob("poses/tmp-*")):
            break
        time.sleep(0.1)
    children = descendants(process.pid)
    assert len(children) >= 2
    process.kill()
    process.communicate(timeout=60)
    for child in children:
        wait_for_end(child)
    assert not entries(cache)
    done = run("extract", folder, "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["videos"]) == 2
    assert not list(cache.glob("*/tmp-*"))


def test_an_interrupt_while_the_workers_start_prints_no_traceback(
    tmp_path: Path, networks: None
) -> None:
    """Ctrl-C in a terminal goes to all processes, also to those that are still importing."""
    shutil.copy(sample("HipHop_A1_C0.avi"), tmp_path / "a.avi")
    process = start("extract", tmp_path / "a.avi", "--cache-dir", tmp_path / "cache", cwd=tmp_path)
    commands: list[bytes] = []
    while not any(b"spawn_main" in c for c in commands) and process.poll() is None:
        time.sleep(0.02)
        commands = [_command_line(pid) for pid in descendants(process.pid)]
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    message = finish(process)
    assert process.returncode == 130
    assert "Traceback" not in message and "Interrupted" in message


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
