"""Command-line options, generated from the fields of the option dataclasses."""

from __future__ import annotations

import inspect
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from skelact.config import OptionInfo, datasets, info_of, recipes
from skelact.errors import ConfigError
from skelact.pose.base import PoseOptions
from skelact.recipe import Recipe

INPUT, PEOPLE, TRAINING = "Input", "People and poses", "Training"
OUTPUT, ADVANCED = "Output", "Advanced"
PANELS = {  # the group of the options of a dataclass in the help
    "DatasetOptions": INPUT,
    "ClipOptions": INPUT,
    "ClusterOptions": ADVANCED,
    "CodingOptions": INPUT,
    "ForeignOptions": ADVANCED,
    "NormaliseOptions": ADVANCED,
    "PoseOptions": PEOPLE,
    "SequenceOptions": PEOPLE,
    "SamplingOptions": TRAINING,
    "TrainOptions": TRAINING,
    "PredictOptions": OUTPUT,
    "LiveOptions": "Live",
    "OverlayOptions": OUTPUT,
    "ExplainOptions": OUTPUT,
    "CameraOptions": "Cameras",
    "ImitationOptions": "Cameras",
}

CACHE_HELP = "Cache: a folder, or an address such as s3://bucket/folder."
FOLDER_OR_URL = "FOLDER|URL"
CacheDir = Annotated[
    str | None,
    typer.Option(
        help=CACHE_HELP,
        metavar=FOLDER_OR_URL,
        rich_help_panel=ADVANCED,
        show_default="$SKELACT_CACHE or ./.skelact",
    ),
]
PosesFrom = Annotated[
    Path | None,
    typer.Option(help=info_of(PoseOptions, "poses_from").help, rich_help_panel=PEOPLE),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON on stdout.", rich_help_panel=OUTPUT),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that exist.", rich_help_panel=OUTPUT),
]
Videos = Annotated[
    list[str],
    typer.Argument(
        help="Video or skeleton files, folders (searched recursively) or glob patterns.",
        show_default=False,
    ),
]
OnlyVideos = Annotated[
    list[str],
    typer.Argument(
        help="Video files, folders (searched recursively) or glob patterns.", show_default=False
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Set any option of the recipe: section.key=value. Can be repeated.",
        rich_help_panel=ADVANCED,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        help="A dataset listed by `skelact datasets`, a folder of videos or skeleton files with "
        "one folder per class, or a labels.csv. With --config, it replaces the dataset of the "
        "recipe.",
        show_default="that of --config, otherwise mads",
        autocompletion=datasets,
        rich_help_panel=INPUT,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder or file of the dataset.",
        rich_help_panel=INPUT,
        show_default="$SKELACT_DATA/<name> or ./data/<name>",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Split of the dataset, such as xsub, xview or xseq.",
        rich_help_panel=INPUT,
        show_default="the first",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Network, listed by `skelact models`; auto chooses one for own videos by the number "
        "of clips and the device, and is stgcn for other datasets. On mads and on own videos, its "
        "variant for small datasets is used.",
        show_default="auto",
        rich_help_panel=TRAINING,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        help="Recipe: a name from configs/, a .toml, .yaml or .json file, or a .py file, which is "
        "executed.",
        autocompletion=recipes,
        rich_help_panel=INPUT,
    ),
]
Runs = Annotated[Path, typer.Option(help="Folder of the runs.", rich_help_panel=OUTPUT)]
Changes = dict[str, dict[str, Any]]  # section of a recipe -> option -> value


class OptionGroup(ABC):
    """Several command-line options that reach a command as one argument."""

    @abstractmethod
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The options by their names in the group."""

    @abstractmethod
    def value(self, values: Mapping[str, Any]) -> Any:
        """The argument of the command, from the values of the options."""


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command generated options: a parameter annotated with an option dataclass becomes one
    option for each field, and a parameter annotated with an OptionGroup becomes its options."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[OptionGroup, list[str]]] = {}
    hints = typing.get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        group = _group_of(hints[parameter.name])
        if group is None:
            own = parameter.replace(annotation=hints[parameter.name])
            parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        generated = group.parameters()
        groups[parameter.name] = (group, list(generated))
        parameters += [p.replace(name=f"{parameter.name}__{k}") for k, p in generated.items()]

    def wrapper(**arguments: Any) -> None:
        for name, (group, keys) in groups.items():
            arguments[name] = group.value({k: arguments.pop(f"{name}__{k}") for k in keys})
        command(**arguments)

    wrapper.__doc__ = command.__doc__
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapper


def _group_of(hint: Any) -> OptionGroup | None:
    if is_dataclass(hint) and isinstance(hint, type):
        return _Fields(hint)
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, OptionGroup):
            return extra
    return None


class _Fields(OptionGroup):
    """All fields of an option dataclass; the command gets an instance."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.hints = typing.get_type_hints(cls)

    def parameters(self) -> dict[str, inspect.Parameter]:
        return {
            f.name: generate(
                f.name,
                self.hints[f.name],
                info_of(self.cls, f.name),
                f.default,
                panel=PANELS.get(self.cls.__name__),
            )
            for f in fields(self.cls)
        }

    def value(self, values: Mapping[str, Any]) -> Any:
        return self.cls(
            **{
                name: parse(value, self.hints[name], info_of(self.cls, name))
                for name, value in values.items()
                if value is not None
            }
        )


class SomeFields(_Fields):
    """Some fields of an option dataclass; the others keep their defaults."""

    def __init__(self, cls: type, *names: str) -> None:
        super().__init__(cls)
        self.names = names

    def parameters(self) -> dict[str, inspect.Parameter]:
        every = super().parameters()
        return {name: every[name] for name in self.names}


class RecipeOptions(OptionGroup):
    """Options of a recipe, named as 'section.option'. The command gets those that the user sets, as
    nested sections."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths
        self.sections = typing.get_type_hints(Recipe)

    def _field(self, path: str) -> tuple[Any, OptionInfo, Any]:
        section, name = path.split(".")
        cls = self.sections[section]
        return typing.get_type_hints(cls)[name], info_of(cls, name), getattr(cls, name)

    def parameters(self) -> dict[str, inspect.Parameter]:
        out = {}
        for path in self.paths:
            hint, info, default = self._field(path)
            text = info.default_text or _as_text(default, info)
            name = path.split(".")[1]
            out[path.replace(".", "__")] = generate(
                name,
                hint,
                info,
                None,
                f"from the recipe, otherwise {text}" if text else "",
                PANELS.get(self.sections[path.split(".")[0]].__name__),
            )
        return out

    def value(self, values: Mapping[str, Any]) -> Changes:
        changes: Changes = {}
        for path in self.paths:
            value = values[path.replace(".", "__")]
            if value is not None:
                section, name = path.split(".")
                hint, info, _ = self._field(path)
                changes.setdefault(section, {})[name] = parse(value, hint, info)
        return changes


def generate(
    name: str,
    hint: Any,
    info: OptionInfo,
    default: Any,
    default_text: str | None = None,
    panel: str | None = None,
) -> inspect.Parameter:
    """The Typer option of a dataclass field; `panel` is its group in the help, unless the field
    names one."""
    flag = "--" + (info.flag or name.removesuffix("_s").replace("_", "-"))
    kind = _plain(hint)
    number = kind in (int, float) and info.none is None
    text = default_text if default_text is not None else info.default_text
    if kind is tuple or info.none is not None:
        annotation: Any = str
        default = _as_text(default, info) or None if default_text is None else None
    elif info.choices:
        annotation = Literal[info.choices]
    else:
        annotation = kind
    help = info.help
    if kind is tuple:
        help = f"{help.removesuffix('.')}, separated by commas."
    if number and (info.above is not None or info.below is not None):
        help = f"{help.removesuffix('.')} ({info.allowed})."
    option = typer.Option(
        flag if kind is not bool else f"{flag}/--no-{flag[2:]}",
        help=help,
        min=info.min if number else None,
        max=info.max if number else None,
        metavar=f"NUMBER|{info.none}" if info.none is not None else None,
        show_default=text if text else default_text is None,
        rich_help_panel=info.panel or panel,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation if default is not None else annotation | None, option],
    )


def parse(value: Any, hint: Any, info: OptionInfo) -> Any:
    """The value of a dataclass field from that of its command-line option. Raises ConfigError if a
    text is not of the field's type."""
    kind = _plain(hint)
    if not isinstance(value, str) or kind is str:
        return value
    if info.none is not None and value == info.none:
        return None
    if kind is tuple:
        element = typing.get_args(_not_none(hint))[0]
        return tuple(_number(part, element, info) for part in value.split(","))
    return _number(value, kind, info)


def _number(text: str, kind: Any, info: OptionInfo) -> Any:
    try:
        return kind(text.strip())
    except ValueError:
        words = "a number" + (f" or {info.none}" if info.none is not None else "")
        raise ConfigError(f"{text!r} is not {words}", info.help) from None


def _not_none(hint: Any) -> Any:
    """X of `X | None`, any other type as it is."""
    if isinstance(hint, types.UnionType):
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def _plain(hint: Any) -> Any:
    """The type of a field without None and without the types of its elements."""
    hint = _not_none(hint)
    return typing.get_origin(hint) or hint


def _as_text(value: Any, info: OptionInfo) -> str:
    """A default as it is written on the command line."""
    if value is None:
        return info.none or ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def is_listing(context: typer.Context, json: bool) -> bool:
    """Whether a group of commands is called without a command, to list what there is. Raises
    ConfigError for a --json in front of a command, which would have no effect."""
    if context.invoked_subcommand is None:
        return True
    if json:
        raise ConfigError(
            "--json in front of a command has no effect",
            f"Write it behind the command: {context.command_path} {context.invoked_subcommand} … "
            "--json",
        )
    return False
