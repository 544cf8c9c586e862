"""A file of points to the surface through them: a mesh, or a field."""

import time
from dataclasses import dataclass
from pathlib import Path

from geokit.errors import InvalidInput
from geokit.fields.storage import ENDING, save_field
from geokit.fields.surface import SurfaceField
from geokit.fields.surface_fit import fit_points
from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import topology
from geokit.io.meshes import save_mesh
from geokit.io.safe import existing_file
from geokit.io.shapes import load_shape
from geokit.pipelines.observer import Observer
from geokit.pipelines.outputs import check_free
from geokit.pipelines.surface import MESH_ENDINGS


@dataclass(frozen=True)
class FittedSurface:
    """The field, the mesh where one was asked for, and what it took."""

    field: SurfaceField
    mesh: Mesh | None
    output: Path
    points: int
    watertight: bool | None
    seconds: float


def fit_points_file(
    source: str | Path,
    output: str | Path,
    *,
    cell: float | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> FittedSurface:
    """Fit a surface to the points of a file, with or without normals (`geokit.fields.fit_points`).

    Of a mesh, such as a range scan with faces, the vertices are taken, with the normals of its faces.
    output: a mesh (.ply, .obj, .stl, .off, .glb), or a .field. cell: the side of the finest cells, in the points' unit;
    None takes what spacing and noise ask for. Raises `InvalidInput` for files that hold no points, other endings and
    where `output` exists, unless `overwrite`; `UnreadableFile`; `NumericalFailure` where there is no surface.
    """
    source, output, observer, began = Path(source), Path(output), observer or Observer(), time.monotonic()
    if output.suffix.lower() not in (*MESH_ENDINGS, ENDING):
        raise InvalidInput(f"{output} ends neither like a field, {ENDING}, nor like a mesh, {', '.join(MESH_ENDINGS)}")
    check_free(output, overwrite)
    observer.phase(f"Opening {source}")
    cloud = _points_of(load_shape(existing_file(source, "file of points")), source)
    observer.phase(f"A surface through {len(cloud):,} points")
    field = fit_points(cloud, cell)
    mesh = None
    if output.suffix.lower() == ENDING:
        save_field(output, field)
    else:
        mesh = field.mesh()
        observer.phase(f"Writing {output}")
        output.parent.mkdir(parents=True, exist_ok=True)
        save_mesh(output, mesh)
    watertight = None if mesh is None else topology(mesh).watertight
    return FittedSurface(field, mesh, output, len(cloud), watertight, time.monotonic() - began)


def _points_of(shape: object, source: Path) -> PointCloud:
    if isinstance(shape, PointCloud):
        return shape
    if not isinstance(shape, Mesh):
        raise InvalidInput(f"{source} holds neither points nor a mesh, but splats; geokit mesh makes their surface")
    normals = shape.vertex_normals()
    used = normals.norm(dim=1) > 0
    return PointCloud(shape.vertices[used], normals=normals[used])
