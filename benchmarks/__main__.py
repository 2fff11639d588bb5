"""python -m benchmarks [extraction] [cached] [startup] [training] [networks] [pck]; default: all"""

from __future__ import annotations

import sys

from benchmarks import cached, extraction, networks, pck, startup, training

ALL = {
    "extraction": extraction.main,
    "cached": cached.main,
    "startup": startup.main,
    "training": training.main,
    "networks": networks.main,
    "pck": pck.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or list(ALL):
        print(f"== {name}", flush=True)
        ALL[name]()
