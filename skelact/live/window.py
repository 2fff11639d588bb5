"""The window on the screen."""

from __future__ import annotations

import os
import sys

from skelact.errors import ConfigError
from skelact.video.decode import Frame

_TITLE = "skelact live (q ends)"
_KEYS = (ord("q"), ord("Q"), 27)  # and Esc
_HEADLESS = "Add --no-window, with --out FILE or --jsonl - for the result."


def check_display() -> None:
    """Raises ConfigError if OpenCV has no windows, or if there is no screen."""
    import cv2

    lines = cv2.getBuildInformation().splitlines()
    gui = next((line.partition(":")[2].strip() for line in lines if "GUI:" in line), "")
    if gui.upper() == "NONE":
        raise ConfigError(
            "This OpenCV cannot show windows (opencv-python-headless)",
            f"{_HEADLESS} For a window: pip uninstall opencv-python-headless, then pip install "
            "opencv-python.",
        )
    is_x11 = sys.platform.startswith(("linux", "freebsd"))
    if is_x11 and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ConfigError("There is no screen for a window", _HEADLESS)


class Window:
    """Shows frames. A context manager that closes the window."""

    def __enter__(self) -> Window:
        import cv2

        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._sized = False
        return self

    def __exit__(self, *exception: object) -> None:
        import cv2

        cv2.destroyAllWindows()

    def show(self, image: Frame) -> bool:
        """Show a frame. Returns whether to go on: not after q, Esc, or when it was closed."""
        import cv2

        if not self._sized:
            cv2.resizeWindow(_TITLE, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(_TITLE, image)
        if cv2.waitKey(1) & 0xFF in _KEYS:
            return False
        return cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1
