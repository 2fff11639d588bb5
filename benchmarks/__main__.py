"""python -m benchmarks [extraction] [cached] [startup] [packed] [training] [networks] [pck]

Without a name: all of them."""

from __future__ import annotations

import sys

from benchmarks import cached, extraction, networks, packed, pck, startup, training

ALL = {
    "extraction": extraction.main,
    "cached": cached.main,
    "startup": startup.main,
    "packed": packed.main,
    "training": training.main,
    "networks": networks.main,
    "pck": pck.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or list(ALL):
        print(f"== {name}", flush=True)
        ALL[name]()
