"""A scene and cameras to pictures, depth maps or a moving picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from geokit.backend.device_choice import chosen_device
from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Cameras
from geokit.io import load_splats, save_picture
from geokit.io.safe import atomic_write, read_bytes
from geokit.pipelines.camera_files import named_cameras
from geokit.pipelines.colormap import inferno
from geokit.pipelines.gpu_memory import memory_explained
from geokit.pipelines.observer import Observer
from geokit.pipelines.posed_pictures import picture_names
from geokit.pipelines.run_folder import RunFolder, scene_file
from geokit.pipelines.settings import load_settings
from geokit.pipelines.turntable import check_one_size, save_gif
from geokit.splatting import Rendering, render

_STEPS = 65535  # of a 16-bit depth picture


def render_scene(
    scene: str | Path,
    cameras: str | Path | Cameras,
    output: str | Path,
    *,
    depth: bool = False,
    downscale: float = 1,
    background: tuple[float, float, float] | None = None,
    device: str = "auto",
    overwrite: bool = False,
    observer: Observer | None = None,
) -> list[Path]:
    """Render a run's folder or a splat file; returns the files written.

    cameras: `Cameras`, or what `named_cameras` understands. output: a folder for one .png a camera, or a .gif. depth:
    also NAME_depth.png, 16 bits: expected depth along the optical axis in the scene's unit, divided by the `unit` that
    depth.json gives for it, 0 where nothing is; and NAME_depth_colors.png, bright is near. downscale divides the size
    of the pictures. background: RGB in [0, 1]; by default that of the run, black for a splat file alone. device: as for
    `reconstruct`.

    Raises `InvalidInput` for options that cannot be, and where a picture exists already, unless `overwrite`; a
    depth.json is added to.
    """
    observer, output, scene = observer or Observer(), Path(output), Path(scene)
    if not 1 <= downscale < float("inf"):
        raise InvalidInput(f"downscale must be a number of at least 1, got {downscale}")
    if background is not None and not all(0 <= value <= 1 for value in background):
        raise InvalidInput(f"background must be three numbers in [0, 1], got {background}")
    place = chosen_device(device)
    moving = output.suffix.lower() == ".gif"
    if output.suffix[1:2].isalpha() and not moving and not output.is_dir():
        raise InvalidInput(f"{output} ends like a file, but only .gif can be one; name a folder for .png pictures")
    if moving and depth:
        raise InvalidInput("depth is written as pictures, not as a .gif; name a folder as the output, or leave it out")
    config = RunFolder(scene).config
    settings = load_settings(config) if config.is_file() else None
    observer.phase("Opening the scene")
    splats = load_splats(scene_file(scene)).to(place)
    if not isinstance(cameras, Cameras):
        cameras = named_cameras(cameras, settings)
    cameras = cameras if downscale == 1 else cameras.scaled(1 / downscale)
    if moving:
        check_one_size(cameras.sizes)
    names = picture_names(cameras.names)
    files = [output] if moving else [output / f"{name}.png" for name in names]
    depths = [output / f"{name}_depth{end}.png" for name in names for end in ("", "_colors")] if depth else []
    existing = [file for file in (*files, *depths) if file.exists()]
    if existing and not overwrite:
        raise InvalidInput(f"{existing[0]} exists already; choose another output, or replace it with --overwrite")
    train = settings.train if settings else None
    behind = torch.tensor(background or (train.background if train else (0.0, 0.0, 0.0)), device=place)
    antialiased = train.antialiased if train else False
    pictures, written = [], []
    units = _units(output / "depth.json") if depth else {}
    for i, name in enumerate(names):
        width, height = cameras.sizes[i]
        words = f"for a picture of {width}x{height}; take a larger --downscale, or --device cpu"
        with torch.no_grad(), memory_explained(place, lambda words=words: words):  # type: ignore[misc]
            seen = _on_the_cpu(
                render(splats, cameras[i].to(place), background=behind, antialiased=antialiased, depth=depth)
            )
        if moving:
            pictures.append(seen.image)
        else:
            save_picture(files[i], seen.image)
            written.append(files[i])
        if depth:
            units[name] = {"unit": _save_depth(output / f"{name}_depth.png", seen)}
            written += [output / f"{name}_depth.png", output / f"{name}_depth_colors.png"]
        observer.count("Rendering", i + 1, len(names))
    if moving:
        save_gif(output, pictures)
    if depth:
        with atomic_write(output / "depth.json") as file:
            file.write(json.dumps(units, indent=1).encode())
    return written or files


def _on_the_cpu(seen: Rendering) -> Rendering:
    return Rendering(seen.image.cpu(), seen.alpha.cpu(), None if seen.depth is None else seen.depth.cpu())


def _units(file: Path) -> dict[str, Any]:
    """What depth.json says of depth pictures that are there already."""
    if not file.exists():
        return {}
    try:
        units = json.loads(read_bytes(file, "depth.json"))
    except (ValueError, RecursionError):
        units = None
    if not isinstance(units, dict):
        raise UnreadableFile(f"{file} is not a depth.json of geokit render; remove it or choose another output")
    return units


def _save_depth(path: Path, seen: Rendering) -> float:
    """Write the depth in 16 bits and in colours; returns the length of one step."""
    assert seen.depth is not None
    shown = torch.where(seen.alpha > 0.5, seen.depth, 0.0)
    unit = max(float(shown.max()), 1e-12) / _STEPS
    values = (shown / unit).round().clamp(0, _STEPS).numpy().astype(np.uint16)
    with atomic_write(path) as file:
        Image.fromarray(values).save(file, "PNG")
    save_picture(path.with_name(f"{path.stem}_colors.png"), _colored(shown))
    return unit


def _colored(depth: Tensor) -> Tensor:
    """Inverse depth as colours, bright is near, over the range of nearly all pixels; black where nothing is."""
    there = depth > 0
    if not bool(there.any()):
        return torch.zeros(*depth.shape, 3)
    inverse = torch.where(there, 1 / depth.clamp_min(1e-12), 0.0)
    ordered = inverse[there].sort().values
    low, high = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.02, 0.98))
    place = 0.1 + 0.9 * (inverse - low) / max(high - low, 1e-12)
    return torch.where(there[..., None], inferno(place.clamp(0.1, 1)), 0.0)
