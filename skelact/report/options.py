"""Options of output formats. This module is light: the command line is generated from it."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.config import option


@dataclass(frozen=True, kw_only=True)
class OverlayOptions:
    """What an overlay video shows and holds."""

    panel: bool = option(
        False, "Show the most probable classes of each person beside the overlay video."
    )
    blur_faces: bool = option(
        False,
        "Make the faces of all persons that are found unrecognisable in the overlay video. Look at "
        "the result: persons that are not found keep their faces.",
    )
    audio: bool = option(True, "Keep the sound of the video in the overlay video.")
