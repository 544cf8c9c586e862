"""How good a correspondence is, measured without knowing the true one."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.shape import SpectralShape

_BAND = 30  # smoothest functions of which the shape differences are measured


@dataclass(frozen=True)
class Quality:
    """What can be told of a correspondence between shapes scaled to unit area.

    confidence: in [0, 1], how clearly this map was better than the next best kind of map (left and right exchanged,
    front and back exchanged ...). cycle_error: how far vertices come to lie from themselves after there and back, in
    per cent of the square root of the area, mean over both shapes. coverage_1, coverage_2: the share of each shape's
    area that something is mapped to, or to a neighbouring vertex of. smoothness_12, smoothness_21: the Dirichlet
    energy of each map, 1 for isometries, more where neighbours are torn apart. orientation: the share of the area
    that keeps its outside outside; near 0 for a mirror image. area_distortion, conformal_distortion: by how much areas
    and angles change, as the mean of |log2| over the smoothest functions (the shape differences of Rustamov et al.
    2013): 0 for isometries, 1 where they double or halve. repairs: what was cleaned. warnings: what to beware of.
    """

    confidence: float
    cycle_error: float
    coverage_1: float
    coverage_2: float
    smoothness_12: float
    smoothness_21: float
    orientation: float
    area_distortion: float
    conformal_distortion: float
    repairs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        told = f", {len(self.warnings)} warnings" if self.warnings else ""
        return (
            f"Quality(confidence {self.confidence:.2f}, cycle error {self.cycle_error:.1f} %, "
            f"orientation {self.orientation:.0%}{told})"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self) | {"repairs": list(self.repairs), "warnings": list(self.warnings)}

    def reversed(self) -> "Quality":
        """The same with the shapes exchanged."""
        return replace(
            self,
            coverage_1=self.coverage_2,
            coverage_2=self.coverage_1,
            smoothness_12=self.smoothness_21,
            smoothness_21=self.smoothness_12,
        )

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Quality":
        """What `as_json` gave."""
        known = {field.name: values[field.name] for field in fields(Quality)}
        return Quality(**known | {name: tuple(known[name]) for name in ("repairs", "warnings")})


@dataclass(frozen=True)
class MapMeasures:
    """The figures of `Quality` that come from the maps alone."""

    cycle_error: float
    coverage_1: float
    coverage_2: float
    smoothness_12: float
    smoothness_21: float
    orientation: float
    area_distortion: float
    conformal_distortion: float


def measure(
    shape1: SpectralShape, shape2: SpectralShape, p2p_12: Tensor, p2p_21: Tensor, functional_map: Tensor
) -> MapMeasures:
    """See `Quality`."""
    there = _cycle(shape1, p2p_21[p2p_12]), _cycle(shape2, p2p_12[p2p_21])
    area, conformal = _distortions(shape1, shape2, functional_map)
    return MapMeasures(
        cycle_error=50 * sum(there),
        coverage_1=_coverage(shape1, p2p_21),
        coverage_2=_coverage(shape2, p2p_12),
        smoothness_12=_dirichlet(shape1, shape2, p2p_12),
        smoothness_21=_dirichlet(shape2, shape1, p2p_21),
        orientation=(_orientation(shape2.mesh, shape1, p2p_21) + _orientation(shape1.mesh, shape2, p2p_12)) / 2,
        area_distortion=area,
        conformal_distortion=conformal,
    )


def _cycle(shape: SpectralShape, back: Tensor) -> float:
    """Mean distance of the vertices, by area, from where they come back to."""
    places, masses = shape.mesh.vertices, shape.basis.masses
    return float(((places - places[back]).norm(dim=1) * masses).sum() / masses.sum())


def _coverage(shape: SpectralShape, images: Tensor) -> float:
    """The share of the area that is an image or beside one."""
    masses = shape.basis.masses
    return float(masses[reached(shape.mesh, images)].sum() / masses.sum())


def reached(mesh: Mesh, images: Tensor) -> Tensor:
    """(N,) bool, which vertices of a mesh are among images (M,) int64, or beside one."""
    hit = torch.zeros(len(mesh.vertices), dtype=torch.bool)
    hit[images] = True
    beside = hit.clone()
    beside[mesh.faces[hit[mesh.faces].any(1)].reshape(-1)] = True
    return beside


def _dirichlet(source: SpectralShape, target: SpectralShape, p2p: Tensor) -> float:
    """Half of the Dirichlet energy of the map as a function to space, over the area."""
    image = target.mesh.vertices[p2p]
    return float((image * (source.laplacian.stiffness @ image)).sum()) / 2 / source.laplacian.area


def _orientation(mesh: Mesh, target: SpectralShape, p2p: Tensor) -> float:
    """The share of the area of faces, of those that keep three different corners, whose image faces outward."""
    corners = p2p[mesh.faces]
    a, b, c = target.mesh.vertices[corners].unbind(1)
    images = torch.linalg.cross(b - a, c - a)
    sign = (images * target.normals[corners].sum(1)).sum(1).sign()
    areas = mesh.face_areas() * (sign != 0)
    total = float(areas.sum())
    return float(areas[sign > 0].sum()) / total if total > 0 else 0.0


def _distortions(shape1: SpectralShape, shape2: SpectralShape, functional_map: Tensor) -> tuple[float, float]:
    """Mean |log2| of the eigenvalues of the shape differences by area and by Dirichlet energy."""
    count = min(_BAND, *functional_map.shape)
    block = functional_map[:, :count]
    area = torch.linalg.eigvalsh(block.T @ block)
    values1, values2 = shape1.basis.eigenvalues[1:count], shape2.basis.eigenvalues[: len(block)]
    scaled = values2.sqrt()[:, None] * block[:, 1:] / values1.clamp(min=1e-12).sqrt()
    conformal = torch.linalg.eigvalsh(scaled.T @ scaled)
    return tuple(float(values.clamp(min=1e-6).log2().abs().mean()) for values in (area, conformal))  # type: ignore[return-value]
