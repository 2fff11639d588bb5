"""The device and precision of a computation, and a memory setting of the C library."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skelact.errors import ConfigError

if TYPE_CHECKING:
    import torch

# parameters of glibc's mallopt: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD [bytes]
_MALLOC_OPTIONS = ((-3, 1 << 30), (-1, 2_000_000_000), (-2, 256 << 20))


def resolve_device(name: str = "auto") -> torch.device:
    """The named device; "auto" is CUDA or MPS if available, else the CPU. Raises ConfigError if the
    device does not exist."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"There is no device {name!r}: {str(error).splitlines()[0]}",
            "Use auto, cpu, cuda or mps.",
        ) from error
    return device


def tune_malloc() -> None:
    """Make glibc keep large freed blocks for the next training step instead of returning them to
    the kernel. Does nothing on other systems."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in _MALLOC_OPTIONS:
            libc.mallopt(parameter, value)


def autocast(
    device: torch.device, amp: bool, is_compiled: bool = False
) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on devices with bfloat16 hardware: a GPU, or a CPU with AVX512-BF16 or AMX.
    On other devices, and without `amp`, everything is computed in float32."""
    import torch

    if is_compiled and device.type == "cpu":
        amp = False  # torch 2.13: compiled bfloat16 gives NaN gradients for DD-Net
    if amp and (device.type == "cuda" or (device.type == "cpu" and has_native_bf16())):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def has_native_bf16() -> bool:
    """Whether this CPU has bfloat16 instructions; emulated bfloat16 is slower than float32."""
    import torch

    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    checks = (getattr(torch.cpu, name, None) for name in names)  # private, missing in some versions
    return any(check is not None and check() for check in checks)


def compiled(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """torch.compile. Raises ConfigError if there is no C++ compiler for CPU code; the environment
    variable CXX names it, the default is g++. GPU code is compiled by Triton."""
    import torch

    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        raise ConfigError(
            "Compiling the network for a CPU needs a C++ compiler, and none was found",
            "Run apt-get install g++, or leave out --compile.",
        )
    return torch.compile(function)


def peak_memory_mb(device: torch.device) -> int:
    """The peak memory use of this process in MB: GPU memory on CUDA, otherwise main memory (0 on
    Windows, where it is unknown)."""
    import torch

    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(used / (2**20 if sys.platform == "darwin" else 2**10))
