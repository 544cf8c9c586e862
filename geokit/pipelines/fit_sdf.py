"""A mesh to the field of distances to it, with what it costs and how good it is."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.distance_field import DistanceField
from geokit.fields.fit_sdf import fit_sdf
from geokit.fields.storage import save_field
from geokit.geometry.mesh import Mesh
from geokit.geometry.surface_sampling import sample_surface
from geokit.io.meshes import load_mesh
from geokit.pipelines.fit_image import check_output
from geokit.pipelines.observer import Observer

PARAMETERS = 200_000
_BITS = 12  # of a share, where a size is asked for
_BYTES = 1.4  # that a parameter takes in so many bits, about
_TRIES = 4
_PROBES = 50_000  # places at which the field is compared with the mesh
_CHUNK = 1 << 16


@dataclass(frozen=True)
class FittedDistance:
    """The field, its file, and how it compares with the mesh. error: the mean distance, by the field, of places on the
    mesh, which is 0 for the best; in the mesh's unit. extent: the mesh's diagonal."""

    field: DistanceField
    output: Path
    bytes: int
    source_bytes: int
    error: float
    extent: float
    seconds: float
    cpu_seconds: float


def fit_sdf_file(
    source: str | Path,
    output: str | Path,
    *,
    parameters: int | None = None,
    size: int | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> FittedDistance:
    """Fit the signed distance of a mesh file (`fit_sdf`) and write the field.

    parameters: of the field, 200,000 without one. size: of the file, in bytes, at most; shares are then rounded to 12
    bits of their largest, and the number of parameters is the one that fits.

    Raises `InvalidInput` for a budget that cannot be, both of them, another ending than .field, a mesh that encloses
    nothing and where `output` exists, unless `overwrite`; `UnreadableFile`.
    """
    source, output, observer = Path(source), Path(output), observer or Observer()
    check_output(output, overwrite)
    if parameters is not None and size is not None:
        raise InvalidInput("give parameters or size, not both")
    began, cpu_began = time.monotonic(), time.process_time()
    observer.phase(f"Opening {source}")
    mesh = load_mesh(source)
    observer.phase(f"Fitting the distance to {len(mesh):,} faces")
    if size is None:
        field = fit_sdf(mesh, PARAMETERS if parameters is None else parameters)
        observer.phase(f"Writing {output}")
        count = save_field(output, field)
    else:
        field, count = _of_size(mesh, output, size, observer)
    error = _error(field, mesh)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    return FittedDistance(field, output, count, source.stat().st_size, error, mesh.extent, seconds, cpu_seconds)


def _of_size(mesh: Mesh, output: Path, size: int, observer: Observer) -> tuple[DistanceField, int]:
    """The field whose file is not larger than `size`, and the bytes of that file."""
    parameters = int(size / _BYTES)
    temporary = output.with_name(f".{output.stem}.part{output.suffix}")
    try:
        for _ in range(_TRIES):
            field = fit_sdf(mesh, parameters).quantised(_BITS)
            count = save_field(temporary, field)
            if count <= size:
                observer.phase(f"Writing {output}")
                temporary.replace(output)
                return field, count
            parameters = int(parameters * 0.97 * size / count)
    finally:
        temporary.unlink(missing_ok=True)
    raise InvalidInput(f"a distance field does not fit into {size:,} bytes; allow more")


@torch.no_grad()
def _error(field: DistanceField, mesh: Mesh) -> float:
    places: Tensor = sample_surface(mesh, _PROBES, low_discrepancy=True).points
    total = sum(float(field(some).abs().double().sum()) for some in places.split(_CHUNK))
    return total / len(places) if len(places) else math.nan
