"""Run benchmarks: python -m benchmarks [NAME]..., python -m benchmarks people|hands [DATA],
python -m benchmarks long VIDEO, or python -m benchmarks choice DATA [NETWORK:CLIPS]...

Without a name, all benchmarks run, except for long and choice: extraction, cached, startup, packed,
training, networks, pck, people, hands."""

from __future__ import annotations

import sys

from benchmarks import (
    cached,
    choice,
    extraction,
    hands,
    long,
    networks,
    packed,
    pck,
    people,
    startup,
    training,
)

MODULES = (
    extraction,
    cached,
    startup,
    packed,
    training,
    networks,
    pck,
    people,
    hands,
    long,
    choice,
)
ALL = {module.__name__.rpartition(".")[2]: module.main for module in MODULES}
WITH_ARGUMENTS = ("people", "hands", "long", "choice")

if __name__ == "__main__":
    names = sys.argv[1:] or [name for name in ALL if name not in ("long", "choice")]
    for name in names[:1] if names[0] in WITH_ARGUMENTS else names:
        print(f"== {name}", flush=True)
        ALL[name]()
