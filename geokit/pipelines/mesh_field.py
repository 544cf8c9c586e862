"""A distance field to a mesh of any resolution."""

from pathlib import Path

from geokit.errors import InvalidInput
from geokit.fields.distance_field import DistanceField
from geokit.fields.storage import load_field
from geokit.fields.surface import SurfaceField
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import save_mesh
from geokit.pipelines.outputs import check_free
from geokit.pipelines.surface import MESH_ENDINGS

RESOLUTION = 256


def mesh_field(path: str | Path, output: str | Path, resolution: int | None = None, overwrite: bool = False) -> Mesh:
    """Write the surface where the field of a shape is zero as a mesh, its format by the ending of `output`.

    resolution: cubes along the longest side, at least, of distances; a surface of points has cells of its own.

    Raises `InvalidInput` for a resolution that cannot be, another ending, a field of something else and where `output`
    exists, unless `overwrite`; `UnreadableFile`.
    """
    output = Path(output)
    if output.suffix.lower() not in MESH_ENDINGS:
        raise InvalidInput(f"{output} does not end like a mesh; the formats are {', '.join(MESH_ENDINGS)}")
    check_free(output, overwrite)
    field = load_field(path)
    if isinstance(field, SurfaceField):
        if resolution is not None:
            raise InvalidInput(f"{path} is a surface of points, with cells of its own; leave out --resolution")
        mesh = field.mesh()
    elif isinstance(field, DistanceField):
        if not field.signed:
            raise InvalidInput(f"{path} holds distances without a sign, zero only on the surface; fit them signed")
        mesh = field.mesh(RESOLUTION if resolution is None else resolution)
    else:
        raise InvalidInput(f"{path} is not the field of a shape; make a picture of it by geokit render")
    save_mesh(output, mesh)
    return mesh
