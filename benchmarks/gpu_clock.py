"""Clocks and meters of a GPU for the benchmarks; on the CPU, for trying them out, those of the CPU."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from geokit.backend.device_choice import chosen_device, device_name, no_gpu
from geokit.errors import GeokitError


def the_gpu() -> torch.device:
    """The GPU that geokit computes on. Ends the process with one sentence where there is none."""
    if not torch.cuda.is_available():
        raise SystemExit(f"this benchmark measures a GPU, but {no_gpu()}")
    try:
        return chosen_device("cuda")
    except GeokitError as error:
        raise SystemExit(f"this benchmark measures a GPU: {error}") from error


def peer() -> Any:
    """gsplat. Ends the process with one sentence where it is not installed."""
    try:
        import gsplat
    except ImportError as error:
        raise SystemExit("this benchmark compares with gsplat: pip install 'gsplat>=1.5,<1.6'") from error
    return gsplat


def gpu(device: torch.device) -> dict[str, Any]:
    """What was measured on."""
    if device.type != "cuda":
        return {"name": device_name(device)}
    facts = torch.cuda.get_device_properties(device)
    return {
        "name": facts.name,
        "GiB": round(facts.total_memory / 2**30, 1),
        "multiprocessors": facts.multi_processor_count,
        "CUDA of torch": torch.version.cuda,
    }


def milliseconds(function: Callable[[], object], device: torch.device) -> float:
    """Of one call, by events on the stream, so that no time of Python's counts but what the GPU waits for."""
    if device.type != "cuda":
        start = time.perf_counter()
        function()
        return 1e3 * (time.perf_counter() - start)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    function()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def interleaved(
    functions: Mapping[str, Callable[[], object]], device: torch.device, repeats: int = 15, warm: int = 3
) -> dict[str, float]:
    """Medians of milliseconds. The functions take turns, so that a clock that changes is everybody's."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(warm + repeats):
        for name, function in functions.items():
            taken = milliseconds(function, device)
            if round_ >= warm:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_megabytes(function: Callable[[], object], clear: Callable[[], object], device: torch.device) -> float | None:
    """The most that tensors hold during a call, beyond what they held before; None on the CPU.

    clear: drops what a call leaves behind, such as gradients, which the next one would replace rather than add to.
    """
    if device.type != "cuda":
        return None
    clear()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def copy_bandwidth(device: torch.device, megabytes: int = 512) -> float:
    """Bytes a second that a copy reads and writes, both counted."""
    source = torch.zeros(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    taken = interleaved({"copy": lambda: target.copy_(source)}, device)["copy"]
    return 2 * source.numel() * 4 / taken * 1e3


def fma_rate(device: torch.device, size: int = 4096) -> float:
    """Operations a second of float32, multiply and add counted as two, of torch's matrix product without TF32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.randn(size, size, device=device)
    out = torch.empty_like(a)
    return 2 * size**3 / interleaved({"product": lambda: torch.mm(a, a, out=out)}, device)["product"] * 1e3
