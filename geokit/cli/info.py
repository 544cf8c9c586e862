"""geokit info."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from geokit.cli.options import Debug, Switch

_BAR = 40  # characters


@dataclass
class Info:
    """Say what a mesh, points, splats, a field, a capture, a checkpoint or a run holds, and what is wrong with it."""

    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE_OR_CAPTURE")]
    """A mesh (.ply .obj .stl .off .glb .gltf), points (.ply .xyz .csv .pts .pcd .las .laz .e57 .npz), splats (.ply
    .splat .spz), a .field, a checkpoint, a capture, or a folder that geokit reconstruct made."""
    json: Switch = False
    """Print JSON, for other programs."""
    debug: Debug = False

    def run(self) -> int:
        """Print the description."""
        from geokit.cli.pipes import printing
        from geokit.pipelines.info import describe

        found = describe(self.path)
        with printing():
            if self.json:
                import json

                print(json.dumps(found, indent=2))
            else:
                from geokit.cli.report import console, table

                console().print(table(rows_of(found)))
        return 0


def rows_of(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and values as people read them."""
    from geokit.cli.report import size

    if found.get("kind") in ("mesh", "points"):
        from geokit.cli.info_shape import shape_rows

        return shape_rows(found)
    rows: list[tuple[str, str]] = []
    for name, value in found.items():
        if name == "opacities":
            rows += _histogram(value)
        elif name == "bounds" and value:
            rows.append((name, " x ".join(f"[{low:.4g}, {high:.4g}]" for low, high in zip(*value))))
        elif name == "scales" and value:
            low, middle, high = (f"{scale:.3g}" for scale in value)
            rows.append(("scales", f"median {middle}, nine in ten from {low} to {high}"))
        elif name == "bytes":
            rows.append(("on disk", size(value)))
        elif name == "sizes":
            rows.append((name, ", ".join(f"{size} ({count})" for size, count in value.items())))
        elif name == "lenses":
            rows += [("lens", _lens(lens)) for lens in value]
        elif name == "nonfinite":
            continue  # a message says it
        elif name == "messages":
            rows += [("note", message) for message in value]
        elif name in ("scene", "metrics") and isinstance(value, dict):
            rows += [(n, v) for n, v in rows_of(_brief(value)) if n != "kind"]
        elif name == "tensors":
            rows += [(n, " x ".join(map(str, shape))) for n, shape in value.items() if "moment" not in n]
        elif name == "config":
            rows.append((name, ", ".join(f"{n} {v}" for n, v in value.items())))
        elif name == "test":
            rows.append((name, f"{len(value)}: {', '.join(value)}" if value else "none"))
        else:
            rows.append((name.replace("_", " "), _shown(value)))
    return rows


def _brief(values: dict[str, Any]) -> dict[str, Any]:
    """Of the figures of a run what does not stand elsewhere."""
    if "psnr" not in values:
        return values
    return {name: values[name] for name in ("psnr", "ssim", "seconds", "cpu_seconds")}


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _histogram(counts: list[int]) -> list[tuple[str, str]]:
    most = max(max(counts), 1)
    return [
        ("opacity" if i == 0 else "", f"{i / len(counts):.1f} {'█' * round(_BAR * count / most):<{_BAR}} {count:,}")
        for i, count in enumerate(counts)
    ]


def _lens(lens: dict[str, Any]) -> str:
    width, height = lens["size"]
    distortion = ", ".join(f"{value:.4g}" for value in lens["distortion"])
    return (
        f"{lens['model']}, {width}x{height}, focal {lens['focal'][0]:.1f} {lens['focal'][1]:.1f} px, "
        f"centre {lens['center'][0]:.1f} {lens['center'][1]:.1f}" + (f", distortion {distortion}" if distortion else "")
    )
