"""What a file, a capture or a run holds."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from geokit.fields.storage import CLASSES, ENDING, load_field
from geokit.geometry import Splats
from geokit.geometry.bounds import bounds
from geokit.geometry.mesh import Mesh
from geokit.io import load_capture, load_checkpoint
from geokit.io.capture import brings_poses
from geokit.io.photographs import is_photograph, photograph_size
from geokit.io.safe import existing_file
from geokit.pipelines.open_shape import open_shape
from geokit.pipelines.run_folder import RunFolder
from geokit.pipelines.settings import load_settings
from geokit.pipelines.shape_facts import cloud_facts, mesh_facts

_BINS = 10


def describe(path: str | Path) -> dict[str, Any]:
    """What `path` is, as plain values that JSON can hold.

    Always with `kind` (mesh, points, splats, field, checkpoint, run, capture, photographs) and `path`; the rest depends
    on the kind: for meshes and points see `geokit.pipelines.shape_facts`. What is not finite is left out and told
    under `problems`. The poses of a plain folder of photographs are not searched.
    Raises `UnreadableFile` for a damaged file and `InvalidInput` for one of no kind that geokit knows.
    """
    path = Path(path)
    if path.is_dir():
        found = _run(path) if RunFolder(path).config.is_file() else _folder(path)
    elif path.suffix.lower() == ".json":
        found = _capture(path)
    elif path.suffix.lower() == ".safetensors":
        found = _checkpoint(path)
    elif path.suffix.lower() == ENDING:
        found = _field(path)
    else:
        found = _shape(existing_file(path, "file or capture"))
    return {"kind": found.pop("kind"), "path": str(path)} | found


def _shape(path: Path) -> dict[str, Any]:
    opened = open_shape(path, drop_nonfinite=True)
    if isinstance(opened.shape, Splats):
        found = {"kind": "splats", **_splats(opened.shape), "bytes": path.stat().st_size}
        return found | ({"nonfinite": opened.dropped, "messages": opened.messages} if opened.dropped else {})
    if isinstance(opened.shape, Mesh):
        return mesh_facts(path, opened.shape, opened.messages)
    return cloud_facts(path, opened.shape, opened.messages, opened.feature_names)


def _splats(splats: Splats) -> dict[str, Any]:
    opacities = splats.logit_opacities.sigmoid()
    scales = splats.log_scales.exp().flatten()
    shares = torch.tensor([0.05, 0.5, 0.95])
    sizes = [float(scales.sort().values[int(q * (len(scales) - 1))]) for q in shares] if len(scales) else None
    return {
        "splats": len(splats),
        "primitive": "gabor" if splats.waves else "gaussian",
        "waves": splats.waves,
        "sh_degree": splats.sh_degree,
        "parameters": splats.parameters,
        "bounds": bounds(splats.means),
        "scales": sizes,
        "opacities": torch.histc(opacities, _BINS, 0, 1).long().tolist(),
    }


def _checkpoint(path: Path) -> dict[str, Any]:
    tensors, metadata = load_checkpoint(path)
    wanted = ("step", "seconds", "cpu_seconds", "config")
    known: dict[str, Any] = {key: metadata[key] for key in wanted if key in metadata}
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    return {"kind": "checkpoint", **known, "tensors": shapes, "bytes": path.stat().st_size}


def _field(path: Path) -> dict[str, Any]:
    field = load_field(path)
    kind = next(name for name, one in CLASSES.items() if type(field) is one)
    return {
        "kind": "field",
        "functions": kind,
        "dimension": field.dimension,
        "channels": field.channels,
        "parameters": field.parameter_count,
        "bounds": field.bounds.tolist(),
        "config": field.config(),
        "bytes": path.stat().st_size,
    }


def _run(path: Path) -> dict[str, Any]:
    folder = RunFolder(path)
    settings = load_settings(folder.config)
    result: dict[str, Any] = {"kind": "run", "capture": str(settings.capture), "downscale": settings.downscale}
    result["config"] = asdict(settings.train)
    if folder.splats.is_file():
        result["scene"] = _shape(folder.splats)
    if folder.checkpoint.is_file():
        result["step"] = _checkpoint(folder.checkpoint).get("step")
    if folder.metrics.is_file():
        result["metrics"] = folder.load_metrics()
    return result


def _folder(path: Path) -> dict[str, Any]:
    images = path / "images" if (path / "images").is_dir() else path
    photographs = [] if brings_poses(path) else sorted(file for file in images.iterdir() if is_photograph(file))
    if not photographs:
        return _capture(path)
    sizes = Counter("{}x{}".format(*photograph_size(file)) for file in photographs)
    message = "there are no poses yet; geokit reconstruct finds them first"
    return {"kind": "photographs", "images": len(photographs), "sizes": dict(sizes), "messages": [message]}


def _capture(path: Path) -> dict[str, Any]:
    capture = load_capture(path)
    lenses = {view.lens for view in capture.views}
    return {
        "kind": "capture",
        "format": capture.kind,
        "images": len(capture),
        "sizes": dict(Counter("{}x{}".format(*size) for size in capture.cameras.sizes)),
        "lenses": [
            {
                "model": "pinhole" if lens.pinhole else lens.model,
                "size": [lens.width, lens.height],
                "focal": [lens.fx, lens.fy],
                "center": [lens.cx, lens.cy],
                "distortion": list(lens.coefficients) if not lens.pinhole else [],
            }
            for lens in sorted(lenses, key=lambda lens: (lens.width, lens.height, lens.fx))[:8]
        ],
        "lens_count": len(lenses),
        "train": len(capture.train),
        "test": [capture.cameras.names[i] for i in capture.test],
        "points": None if capture.points is None else len(capture.points),
        "extent": capture.cameras.extent,
        "messages": capture.messages,
    }
