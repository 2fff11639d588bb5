"""Run benchmarks: python -m benchmarks [NAME]..., python -m benchmarks people|hands [DATA],
python -m benchmarks long VIDEO, python -m benchmarks changed RUN [JHMDB], or
python -m benchmarks choice DATA [NETWORK:CLIPS]..., or python -m benchmarks footage MODEL DATA

Without a name, all benchmarks run, except for long, changed, choice and footage: extraction,
cached, startup, packed, training, networks, pck, people, hands."""

from __future__ import annotations

import sys

from benchmarks import (
    cached,
    changed,
    choice,
    extraction,
    footage,
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
    changed,
    choice,
    footage,
)
ALL = {module.__name__.rpartition(".")[2]: module.main for module in MODULES}
ON_REQUEST = ("long", "changed", "choice", "footage")  # run only if they are named
WITH_ARGUMENTS = ("people", "hands", *ON_REQUEST)

if __name__ == "__main__":
    names = sys.argv[1:] or [name for name in ALL if name not in ON_REQUEST]
    for name in names[:1] if names[0] in WITH_ARGUMENTS else names:
        print(f"== {name}", flush=True)
        ALL[name]()
