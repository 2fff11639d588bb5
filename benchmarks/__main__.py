"""Run benchmarks: python -m benchmarks [NAME]..., python -m benchmarks people|hands [DATA],
python -m benchmarks gpu [FOLDER [SECONDS]], python -m benchmarks long ...,
python -m benchmarks live PART [DATA],
python -m benchmarks scale [COUNT]..., python -m benchmarks soak [MINUTES] [SEED],
python -m benchmarks changed RUN [JHMDB],
python -m benchmarks streams RUN JHMDB BACKGROUND, python -m benchmarks footage MODEL DATA,
python -m benchmarks everyday DATA OUT, python -m benchmarks explain RUN,
python -m benchmarks exported [NETWORK]..., python -m benchmarks cluster [VIDEO]...,
python -m benchmarks avx2 [native] [CLIPS] [NETWORK]...,
python -m benchmarks few_shot PROTOCOL DATA, or
python -m benchmarks choice DATA [NETWORK:CLIPS]...

Without a name, all run that need no argument and no GPU: extraction, cached, startup, packed,
training, networks, pck, estimator_noise, people, hands."""

from __future__ import annotations

import sys

from benchmarks import (
    avx2,
    cached,
    changed,
    choice,
    cluster,
    estimator_noise,
    everyday,
    explain,
    exported,
    extraction,
    few_shot,
    footage,
    gpu,
    hands,
    live,
    long,
    networks,
    packed,
    pck,
    people,
    scale,
    soak,
    startup,
    streams,
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
    estimator_noise,
    people,
    hands,
    gpu,
    live,
    long,
    scale,
    soak,
    changed,
    choice,
    streams,
    footage,
    everyday,
    exported,
    explain,
    few_shot,
    cluster,
    avx2,
)
ALL = {module.__name__.rpartition(".")[2]: module.main for module in MODULES}
# run only if they are named
ON_REQUEST = (
    *("gpu", "live", "long", "scale", "soak", "changed", "choice", "streams"),
    *("footage", "everyday", "explain", "exported", "few_shot", "cluster", "avx2"),
)
WITH_ARGUMENTS = ("people", "hands", *ON_REQUEST)

if __name__ == "__main__":
    names = sys.argv[1:] or [name for name in ALL if name not in ON_REQUEST]
    for name in names[:1] if names[0] in WITH_ARGUMENTS else names:
        print(f"== {name}", flush=True)
        ALL[name]()
