"""A hook of MkDocs: fills the pages with what the code of skelact knows, so that the documentation
cannot disagree with the program.

A comment `<!-- generated: NAME -->` in a page is replaced by the text of a function of PARTS, and
`<!-- include: FILE -->` by a Markdown file of the repository. Nothing generated is committed.
"""

from __future__ import annotations

import dataclasses
import enum
import html
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import layout_pictures  # beside this file

import skelact
from skelact import config
from skelact.cli import commands, program

ROOT = Path(__file__).parent.parent
_MARK = re.compile(r"<!-- (generated|include): (\S+) -->")
_HERE = {  # where a file of the repository that other files link to is in the documentation
    "docs/architecture.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
PICTURES = ("sample_videos/overlay.jpg", "sample_videos/report.png")


def text_of(value: Any) -> str:
    """Plain text as Markdown in one line that shows exactly this text; `code` stays code."""
    parts = " ".join(str(value).split()).split("`")
    whole = len(parts) % 2  # without it, one backtick has no twin
    for n in range(0, len(parts), 2 if whole else 1):
        parts[n] = re.sub(r"([\\*_|\[\]])", r"\\\1", html.escape(parts[n], quote=False))
    return ("`" if whole else "\\`").join(parts)


def code(value: Any) -> str:
    """A literal in a cell of a table."""
    return f"`{value}`" if str(value) else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the cells are Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --- commands ---


def command_tree() -> Iterator[tuple[str, Any]]:
    """The words and the parsed command of every command and subcommand."""
    import typer

    group = typer.main.get_command(program)
    context = group.make_context("skelact", ["doctor"])
    for name in commands():
        _, command, _ = group.resolve_command(context, [name])  # type: ignore[attr-defined]
        yield name, command
        for sub, child in getattr(command, "commands", {}).items():
            yield f"{name} {sub}", child


def _default(parameter: Any) -> str:
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return text_of(shown)
    value = parameter.default
    if parameter.required:
        return "required"
    if value is None or value == () or callable(value) or parameter.param_type_name == "argument":
        return ""
    if isinstance(value, bool):
        return "" if not value else "yes"
    return code(getattr(value, "value", value))


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return code((parameter.metavar or parameter.name or "").upper())
    return ", ".join(code(o) for o in (*parameter.opts, *parameter.secondary_opts))


def _values(parameter: Any) -> str:
    """The values that a parameter takes: choices, or a type and its range."""
    kind = parameter.type_descriptor.annotation
    if parameter.param_type_name == "argument" or kind is bool:
        return ""
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(map(code, typing.get_args(kind)))
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return ", ".join(code(choice.value) for choice in kind)
    kind = next(iter(typing.get_args(kind)), kind)  # an option that can be repeated
    name = parameter.metavar or {str: "text", int: "number", float: "number"}.get(kind, "path")
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    bounds = [f"≥ {low:g}"] if low is not None else []
    bounds += [f"≤ {high:g}"] if high is not None else []
    return text_of(" ".join([str(name).lower(), *bounds]))


def cli() -> str:
    """Every command with its arguments and options, in the groups of its help."""
    out = []
    for words, command in command_tree():
        out += [f"## skelact {words}", _paragraphs(_without_markup(command.help))]
        groups: dict[str, list[tuple[str, ...]]] = {}
        for p in command.params:
            if p.name in ("help", "install_completion", "show_completion"):
                continue
            row = (_names(p), _values(p), _default(p), text_of(_without_markup(p.help)))
            groups.setdefault(getattr(p, "rich_help_panel", None) or "", []).append(row)
        for group, rows in groups.items():
            out += [f"**{group or 'Options'}**"] if len(groups) > 1 else []
            out.append(table(("option", "value", "default", "meaning"), rows))
        if command.epilog:
            lines = _without_markup(command.epilog).splitlines()[1:]
            out.append("\n".join(("```bash", *map(str.strip, lines), "```")))
    return "\n\n".join(out)


def _without_markup(text: str | None) -> str:
    """The text of a help, in which brackets are escaped for Rich."""
    return inspect.cleandoc(text or "").replace("\\[", "[")


def _paragraphs(text: str) -> str:
    """Plain text with blank lines between paragraphs. Indented paragraphs and lists stay as they
    are."""
    parts = text.replace("\f", "").split("\n\n")
    return "\n\n".join(p if p.startswith(("    ", "- ")) else text_of(p) for p in parts)


# --- options ---


def _type(hint: Any) -> str:
    text = inspect.formatannotation(hint) if not isinstance(hint, str) else hint
    text = re.sub(r"\b(?:[a-z_]+\.)+([A-Z]\w*)", r"\1", text)
    text = re.sub(r"Annotated\[(\w+), Meta\([^)]*\)\]", r"\1", text)  # without its range
    text = re.sub(r"Optional\[(\w+)\]", r"\1 | None", text)
    return code(text)


def _fields(cls: type, section: str) -> str:
    hints = typing.get_type_hints(cls)
    rows = []
    for f in dataclasses.fields(cls):
        info = config.info_of(cls, f.name)
        default = info.default_text if info.default_text else f.default
        text = info.help.removesuffix(".") + (f" ({info.allowed})." if info.allowed else ".")
        name = f"{section}.{f.name}" if section else f.name
        rows.append((code(name), _type(hints[f.name]), code(default), text_of(text)))
    return table(("option", "type", "default", "meaning"), rows)


def options() -> str:
    """Every section of a recipe, and every argument of every network."""
    from skelact.recipe import Recipe

    out = []
    for section, cls in typing.get_type_hints(Recipe).items():
        if dataclasses.is_dataclass(cls):
            out += [f"## {section}", text_of(cls.__doc__), _fields(typing.cast(type, cls), section)]
    out += ["## model", "The network and its arguments, which depend on the network."]
    out.append(_network_arguments())
    return "\n\n".join(out)


def _network_arguments() -> str:
    from skelact.models import SPECS

    rows = []
    for spec in SPECS.values():
        given = list(inspect.signature(spec.backbone).parameters.values())[3:]
        for p in given:
            if p.name in spec.data_arguments:
                continue
            value = spec.kwargs.get(p.name, p.default)
            kind = "" if p.annotation is inspect.Parameter.empty else _type(p.annotation)
            rows.append((code(spec.name), code(f"model.{p.name}"), kind, code(repr(value))))
        dropout = code(spec.kwargs.get("dropout", 0.0))
        rows.append((code(spec.name), code("model.dropout"), "`float`", dropout))
    return table(("network", "option", "type", "default"), rows)


# --- networks, datasets, recipes, formats ---


def networks() -> str:
    """One row for each network."""
    from skelact.models import SPECS, build
    from skelact.models.profile import parameters
    from skelact.skeletons import SKELETONS

    rows = []
    for s in SPECS.values():
        persons, _, channels = s.clip_shape
        size = parameters(build(s.name, 60, SKELETONS["coco-17"], channels, persons))
        published = f"{s.accuracy} ({s.source})"
        rows.append((code(s.name), text_of(s.summary), text_of(s.paper), f"{size:,}", published))
    heads = ("network", "what it is", "paper", "parameters", "published accuracy [%]")
    return table(heads, rows)


def datasets() -> str:
    """One row for each dataset."""
    from skelact.datasets.registry import dataset_specs

    rows = [
        (code(s.name), text_of(s.title), text_of(s.origin), text_of(s.layout))
        for s in dataset_specs().values()
    ]
    return table(("name", "content", "where to get it", "expected layout"), rows)


def recipes() -> str:
    """The names of all recipes with the first comment of each file."""
    rows = []
    for name in config.recipes():
        source = (config.shipped("configs") / f"{name}.py").read_text(encoding="utf-8")
        comment = re.match(r"(?:#.*\n)*", source)
        text = comment.group().replace("#", " ") if comment else ""
        rows.append((code(name), text_of(text)))
    return table(("recipe", "what it is"), rows)


def documents() -> str:
    """The fields of every JSON document."""
    from skelact import schemas

    out = []
    for name in ("PosesManifest", "RunConfig", "SplitDocument", "RunResult", "Predictions",
                 "PredictedSample", "EpochLog", "Calibration", "ThresholdPoint",
                 "ScoreResult", "ReliabilityBins",
                 "ExplanationDocument", "ExplainedLabel", "JointImportance"):  # fmt: skip
        cls = getattr(schemas, name)
        rows = [
            (code(f.name), _type(f.type), "" if f.required else code(_msgspec_default(f)))
            for f in _msgspec_fields(cls)
        ]
        out += [f"### {name}", _paragraphs(inspect.cleandoc(cls.__doc__ or ""))]
        out.append(table(("field", "type", "default"), rows))
    return "\n\n".join(out)


def _msgspec_fields(cls: type) -> Sequence[Any]:
    from msgspec import structs

    return structs.fields(cls)


def _msgspec_default(f: Any) -> str:
    from msgspec import NODEFAULT

    return repr(f.default if f.default is not NODEFAULT else f.default_factory())


# --- joint layouts ---


def layouts() -> str:
    """Every joint layout: a picture, and its joints in the order of a file."""
    from skelact.skeletons import SKELETONS, tables

    rows = [tuple(map(text_of, row.values())) for row in tables.overview()]
    out = [table(("layout", "joints", "centre", "used by"), rows)]
    for name, s in SKELETONS.items():
        rows = [(str(n), code(j), code(p), code(o)) for n, j, p, o in tables.joint_rows(s)]
        heads = ("number", "joint", "parent", "other side")
        text = f"{len(s.joints)} joints, centred on {code(s.centre)}."
        out += [f"## {name}", text, layout_pictures.picture(s), table(heads, rows)]
    return "\n\n".join(out)


# --- Python ---

_MODULES = {  # what the API page shows besides `skelact`
    "skelact.inference.predictor": ("VideoPrediction",),
    "skelact.live.session": ("LiveSession", "LiveStep", "Decision", "LiveStatistics"),
    "skelact.live.options": ("LiveOptions",),
    "skelact.inference.explain": ("explain", "Explanation", "ExplainedVideo"),
    "skelact.runs.explain": ("explain_video", "explain_classes"),
    "skelact.runs.explain_graph": ("explain_graph",),
    "skelact.options": ("PredictOptions", "ForeignOptions"),
    "skelact.analysis_options": ("ExplainOptions", "ForecastOptions"),
    "skelact.models": ("build", "spec"),
    "skelact.models.base": ("ActionClassifier", "Backbone"),
    "skelact.models.specs": ("ModelSpec",),
    "skelact.recipe": ("Recipe", "compose"),
    "skelact.runs.enroll": ("enroll", "enrolled", "remove"),
    "skelact.runs.train": ("train",),
    "skelact.stages.sequences": ("extract",),
    "skelact.readers.base": ("SkeletonReader", "RawSequence"),
    "skelact.datasets.base": ("DatasetSpec", "Collection", "Item"),
    "skelact.pose.base": ("EstimatorSpec", "Estimator", "LiveEstimator", "PoseOptions"),
    "skelact.report.writers.base": ("Writer", "Result"),
    "skelact.types": ("BatchResult", "Failure", "Event"),
}


def api() -> str:
    """Signatures and docstrings of the public names."""
    out = ["## skelact", _paragraphs(inspect.cleandoc(skelact.__doc__ or ""))]
    out += [_member(n, getattr(skelact, n)) for n in skelact.__all__ if not n.startswith("__")]
    for module, names in _MODULES.items():
        loaded = importlib.import_module(module)
        out += [f"## {module}", _paragraphs(inspect.cleandoc(loaded.__doc__ or ""))]
        out += [_member(name, getattr(loaded, name)) for name in names]
    return "\n\n".join(out)


def _member(name: str, value: Any) -> str:
    if not callable(value):
        return f"### {name}\n\nA `{type(value).__name__}` of {len(value)} entries."
    out = [f"### {name}", _signature(name, value), _paragraphs(inspect.getdoc(value) or "")]
    if inspect.isclass(value):
        for key, attribute in vars(value).items():
            function = getattr(attribute, "__func__", attribute)
            if key.startswith("_") or not inspect.getdoc(attribute):
                continue
            if isinstance(attribute, property):
                out += [f"#### {name}.{key}", _paragraphs(inspect.getdoc(attribute) or "")]
            elif inspect.isfunction(function):
                out += [f"#### {name}.{key}", _signature(key, function)]
                out.append(_paragraphs(inspect.getdoc(function) or ""))
    return "\n\n".join(out)


def _signature(name: str, value: Callable[..., Any]) -> str:
    signature = inspect.signature(value)
    plain = [
        p.replace(default="...") if "<" in repr(p.default) and p.default is not p.empty else p
        for p in signature.parameters.values()
    ]
    text = re.sub(r"'([^']*)'", r"\1", str(signature.replace(parameters=plain)))
    if len(text) > 80:
        text = re.sub(r", (?=[*\w]+(?::|,|\)| =))", ",\n    ", text)
    return f"```python\n{name}{text}\n```"


PARTS: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (cli, options, networks, datasets, recipes, documents, layouts, api)
}  # fmt: skip


# --- the hook ---


def expand(markdown: str, page: str) -> str:
    """The Markdown of a page with generated and included parts. `page` is its path below pages/,
    from which links of included files are made relative."""

    def part(mark: re.Match[str]) -> str:
        kind, name = mark.groups()
        if kind == "generated":
            return PARTS[name]()
        text = (ROOT / name).read_text(encoding="utf-8")
        for target, here in _HERE.items():
            text = text.replace(f"]({target})", f"]({'../' * page.count('/')}project/{here})")
        return text

    return _MARK.sub(part, markdown)


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for name in PICTURES:
        file = File.generated(config, Path(name).name, abs_src_path=str(ROOT / name))
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    return expand(markdown, page.file.src_uri)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Refuse a page that loads anything from another site."""
    from mkdocs.exceptions import PluginError

    found = re.search(r"""(?:src=|<link[^>]*href=)["']?(https?:[^"'> ]+)""", output)
    if found:
        raise PluginError(f"{page.file.src_uri} loads {found[1]}")
    return output
