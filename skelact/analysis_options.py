"""Options of explanations and forecasts. No code here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.config import check_ranges, option

METHODS = (
    *("auto", "integrated-gradients", "gradient-input", "feature-norm", "decomposition"),
    "occlusion",
)


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """Which joints made a network predict a class, and when."""

    method: str = option(
        "auto",
        "integrated-gradients; gradient-input (gradient times features at a stage); feature-norm "
        "(the norm of the features at a stage, for any class); occlusion (joints are left out in "
        "turn); decomposition (exact, for rocket); auto is occlusion, the most faithful one.",
        choices=METHODS,
    )
    stage: int | None = option(
        None,
        "Stage of the network for gradient-input, feature-norm and --graph; 0 is the input.",
        min=0,
        max=1000,
        default_text="the last; with --graph, the mean of all",
    )
    steps: int = option(
        32, "Points on the line that integrated-gradients follows.", min=1, max=4096
    )

    def __post_init__(self) -> None:
        check_ranges(self)


FORECAST_METHODS = ("auto", "network", "linear", "constant-velocity", "zero-velocity")


@dataclass(frozen=True, kw_only=True)
class ForecastOptions:
    """Forecasts of poses."""

    horizon: float = option(0.4, "How far to forecast, in seconds.", above=0, max=10)
    method: str = option(
        "auto",
        "Method: network (AS-GCN's forecast head), linear (fitted by skelact test --forecast), "
        "constant-velocity, zero-velocity, or auto for the one with the lowest measured error.",
        choices=FORECAST_METHODS,
    )
    at: float | None = option(
        None,
        "Forecast from this time of the video on, in seconds.",
        min=0,
        max=1e6,
        default_text="its end",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
