"""A soak test: random commands on one cache, several at once, with signals, full disks, read-only
folders and damaged entries; then a comparison of everything with undisturbed results.

    python -m benchmarks soak [MINUTES] [SEED]

The default is 120 minutes and seed 0. The seed decides which commands run and what disturbs them;
how far a command has come when a signal arrives also depends on the machine. Every step is written
to soak.jsonl in a new folder of the temporary directory, which is kept if anything differs. The
exit code is 1 if anything differs.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.disk import SmallDisk
from benchmarks.servant import Command, Servant
from benchmarks.soak_world import (
    CACHE,
    RUN,
    TASKS,
    Outcome,
    Task,
    damage,
    differing_entries,
    make_data,
    outcome,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
ENDED_BY_SIGNAL = {130, 143, *(-number for number in SIGNALS)}
LONGEST_S = 900.0  # for one command; then it counts as hanging
ORPHANS_S = 10.0  # for the processes of a killed command to end
DISK_MB = 64
REFUSALS = ("damaged", "disappeared", "cannot be read", "Run the command again", "run it again")


class Soak:
    """The state of a soak test in the folder `root`."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.rng = np.random.default_rng(seed)
        self.disk = SmallDisk(root / "disk", DISK_MB)
        self.data = root / "data"
        self.reference = root / "reference"
        self.servant = Servant(root / "logs")
        self.expected: dict[str, Outcome] = {}
        self.durations: dict[str, float] = {}
        self.damaged: set[str] = set()
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.step = 0

    # --- one command ---

    def start(self, task: Task, folder: Path, run: str, largest: int | None = None) -> Command:
        words = [w.format(data=self.data, run=run) for w in task.arguments]
        (folder / "out").mkdir(exist_ok=True)
        return self.servant.start(words, folder, largest)

    def wait(self, commands: Sequence[Command], plans: Sequence[dict[str, Any]]) -> None:
        """Wait for commands and send the signals that are planned."""
        while any(c.code is None for c in commands):
            time.sleep(0.05)
            for command, plan in zip(commands, plans, strict=True):
                age = time.monotonic() - command.started
                if command.code is not None:
                    continue
                command.look()
                if plan.get("signal") and "sent" not in plan and age > plan["after_s"]:
                    plan["sent"] = round(age, 2)
                    command.send(signal.Signals[plan["signal"]], plan["to_all"])
                if age > LONGEST_S:
                    self.problem(f"{command.arguments} did not end within {LONGEST_S:.0f} s")
                    command.send(signal.SIGKILL, True)

    def undisturbed(self, task: Task, folder: Path, run: str) -> tuple[Command, Outcome]:
        command = self.start(task, folder, run)
        self.wait([command], [{}])
        return command, outcome(task, folder, run, command)

    def problem(self, text: str) -> None:
        self.problems.append(f"step {self.step}: {text}")
        print(f"PROBLEM in {self.problems[-1]}", flush=True)

    # --- the whole test ---

    def prepare(self) -> None:
        """The data, and the results of every task without disturbance."""
        make_data(self.data)
        self.reference.mkdir()
        self.wait([self.servant.start(["cache", "ls"], self.reference)], [{}])  # imports everything
        for task in TASKS:
            command, found = self.undisturbed(task, self.reference, f"reference-{task.name}")
            if found.code != task.code:
                text = command.err.read_text()
                raise RuntimeError(f"{task.name} ended with {found.code} undisturbed: {text}")
            self.expected[task.name] = found
            self.durations[task.name] = time.monotonic() - command.started
            if task.name == "train-videos":  # the run that is tested and calibrated
                trained = self.reference / "runs" / f"reference-{task.name}"
                for folder in (self.data, self.reference, self.disk.path):
                    shutil.copytree(trained, folder / RUN)

    def run(self, minutes: float) -> None:
        end = time.monotonic() + 60 * minutes
        with (self.root / "soak.jsonl").open("w") as log:
            while time.monotonic() < end:
                self.step += 1
                for row in self.round():
                    log.write(json.dumps(row) + "\n")
                log.flush()

    def round(self) -> list[dict[str, Any]]:
        """One to four commands at once, with what disturbs them; then the check of each."""
        rng = self.rng
        injected = []
        for _ in range(rng.integers(1, 4) if rng.random() < 0.6 else 0):
            injected += damage(self.disk.path / CACHE, rng)
        state = str(rng.choice(["normal", "full", "read-only"], p=[0.76, 0.16, 0.08]))
        free = int(rng.integers(0, 200_000))
        tasks = [TASKS[int(n)] for n in rng.integers(0, len(TASKS), rng.integers(1, 5))]
        plans = [self.plan(task) for task in tasks]
        runs = [f"{task.name}-{self.step}-{n}" for n, task in enumerate(tasks)]
        if state == "read-only" and not self.disk.can_be_read_only:
            state = "normal"
        with self.disturbed(state, free):
            largest = free // 20 if state == "full" and not self.disk.is_mounted else None
            commands = [
                self.start(task, self.disk.path, run, largest)
                for task, run in zip(tasks, runs, strict=True)
            ]
            self.wait(commands, plans)
            results = [
                outcome(t, self.disk.path, r, c)
                for t, r, c in zip(tasks, runs, commands, strict=True)
            ]
        self.damaged.update(injected)
        is_clean = not injected and not any(t.removes for t in tasks)
        rows = []
        for task, run, plan, command, found in zip(
            tasks, runs, plans, commands, results, strict=True
        ):
            verdict = self.check(task, run, plan, command, found, state, is_clean)
            self.counts[f"{verdict}"] += 1
            rows.append(
                {
                    "step": self.step,
                    "task": task.name,
                    "state": state,
                    "damage": injected,
                    **plan,
                    "code": found.code,
                    "verdict": verdict,
                }
            )
            self.remove_outputs(run)
        shutil.rmtree(self.disk.path / "runs", ignore_errors=True)
        return rows

    def remove_outputs(self, run: str) -> None:
        """Remove what a command wrote outside of the cache and its run folder."""
        for path in (
            *(self.disk.path / "out").glob(f"{run}*"),
            *(self.disk.path / RUN).glob(f"t{run}*"),
        ):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()

    @contextlib.contextmanager
    def disturbed(self, state: str, free: int) -> Iterator[None]:
        (self.disk.path / "out").mkdir(exist_ok=True)
        (self.disk.path / "runs").mkdir(exist_ok=True)
        if state == "normal":
            yield
            return
        with self.disk.full(free) if state == "full" else self.disk.read_only():
            yield

    def plan(self, task: Task) -> dict[str, Any]:
        """Whether, when and how a command is killed."""
        rng = self.rng
        kill, number, to_all = rng.random() < 0.45, rng.integers(0, 3), rng.random() < 0.5
        after, repeat = float(rng.random()) * 1.3 * self.durations[task.name], rng.random() < 0.5
        plan: dict[str, Any] = {"repeat": bool(repeat)}
        if kill:
            plan |= {
                "signal": SIGNALS[int(number)].name,
                "to_all": bool(to_all),
                "after_s": round(after, 2),
            }
        return plan

    def check(
        self,
        task: Task,
        run: str,
        plan: dict[str, Any],
        command: Command,
        found: Outcome,
        state: str,
        is_clean: bool,
    ) -> str:
        """What happened to a command, in a word or two; adds problems."""
        text = command.err.read_text(errors="replace")
        what = f"{' '.join(command.arguments)} (log {command.err.name}, {state}, {plan})"
        self.check_orphans(command, what)
        if "Traceback" in text or "bug in skelact" in text:
            self.problem(f"{what}: {text.strip()[-400:]}")
            return "crashed"
        expected = self.expected[task.name]
        if found == expected:
            return "right"
        if "sent" in plan and found.code in ENDED_BY_SIGNAL:
            return self.again(task, run, plan, "ended by a signal", what)
        if found.code == expected.code:
            self.problem(f"{what}: another result than undisturbed: {found.difference(expected)}")
            return "wrong"
        if found.code not in (1, 2) or not text.strip():
            self.problem(f"{what}: exit code {found.code}: {text.strip()[-400:]}")
            return "wrong"
        if state != "normal":
            return self.again(task, run, plan, f"refused ({state})", what)
        if not is_clean or any(word in text for word in REFUSALS):
            return self.again(task, run, plan, "refused (damage)", what)
        self.problem(f"{what}: exit code {found.code}: {text.strip()[-400:]}")
        return "wrong"

    def again(self, task: Task, run: str, plan: dict[str, Any], verdict: str, what: str) -> str:
        """Every second disturbed command is repeated without disturbance; a run is resumed."""
        if not plan["repeat"]:
            return verdict
        self.remove_outputs(run)
        resumed = task.resumed() if (self.disk.path / "runs" / run).is_dir() else task
        command, found = self.undisturbed(resumed, self.disk.path, run)
        if found != self.expected[task.name]:
            text = command.err.read_text(errors="replace").strip()[-400:]
            difference = found.difference(self.expected[task.name])
            self.problem(f"{what}: repeated ({command.err.name}): {difference}: {text}")
            return f"{verdict}, wrong when repeated"
        return f"{verdict}, right when repeated"

    def check_orphans(self, command: Command, what: str) -> None:
        deadline = time.monotonic() + ORPHANS_S
        while command.orphans() and time.monotonic() < deadline:
            time.sleep(0.05)
        if command.orphans():
            self.problem(f"{what}: processes that go on: {command.orphans()}")

    def compare(self) -> None:
        """The cache and the results of all commands after the disturbance."""
        self.step += 1
        disk = self.disk.path
        verify = Task(name="verify", arguments=("cache", "verify", "--json", "--cache-dir", CACHE))
        prune = Task(
            name="prune",
            arguments=("cache", "prune", "--damaged", "--json", "--cache-dir", CACHE),
        )
        command, found = self.undisturbed(verify, disk, "")
        reported = {
            "/".join(Path(p).parts[-2:]) for p in json.loads(command.out.read_text())["damaged"]
        }
        if reported - self.damaged:
            self.problem(f"cache verify names entries nobody damaged: {reported - self.damaged}")
        self.undisturbed(prune, disk, "")
        command, found = self.undisturbed(verify, disk, "")
        if found.code:
            self.problem(f"cache verify after prune --damaged: {command.out.read_text()}")
        left = [p for pattern in ("*/tmp-*", "*/.*.lock") for p in (disk / CACHE).glob(pattern)]
        if left:
            self.problem(f"left in the cache: {left}")
        self.problems += differing_entries(self.reference / CACHE, disk / CACHE)
        for task in TASKS:
            command, found = self.undisturbed(task, disk, f"final-{task.name}")
            if found != self.expected[task.name]:
                text = command.err.read_text(errors="replace").strip()[-400:]
                difference = found.difference(self.expected[task.name])
                self.problem(f"{task.name} afterwards: {difference}: {text}")
        self.problems += differing_entries(self.reference / CACHE, disk / CACHE)
        if (disk / RUN / "best.pt").read_bytes() != (self.data / RUN / "best.pt").read_bytes():
            self.problem("best.pt of the run that is only read has changed")


def soak(minutes: float, seed: int) -> list[str]:
    """Run the test. Returns what differs from undisturbed results."""
    root = Path(tempfile.mkdtemp(prefix="skelact-soak-"))
    test = Soak(root, seed)
    mounted = "a small file system" if test.disk.is_mounted else "limits (nothing can be mounted)"
    print(f"seed {seed}, {minutes:g} minutes, full disks by {mounted}, logs in {root}", flush=True)
    try:
        test.prepare()
        test.run(minutes)
        test.compare()
    finally:
        test.disk.close()
    commands = sum(test.counts.values())
    print(f"{commands} commands in {test.step - 1} rounds; {len(test.damaged)} entries damaged")
    for verdict, count in test.counts.most_common():
        print(f"  {verdict}: {count}")
    for text in test.problems:
        print(f"DIFFERS: {text}")
    if not test.problems:
        print("all results are those of undisturbed commands")
        shutil.rmtree(root, ignore_errors=True)
    return test.problems


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[2:] if arguments is None else arguments)
    minutes = float(given[0]) if given else 120.0
    seed = int(given[1]) if len(given) > 1 else 0
    if soak(minutes, seed):
        sys.exit(1)
