"""Which device computes, in which precision, and a C library that does not give memory back at
every step."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import torch

from skelact.errors import ConfigError


def resolve_device(name: str = "auto") -> torch.device:
    """'auto' is the GPU if there is one. ConfigError if the named device is not there."""
    if name == "auto":
        return torch.device(
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"no device {name!r} here: {str(error).splitlines()[0]}", "auto, cpu, cuda or mps"
        ) from error
    return device


def tune_malloc() -> None:
    """Tell glibc to keep big freed blocks instead of returning them to the kernel at every training
    step. Does nothing elsewhere."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in (
            (-3, 1 << 30),
            (-1, 2_000_000_000),
            (-2, 256 << 20),
        ):  # MMAP_THRESHOLD, TRIM_THRESHOLD, TOP_PAD
            libc.mallopt(parameter, value)


def autocast(
    device: torch.device, amp: bool, compiles: bool = False
) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast where the device computes it natively: a GPU, or a CPU with AVX512-BF16 or
    AMX. Elsewhere, and without `amp`, everything stays float32."""
    if compiles and device.type == "cpu":
        amp = False  # torch 2.13's compiled bfloat16 gives DD-Net gradients that are no numbers
    if amp and (device.type == "cuda" or (device.type == "cpu" and has_native_bf16())):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def has_native_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; emulated it is slower than float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    asked = (getattr(torch.cpu, name, None) for name in names)
    return any(ask is not None and ask() for ask in asked)


def compiled(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """torch.compile. ConfigError where the compiler that it calls is missing: a GPU's code is
    Triton's, a CPU's goes through the C++ compiler that CXX names, or g++."""
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        raise ConfigError(
            "compiling the network for a CPU needs a C++ compiler, and there is none",
            "apt-get install g++, or leave out --compile",
        )
    return torch.compile(function)


def peak_memory_mb(device: torch.device) -> int:
    """The most memory this process has used so far: of the GPU there, else of the machine."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(used / (2**20 if sys.platform == "darwin" else 2**10))
