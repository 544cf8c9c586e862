"""The tables that verbs print at their end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from geokit.pipelines.run_folder import RunFolder


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to `geokit.cli.pipes` (rich would end the process)."""
        raise  # called where the BrokenPipeError is handled


def console() -> Console:
    """Where results are printed; a pipe or file is not wrapped."""
    out = _Console(highlight=False)
    return out if out.is_terminal else _Console(highlight=False, width=200)


def table(rows: Sequence[tuple[str, str | Text]]) -> Table:
    """Two columns, names and values."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(value) if isinstance(value, str) else value)
    return grid


def columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Rows under titles, the first column of names, numbers aligned to the right."""
    grid = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    for i, title in enumerate(titles):
        grid.add_column(title, justify="right" if i else "left", style="" if i else "bold")
    for row in rows:
        grid.add_row(*row)
    return grid


def counted(shape: Any) -> str:
    """How much a mesh, a cloud or splats hold, in words."""
    from geokit.geometry import Splats
    from geokit.geometry.mesh import Mesh

    if isinstance(shape, Mesh):
        return f"{len(shape.vertices):,} vertices, {len(shape):,} faces"
    return f"{len(shape):,} {'splats' if isinstance(shape, Splats) else 'points'}"


def size(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _memory(metrics: dict[str, Any]) -> str:
    on_gpu = metrics.get("peak_gpu_memory_bytes")
    of_gpu = f", and {size(on_gpu)} of the {metrics['gpu'] or 'GPU'}" if on_gpu else ""
    return f"{size(metrics['peak_memory_bytes'])}{of_gpu} at most"


def print_reconstruction(metrics: dict[str, Any], output: Path) -> None:
    """How good a reconstruction is, what it cost, and where things are."""
    folder = RunFolder(output)
    views = len(metrics["views"])
    rows = []
    if views:
        rows += [("PSNR", f"{metrics['psnr']:.2f} dB"), ("SSIM", f"{metrics['ssim']:.4f}")]
        rows += [("", f"means over {views} held-out view{'s' * (views > 1)}")]
    rows += [
        ("splats", f"{metrics['splats']:,} ({metrics['parameters']:,} numbers)"),
        ("training", f"{metrics['steps']:,} steps, {metrics['seconds']:.0f} s ({metrics['cpu_seconds']:.0f} CPU s)"),
        ("memory", _memory(metrics)),
        ("scene", str(folder.splats)),
        *([("pictures", f"{folder.views}/")] if views else []),
        ("turntable", str(folder.turntable)),
        ("figures", f"{folder.metrics}, {folder.curve.name}"),
    ]
    out = console()
    out.print()
    out.print(table(rows))
