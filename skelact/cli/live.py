"""Recognise actions on a camera, a stream or a file as it happens."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from skelact.cli import INTERRUPTED, TERMINATED, console
from skelact.cli.options import OUTPUT, Overwrite, SomeFields, with_options
from skelact.errors import ConfigError
from skelact.escaping import for_json
from skelact.live.options import LiveOptions
from skelact.options import DEFAULT, LATEST, PredictOptions

if TYPE_CHECKING:
    from skelact.live.draw import LivePainter
    from skelact.live.lines import LineFile
    from skelact.live.session import Decision, LiveSession, LiveStep

EXAMPLES = (
    "skelact live",
    "skelact live rtsp://192.168.0.20/stream --no-window --jsonl -",
    "skelact live 0 --trigger 'wave>0.8:notify-send somebody-waves'",
)
_FIELDS = (
    *("min_seen_s", "device", "max_persons", "hands", "face", "unknown_threshold"),
    *("min_confidence", "detect_every_s", "small_people", "smoothing"),
    *("pose_config", "pose_checkpoint"),
)


@with_options
def command(
    source: Annotated[
        str,
        typer.Argument(
            help="The number of a camera, the address of a stream (rtsp, http, udp and others), or "
            "a video file, which is played at its own pace.",
        ),
    ] = "0",
    *,
    model: Annotated[
        str,
        typer.Option(
            help="A run folder, a checkpoint, the name of a shipped model, or latest for the "
            "latest run in ./runs."
        ),
    ] = DEFAULT,
    live: LiveOptions,
    options: Annotated[PredictOptions, SomeFields(PredictOptions, *_FIELDS)],
    window: Annotated[
        bool, typer.Option(help="Show a window; q ends.", rich_help_panel=OUTPUT)
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the video with skeletons, labels and probabilities.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option(
            help="Write every decision as one line of JSON to this file, - for stdout.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Record the video of the source as it is.", rich_help_panel=OUTPUT),
    ] = None,
    trigger: Annotated[
        list[str] | None,
        typer.Option(
            help="label>0.8:COMMAND runs a program when somebody does this with a higher "
            "probability. Can be repeated.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the counts and latencies as JSON at the end.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
) -> None:
    """Recognise who does what on a camera, a stream or a file while it runs."""
    from skelact.live.capture import find_source

    found = find_source(source)
    inputs = [p for p in (found.path, Path(model)) if p is not None]
    if json and jsonl == "-":
        raise ConfigError("--json and --jsonl - both use stdout", "Write --jsonl to a file.")
    _check_outputs(out, record, jsonl, inputs, overwrite)
    if window:
        from skelact.live.window import check_display

        check_display()
    from skelact.inference import zoo
    from skelact.inference.predictor import Predictor
    from skelact.live.record import VideoSink
    from skelact.live.session import LiveSession
    from skelact.live.trigger import TriggerRule, Triggers

    predictor = Predictor.load(model, options)
    if model == LATEST:
        console.say(f"using the latest run, {zoo.latest_run()}")
    rules = [TriggerRule.parse(text, predictor.classes) for text in trigger or ()]
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(VideoSink(record)) if record is not None else None
        session = LiveSession(
            found,
            predictor,
            live,
            on_frame=lambda frame: (
                recorder.add(frame.image, frame.time_s, frame.fps) if recorder else None
            ),
            on_notice=console.say,
        )
        interrupted = stack.enter_context(_stopping(session))
        sinks = _Sinks(stack, predictor.classes, window=window, out=out, jsonl=jsonl, json=json)
        triggers = Triggers(rules, live.cooldown_s)
        stack.callback(triggers.close)
        stack.enter_context(session)
        sinks.open_lines(overwrite)
        console.say(f"{found.name}: {session.grabber.fps:.0f} frames/s, model {model}")
        for step in session.steps():
            if recorder is not None:
                recorder.check()
            if step.decided:
                sinks.decide(step.decisions)
                for message in triggers.update(step.decisions):
                    console.say(message)
            if not sinks.show(session, step):
                break
    console.say(str(session.statistics))
    for name, sink in (("out", sinks.video), ("record", recorder)):
        if sink is not None:
            skipped = f", {sink.skipped} frames skipped" if sink.skipped else ""
            console.say(f"{name}: {sink.path}{skipped}")
    if json:
        console.as_json(session.statistics.as_dict())
    if interrupted:
        console.complete = True
        raise typer.Exit(TERMINATED if signal.SIGTERM in interrupted else INTERRUPTED)


def _check_outputs(
    out: Path | None, record: Path | None, jsonl: str | None, inputs: list[Path], overwrite: bool
) -> None:
    """Before a model is loaded. Raises OutputError, or ConfigError for two outputs in one file."""
    from skelact import outputs
    from skelact.live.record import SUFFIXES

    lines = [Path(jsonl)] if jsonl not in (None, "-") else []
    videos = [path for path in (out, record) if path is not None]
    outputs.check(*videos, inputs=inputs, overwrite=overwrite, suffixes=SUFFIXES)
    outputs.check(*lines, inputs=inputs, overwrite=overwrite, suffixes=(".jsonl", ".ndjson"))
    for path in (*videos, *lines):
        outputs.check_folder(path.parent)
    if len({path.resolve() for path in (*videos, *lines)}) < len(videos) + len(lines):
        raise ConfigError("Two outputs have the same name", "Choose different names.")


@contextlib.contextmanager
def _stopping(session: LiveSession) -> Iterator[list[int]]:
    """Within the block, SIGINT and SIGTERM end the session after the current frame, so that all
    files are completed; a second one interrupts. Yields the list of the signals that came."""
    came: list[int] = []
    before: dict[int, object] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        session.stop()

    if threading.current_thread() is threading.main_thread():
        before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


class _Sinks:
    """Where decisions and drawn frames go: window, video, lines of JSON, or changes as text."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        classes: tuple[str, ...],
        *,
        window: bool,
        out: Path | None,
        jsonl: str | None,
        json: bool,
    ) -> None:
        from skelact.live.record import VideoSink
        from skelact.live.window import Window

        self.stack, self.classes, self.jsonl, self.json = stack, classes, jsonl, json
        self.video = stack.enter_context(VideoSink(out)) if out is not None else None
        self.window = stack.enter_context(Window()) if window else None
        self.painter: LivePainter | None = None
        self.lines: LineFile | None = None
        self.labels: dict[int, str] = {}  # what was printed last, by person

    def open_lines(self, overwrite: bool) -> None:
        """Create the file of the lines."""
        from skelact.live.lines import LineFile

        if self.jsonl not in (None, "-"):
            self.lines = self.stack.enter_context(
                LineFile(Path(str(self.jsonl)), overwrite=overwrite)
            )

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Write the decisions of one moment."""
        from skelact.live.lines import as_line

        for decision in decisions:
            if self.lines is not None:
                self.lines.write(decision.as_dict())
            if self.jsonl == "-":
                typer.echo(for_json(as_line(decision.as_dict())))
            elif not self.json and self.labels.get(decision.person_id) != decision.label:
                who = "all" if decision.person_id < 0 else f"#{decision.person_id}"
                console.line(
                    f"{decision.time_s:8.1f} s  {who:>4}  {decision.label} "
                    f"{decision.probability:.0%}"
                )
        self.labels = {d.person_id: d.label for d in decisions}

    def show(self, session: LiveSession, step: LiveStep) -> bool:
        """Draw a step where somebody looks. Returns whether to go on."""
        if self.window is None and self.video is None:
            return True
        if self.painter is None:
            from skelact.live.draw import LivePainter

            assert session.estimator is not None
            self.painter = LivePainter(session.estimator.skeleton, self.classes)
        image = self.painter.paint(step, session.statistics)
        if self.video is not None:
            self.video.check()
            self.video.add(image, step.frame.time_s, step.frame.fps)
        return self.window is None or self.window.show(image)
