"""Points spread over the surface of a mesh."""

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud

# The two-dimensional sequence of Roberts 2018: multiples of 1 / g and 1 / g^2, g the real root of x^3 = x + 1.
_PLASTIC = 1.32471795724474602596
_CURVE_BITS = 20  # of each coordinate, 60 in one int64


def sample_surface(mesh: Mesh, count: int, seed: int = 0, low_discrepancy: bool = False) -> PointCloud:
    """`count` points on the surface, as many on a face as its area asks for, with their face's normal.

    Colours come from the texture where there is one, else from the vertices. Points and colours are differentiable by
    the mesh's fields. See `sample_places` for the rest.
    """
    face_ids, weights = sample_places(mesh, count, seed, low_discrepancy)
    return PointCloud(
        points=values_at(mesh, mesh.vertices, face_ids, weights),
        normals=mesh.face_normals()[face_ids],
        colors=colors_at(mesh, face_ids, weights),
    )


def sample_places(mesh: Mesh, count: int, seed: int = 0, low_discrepancy: bool = False) -> tuple[Tensor, Tensor]:
    """face_ids (N,) int64 and barycentrics (N, 3) of `count` places on the surface, uniform by area.

    Independent of each other; or, with `low_discrepancy`, spread evenly: faces are laid out along a space-filling
    curve, each stratum of 1 / N of the area receives one place, and where it lies across the face follows a
    low-discrepancy sequence. The places are then in the order of the curve. The same seed gives the same places.
    Raises `InvalidInput` for a mesh without area and for a count below 0.
    """
    if not isinstance(count, int) or count < 0:
        raise InvalidInput(f"count must be a whole number of at least 0, got {count!r}")
    areas = mesh.to(torch.float64).face_areas().detach() if len(mesh) else torch.zeros(0)
    if not (len(mesh) and float(areas.sum()) > 0):
        raise InvalidInput(f"a surface without area cannot be sampled: the mesh has {len(mesh):,} faces of area 0")
    generator = torch.Generator().manual_seed(seed)
    if low_discrepancy:
        order = _along_curve(mesh.corners.detach().mean(1))
        index = torch.arange(count, dtype=torch.float64)
        offset = torch.rand(3, generator=generator, dtype=torch.float64)
        along = (index + offset[2]) / max(count, 1)
        across = ((index + 1).unsqueeze(1) * torch.tensor([1 / _PLASTIC, 1 / _PLASTIC**2]) + offset[:2]) % 1
    else:
        order = torch.arange(len(mesh))
        along = torch.rand(count, generator=generator, dtype=torch.float64)
        across = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    sums = areas.cpu()[order].cumsum(0)
    # The first sum above the place: never a face of area 0, which adds nothing.
    chosen = torch.searchsorted(sums, along * sums[-1], right=True)
    last = int((sums < sums[-1]).sum())
    root = across[:, 0].sqrt()
    weights = torch.stack([1 - root, root * (1 - across[:, 1]), root * across[:, 1]], 1)
    device = mesh.vertices.device
    return order[chosen.clamp_max(last)].to(device), weights.to(device, mesh.vertices.dtype)


def values_at(mesh: Mesh, values: Tensor, face_ids: Tensor, barycentrics: Tensor) -> Tensor:
    """(N, C) values (V, C) at the vertices, interpolated at places on the mesh; differentiable by values and
    weights."""
    check_tensor("values", values, (len(mesh.vertices), "C"))
    check_tensor("barycentrics", barycentrics, (len(face_ids), 3), values.dtype)
    corners = mesh.faces[face_ids]
    a, b, c = barycentrics.unsqueeze(2).unbind(1)
    return a * values[corners[:, 0]] + b * values[corners[:, 1]] + c * values[corners[:, 2]]


def colors_at(mesh: Mesh, face_ids: Tensor, barycentrics: Tensor) -> Tensor | None:
    """(N, 3) colours at places on the mesh: of the texture if there is one, else of the vertices; None without
    either."""
    if mesh.texture is not None and mesh.uv is not None:
        return look_up(mesh.texture, (barycentrics.unsqueeze(2) * mesh.uv[face_ids]).sum(1))[:, :3]
    return values_at(mesh, mesh.colors, face_ids, barycentrics) if mesh.colors is not None else None


def look_up(texture: Tensor, uv: Tensor) -> Tensor:
    """(N, C) bilinear values of a texture (H, W, C) at uv (N, 2), (0, 0) its lower left, repeated beyond [0, 1].

    Texel centres lie half a texel from the border. Differentiable by both. Raises `InvalidInput` for other shapes.
    """
    check_tensor("texture", texture, ("H", "W", "C"))
    check_tensor("uv", uv, ("N", 2), texture.dtype)
    height, width = texture.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    left, top = x.detach().floor(), y.detach().floor()
    fx, fy = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
    columns = [(left.long() + step) % width for step in (0, 1)]
    rows = [(top.long() + step) % height for step in (0, 1)]
    above = texture[rows[0], columns[0]] * (1 - fx) + texture[rows[0], columns[1]] * fx
    below = texture[rows[1], columns[0]] * (1 - fx) + texture[rows[1], columns[1]] * fx
    return above * (1 - fy) + below * fy


def _along_curve(points: Tensor) -> Tensor:
    """The order of points (N, 3) along a Hilbert curve through their bounding cube (Skilling 2004)."""
    points = points.double().cpu()
    low = points.amin(0)
    extent = float((points.amax(0) - low).max())
    most = 2**_CURVE_BITS - 1
    x, y, z = ((points - low) / (extent if extent > 0 else 1.0) * most).long().clamp(0, most).unbind(1)
    axes = [x, y, z]
    for level in range(_CURVE_BITS - 1, 0, -1):  # undo the turns of the curve from the coarsest cell down
        bit = 1 << level
        for i in range(3):
            swapped = (axes[0] ^ axes[i]) & (bit - 1)
            here = (axes[i] & bit) != 0
            first = torch.where(here, axes[0] ^ (bit - 1), axes[0] ^ swapped)
            axes[i] = torch.where(here, axes[i], axes[i] ^ swapped) if i else first
            axes[0] = first
    axes[1] = axes[1] ^ axes[0]
    axes[2] = axes[2] ^ axes[1]
    turn = torch.zeros_like(x)
    for level in range(_CURVE_BITS - 1, 0, -1):
        turn = torch.where((axes[2] & (1 << level)) != 0, turn ^ ((1 << level) - 1), turn)
    code = torch.zeros_like(x)
    for level in range(_CURVE_BITS - 1, -1, -1):
        for axis in axes:
            code = (code << 1) | (((axis ^ turn) >> level) & 1)
    return code.argsort(stable=True)
