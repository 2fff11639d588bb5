"""Run benchmarks: python -m benchmarks [NAME]...

Without a name, all benchmarks run: extraction, cached, startup, packed, training, networks, pck."""

from __future__ import annotations

import sys

from benchmarks import cached, extraction, networks, packed, pck, startup, training

MODULES = (extraction, cached, startup, packed, training, networks, pck)
ALL = {module.__name__.rpartition(".")[2]: module.main for module in MODULES}

if __name__ == "__main__":
    for name in sys.argv[1:] or list(ALL):
        print(f"== {name}", flush=True)
        ALL[name]()
