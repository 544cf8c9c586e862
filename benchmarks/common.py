"""What the benchmarks share: clocks, processes of their own, tables and the file of results."""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Timing:
    """Medians over repetitions, in seconds: `cpu` counts every thread of the process, `wall` is the clock's."""

    cpu: float
    wall: float


def measure(function: Callable[[], object], repeats: int = 7, warm: int = 1) -> Timing:
    """Medians of `repeats` calls after `warm` calls that do not count."""
    for _ in range(warm):
        function()
    cpu, wall = [], []
    for _ in range(repeats):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        function()
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return Timing(statistics.median(cpu), statistics.median(wall))


def peak_memory() -> float:
    """Largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_own_process(function: Callable[..., Any], *arguments: Any, threads: int = 1) -> Any:
    """`function(*arguments)` in a new process with that many threads, so that memory and thread pools are its own.

    What runs is told on stderr: a table is printed only when all of its rows are there.
    """
    told = " ".join(str(value) for value in arguments if not isinstance(value, Path))
    print(f"  ... {function.__name__} {told} on {threads} thread{'s' * (threads > 1)}", file=sys.stderr, flush=True)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_on_threads, threads, function, arguments).result()


def _on_threads(threads: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    torch.set_num_threads(threads)
    return function(*arguments)


def print_table(title: str, rows: Sequence[dict[str, Any]], note: str = "") -> None:
    """Rows of equal keys under their names; floats to three digits."""
    print(f"\n{title}")
    if not rows:
        return
    cells = [list(rows[0])] + [[_shown(value) for value in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for number, line in enumerate(cells):
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths)))
        if not number:
            print("  " + "  ".join("-" * width for width in widths))
    if note:
        print("  " + note)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value)


def machine() -> dict[str, Any]:
    """Where and with what a figure was measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    flags = ""
    if info.is_file():
        lines = info.read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
        flags = next((line for line in lines if line.startswith("flags")), "")
    level = "AVX-512" if "avx512vl" in flags else "AVX2" if "avx2" in flags else "SSE2"
    return {
        "cpu": cpu,
        "vectors": level,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "environment": {name: os.environ[name] for name in os.environ if name.startswith(("OMP_", "MKL_", "GOMP_"))},
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }


def save(name: str, section: str, content: Any) -> Path:
    """Put one section into benchmarks/results/NAME.json, beside the sections already there."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    sections = json.loads(path.read_text()) if path.is_file() else {}
    sections[section] = {"machine": machine(), "results": content}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(sections, indent=1) + "\n")
    temporary.replace(path)
    return path


def run_sections(family: str, sections: Sequence[str], about: str | None) -> None:
    """The command line of benchmarks/FAMILY.py: run benchmarks/FAMILY_SECTION.py one after the other, save each."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections), help="sections to run")
    options = parser.parse_args()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, {here['vectors']}; torch {here['torch']}; load {here['load']}")
    if here["load"] > 0.5:
        print("The machine is not idle: these figures are provisional.")
    for name in options.only:
        start = time.perf_counter()
        path = save(family, name, import_module(f"{family}_{name}").section())
        print(f"  {name}: {time.perf_counter() - start:.0f} s -> {path}", file=sys.stderr)
