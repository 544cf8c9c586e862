"""What spectral methods know of a shape: operators and functions computed once, on the shape scaled to unit area."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.spectral.cleaning import clean, clean_points
from geokit.spectral.eigen import Eigenbasis, eigenbasis
from geokit.spectral.laplacian import Laplacian, laplacian


@dataclass(frozen=True)
class SpectralShape:
    """A shape scaled to unit area about its centre, float64, with its Laplacian and its first eigenfunctions.

    mesh: the cleaned and scaled mesh of N vertices. scale: what the given one's lengths were multiplied by.
    given: (V,) int64, for each of the V vertices given the one of `mesh` that stands for it. origins: (N,) int64, for
    each vertex of `mesh` a given one at its place. Where nothing was merged, both count from 0. report: a sentence on
    each thing that was cleaned or is worth knowing.

    Functions f (V,) on the given vertices are f[origins] here, and functions g (N,) here are g[given] there. So maps
    between vertices here become maps between given ones as shape1.origins[p2p_21[shape2.given]].
    """

    mesh: Mesh
    scale: float
    laplacian: Laplacian
    basis: Eigenbasis
    given: Tensor = field(default=None)  # type: ignore[assignment]
    origins: Tensor = field(default=None)  # type: ignore[assignment]
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("given", "origins"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, torch.arange(len(self.mesh.vertices), device=self.mesh.faces.device))

    def __len__(self) -> int:
        return len(self.mesh.vertices)

    def __repr__(self) -> str:
        return f"SpectralShape({len(self):,} vertices, {len(self.mesh):,} faces, {len(self.basis)} eigenfunctions)"

    @cached_property
    def normals(self) -> Tensor:
        """(N, 3) outward unit normals at the vertices."""
        return self.mesh.vertex_normals() if self.mesh.normals is None else self.mesh.normals


def prepare(shape: Mesh | PointCloud, count: int = 200, *, cache: Path | bool | None = None) -> SpectralShape:
    """The shape cleaned (`geokit.spectral.cleaning`) and scaled to unit area, its Laplacian and `count` eigenpairs.

    Any mesh with an area will do; `report` says what had to be done. There are fewer eigenpairs where there are not
    enough vertices. Of a cloud of points `mesh` has no faces, but normals; they are estimated if the cloud has none.
    Computed on the CPU and left there, wherever the shape is. cache: as in `geokit.spectral.eigen.eigenbasis`.
    Raises `InvalidInput` for a count below 1, for meshes of which no face has an area, and fewer than four points.
    """
    if count < 1:
        raise InvalidInput(f"count must be at least 1, got {count}")
    shape = shape.to("cpu")
    cleaned = clean_points(shape) if isinstance(shape, PointCloud) else clean(shape)
    report, vertices = cleaned.report, cleaned.mesh.vertices
    if isinstance(shape, PointCloud):
        operator = laplacian(PointCloud(vertices))
        scale = operator.area**-0.5
        operator = replace(operator, masses=operator.masses * scale**2)
        unit = cleaned.mesh.replace(vertices=(vertices - vertices.mean(0)) * scale)
    else:
        scale = cleaned.mesh.area() ** -0.5
        unit = Mesh((vertices - vertices.mean(0)) * scale, cleaned.mesh.faces)
        operator = laplacian(unit)
    most = int((operator.masses > 1e-7 * operator.masses.mean()).sum()) - 1  # as many as `eigenbasis` has, but one
    if count > most:
        report += (f"{len(vertices):,} vertices have no {count:,} eigenpairs to rely on: there are {most:,}",)
    basis = eigenbasis(operator, min(count, most), cache=cache)
    return SpectralShape(unit, scale * cleaned.scale, operator, basis, cleaned.given, cleaned.origins, report)
