"""Run benchmarks: python -m benchmarks [NAME]..., or python -m benchmarks people|hands [DATA]

Without a name, all benchmarks run: extraction, cached, startup, packed, training, networks, pck,
people, hands."""

from __future__ import annotations

import sys

from benchmarks import cached, extraction, hands, networks, packed, pck, people, startup, training

MODULES = (extraction, cached, startup, packed, training, networks, pck, people, hands)
ALL = {module.__name__.rpartition(".")[2]: module.main for module in MODULES}

if __name__ == "__main__":
    names = sys.argv[1:] or list(ALL)
    for name in names[:1] if names[0] in ("people", "hands") else names:  # with a folder
        print(f"== {name}", flush=True)
        ALL[name]()
