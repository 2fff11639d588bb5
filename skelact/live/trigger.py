"""Triggers: a program of the user is run when somebody does something. This module starts the
programs that the command line names, and no others, without a shell."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skelact.errors import ConfigError, lookup
from skelact.live.session import Decision
from skelact.types import UNKNOWN

_RULE = re.compile(r"(?P<label>.+?)\s*>\s*(?P<above>\d*\.?\d+)\s*:\s*(?P<command>.*)", re.DOTALL)
_EXAMPLE = "An example: --trigger 'wave>0.8:notify-send waves'."
_MOST_RUNNING = 4  # programs of one trigger at a time
_END_S = 2.0  # for which running programs are waited for at the end


@dataclass(frozen=True, kw_only=True)
class TriggerRule:
    """Run `command` when the label has a probability above `above`."""

    label: str
    above: float
    command: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, classes: Sequence[str]) -> TriggerRule:
        """A rule "label>0.8:COMMAND". The command is split into words as a shell does, but no shell
        runs it. Raises ConfigError if the rule has another form, if no class has that label, or if
        the program does not exist."""
        found = _RULE.fullmatch(text.strip())
        if found is None:
            raise ConfigError(f"A trigger is label>0.8:COMMAND, got {text!r}", _EXAMPLE)
        known = [name for name in classes if name != UNKNOWN]
        lookup("action of the model", found["label"], dict.fromkeys(known))
        above = float(found["above"])
        if not 0 <= above < 1:
            raise ConfigError(f"The probability of a trigger is between 0 and 1, got {above:g}")
        try:
            command = shlex.split(found["command"])
        except ValueError as error:
            raise ConfigError(f"The command of the trigger {text!r}: {error}", _EXAMPLE) from error
        if not command:
            raise ConfigError(f"The trigger {text!r} has no command", _EXAMPLE)
        program = shutil.which(command[0])
        if program is None:
            raise ConfigError(
                f"The program {command[0]!r} of a trigger does not exist or cannot be executed",
                "Check its name and path. No shell runs it, so shell commands such as 'a | b' need "
                "a script.",
            )
        return cls(label=found["label"], above=above, command=(program, *command[1:]))


@dataclass(kw_only=True)
class _State:
    """Of one rule: persons who do it at present, when it was fired last, and what is running."""

    active: set[int] = field(default_factory=set)
    fired: float | None = None
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)


class Triggers:
    """Runs the programs of rules. An event of a person starts when the label has a probability
    above the threshold, and ends when it no longer has; each event runs the program once, unless it
    was started less than `cooldown_s` seconds before.

    The program gets the environment variables SKELACT_LABEL, SKELACT_PROBABILITY, SKELACT_PERSON,
    SKELACT_TIME (by the clock, ISO 8601) and SKELACT_TIME_S (since the start). Its output goes to
    stderr, its input is empty, and nothing waits for it."""

    def __init__(
        self,
        rules: Sequence[TriggerRule],
        cooldown_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules, self.cooldown_s, self.clock = tuple(rules), cooldown_s, clock
        self._states = [_State() for _ in self.rules]

    def update(self, decisions: Sequence[Decision]) -> list[str]:
        """Start the programs for the decisions of one moment, which may be none. Returns messages
        about what was started or could not be."""
        messages: list[str] = []
        for rule, state in zip(self.rules, self._states, strict=True):
            now = [d for d in decisions if d.label == rule.label and d.probability > rule.above]
            begun = [d for d in now if d.person_id not in state.active]
            state.active = {d.person_id for d in now}
            state.running = [p for p in state.running if p.poll() is None]
            for decision in begun:
                since = None if state.fired is None else self.clock() - state.fired
                if since is None or since >= self.cooldown_s:
                    messages.append(self._start(rule, state, decision))
        return messages

    def _start(self, rule: TriggerRule, state: _State, decision: Decision) -> str:
        name = Path(rule.command[0]).name
        if len(state.running) >= _MOST_RUNNING:
            return f"{name} is not started: {_MOST_RUNNING} are still running"
        state.fired = self.clock()
        try:
            process = subprocess.Popen(
                rule.command,
                stdin=subprocess.DEVNULL,
                stdout=2,  # stdout has the decisions
                env=os.environ | _variables(decision),
                start_new_session=True,  # an interrupt at the terminal is not for it
            )
        except OSError as error:
            return f"{name} cannot be started: {error.strerror}"
        state.running.append(process)
        return f"{decision.label} {decision.probability:.0%}: started {name}"

    def close(self) -> None:
        """Wait a moment for programs that are running; those that go on are left alone."""
        end = time.monotonic() + _END_S
        for process in self._running():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.01, end - time.monotonic()))

    def _running(self) -> Iterable[subprocess.Popen[bytes]]:
        return [p for state in self._states for p in state.running]


def _variables(decision: Decision) -> dict[str, str]:
    """What a program learns about a decision."""
    return {
        "SKELACT_LABEL": decision.label.replace("\0", ""),
        "SKELACT_PROBABILITY": f"{decision.probability:.4f}",
        "SKELACT_PERSON": str(decision.person_id),
        "SKELACT_TIME": decision.at.isoformat(timespec="milliseconds"),
        "SKELACT_TIME_S": f"{decision.time_s:.3f}",
    }
