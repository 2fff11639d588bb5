"""Programs that decisions start: which, how often, with what, and without a shell."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skelact.errors import ConfigError
from skelact.live import trigger as module
from skelact.live.session import Decision
from skelact.live.trigger import TriggerRule, Triggers
from skelact.types import UNKNOWN, Segment

CLASSES = ("wave", "a > b: c", UNKNOWN)
WRITE = (
    "import json, os, pathlib, sys; names = [n for n in os.environ if n.startswith('SKELACT_')];"
    "content = json.dumps([sys.argv[2:], {n: os.environ[n] for n in names}]);"
    "pathlib.Path(sys.argv[1]).write_text(content)"
)


def decision(label: str, probability: float, person: int = 0) -> Decision:
    segment = Segment(0.0, 1.0, label, probability, (probability, 0.1, 0.0))
    at = datetime(2030, 1, 2, tzinfo=UTC)
    return Decision(
        time_s=12.5, at=at, latency_s=0.1, person_id=person, segment=segment, classes=CLASSES
    )


@pytest.mark.parametrize(
    ("text", "label", "above", "command"),
    [
        ("wave>0.8:true a 'b c'", "wave", 0.8, ("a", "b c")),
        ("wave > .5 : true", "wave", 0.5, ()),
        ("wave>0:true x>0.5:y", "wave", 0.0, ("x>0.5:y",)),
        ("a > b: c>0.25:true $HOME;ls|cat", "a > b: c", 0.25, ("$HOME;ls|cat",)),
    ],
)
def test_rules(text: str, label: str, above: float, command: tuple[str, ...]) -> None:
    rule = TriggerRule.parse(text, CLASSES)
    assert (rule.label, rule.above, rule.command[1:]) == (label, above, command)
    assert Path(rule.command[0]).is_absolute()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wave:true", "A trigger is label>0.8:COMMAND"),
        ("wave>high:true", "A trigger is label>0.8:COMMAND"),
        ("wawe>0.8:true", "did you mean 'wave'"),
        (f"{UNKNOWN}>0.8:true", "No action of the model"),
        ("wave>1.5:true", "between 0 and 1"),
        ("wave>0.8:", "has no command"),
        ("wave>0.8:true 'a", "No closing quotation"),
        ("wave>0.8:no-such-program-x a", "does not exist or cannot be executed"),
        ("wave>0.8:./", "does not exist or cannot be executed"),
    ],
)
def test_rules_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        TriggerRule.parse(text, CLASSES)


def rule_for(*words: str) -> TriggerRule:
    return TriggerRule.parse(f"wave>0.8:{shlex.join([sys.executable, *words])}", CLASSES)


def test_the_program_gets_the_decision(tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    rule = rule_for("-c", WRITE, str(out), "$(touch evil)", "a b")
    triggers = Triggers([rule], cooldown_s=0)
    (message,) = triggers.update([decision("wave", 0.9, person=4)])
    triggers._states[0].running[0].wait(60)
    triggers.close()
    arguments, variables = json.loads(out.read_text())
    assert arguments == ["$(touch evil)", "a b"] and "wave 90%: started" in message
    expected = {"LABEL": "wave", "PROBABILITY": "0.9000", "PERSON": "4", "TIME_S": "12.500"}
    expected["TIME"] = "2030-01-02T00:00:00.000+00:00"
    assert {k: variables[f"SKELACT_{k}"] for k in expected} == expected


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The persons for whom a program was started; none is."""
    persons: list[int] = []

    class Process:
        def __init__(self, command: object, **options: dict[str, str]) -> None:
            persons.append(int(options["env"]["SKELACT_PERSON"]))

        def poll(self) -> None:
            return None

        def wait(self, limit: float) -> None:
            pass

    monkeypatch.setattr(module.subprocess, "Popen", Process)
    return persons


def test_once_for_an_event(started: list[int]) -> None:
    triggers = Triggers([rule_for()], cooldown_s=0)
    on, off = [decision("wave", 0.9)], [decision("wave", 0.8)]
    for moment in (off, on, on, on, [], on, [decision(UNKNOWN, 0.9)], on):
        triggers.update(moment)
    assert started == [0, 0, 0]
    triggers.update([*on, decision("wave", 0.95, person=1)])
    assert started == [0, 0, 0, 1]
    (message,) = (triggers.update([]), triggers.update(on))[1]
    assert "4 are still running" in message and len(started) == 4


def test_not_again_within_the_cooldown(started: list[int]) -> None:
    now = [0.0]
    triggers = Triggers([rule_for()], cooldown_s=10, clock=lambda: now[0])
    on = [decision("wave", 0.9)]
    for time_s, moment in ((0, on), (1, []), (2, on), (9, []), (10, on), (11, []), (21, on)):
        now[0] = time_s
        triggers.update(moment)
    assert len(started) == 3


def test_a_program_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    triggers = Triggers([TriggerRule.parse(f"wave>0.5:{program}", CLASSES)], cooldown_s=0)
    program.unlink()
    (message,) = triggers.update([decision("wave", 0.9)])
    assert "cannot be started: No such file" in message
