"""What numbers can be shown on a mesh, each computed when first asked for and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry import Bvh, Mesh, PointCloud, PointTree, closest_points, signed_distance
from geokit.geometry.topology import topology
from geokit.pipelines.spectrum import vertex_basis
from geokit.spectral.curvature import gaussian_curvature, mean_curvature
from geokit.spectral.descriptors import heat_kernel_signature, heat_times, wave_energies, wave_kernel_signature
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.geodesics import MarchingGeodesics
from geokit.spectral.principal import PrincipalCurvatures, principal_curvatures

PAIRS = 100  # eigenfunctions, where the mesh has as many
STEPS = 100  # times of heat, energies of waves
ALONG, APART = "distance along the surface", "distance to another layer"
_SMOOTHING = 20


@dataclass(frozen=True)
class Choice:
    """The number that a quantity still asks for: its name, the whole numbers `first` to `last` that it may be."""

    name: str
    first: int
    last: int
    usual: int


@dataclass(frozen=True)
class Values:
    """name: of the quantity. title: the same with what was chosen. numbers: (V,), not finite where unknown.

    signed: whether 0 belongs in the middle of the colours.
    """

    name: str
    title: str
    numbers: NDArray[np.float64]
    signed: bool = False


@dataclass(frozen=True)
class Other:
    """Another layer, for distances to it: its name and its shape where it is shown."""

    name: str
    shape: Mesh | PointCloud


class MeshValues:
    """The quantities of one mesh. up: (3,), for heights. attributes: (V,) numbers by name that its file brought.

    `known` holds the latest `Values` of each quantity that was computed. Lengths are in the unit of the mesh.
    """

    def __init__(
        self, mesh: Mesh, up: Sequence[float] = (0.0, 0.0, 1.0), attributes: Mapping[str, NDArray[np.float64]] = {}
    ) -> None:
        self._given = mesh
        self.up = torch.tensor([float(x) for x in up], dtype=torch.float64)
        taken = (*_QUANTITIES, ALONG, APART, "none")
        self.attributes = {
            f"{name} (file)" if name in taken else name: numbers
            for name, numbers in attributes.items()
            if len(numbers) == len(mesh.vertices)
        }
        self.known: dict[str, Values] = {}

    @cached_property
    def mesh(self) -> Mesh:
        """Its vertices, float64, and faces, without the rest."""
        return Mesh(self._given.vertices.detach().cpu().double(), self._given.faces.cpu())

    def names(self) -> tuple[str, ...]:
        """What can be asked for; the attributes of the file come last."""
        return (*_QUANTITIES, ALONG, APART, *self.attributes)

    def choice(self, name: str) -> Choice | None:
        """What number a quantity asks for, if any."""
        if name == "eigenfunction":
            most = len(self.basis) if "basis" in self.__dict__ else min(PAIRS, len(self._given.vertices))
            return Choice("Number", 0, max(most - 1, 1), min(1, most - 1))
        if name == "heat kernel signature":
            return Choice("Time", 0, STEPS - 1, STEPS // 3)
        if name == "wave kernel signature":
            return Choice("Energy", 0, STEPS - 1, STEPS // 3)
        if name in ("mean curvature", "Gaussian curvature"):
            return Choice("Smoothing", 0, _SMOOTHING, 2)
        return None

    def compute(
        self, name: str, number: int | None = None, sources: Sequence[int] = (), other: Other | None = None
    ) -> Values:
        """The numbers of a quantity.

        number: what its `choice` asks for. sources: vertices from which distances along the surface count. other: to
        which distances are measured; negative inside, where it is a closed mesh.
        Raises `InvalidInput` for a quantity that is not there, for what it needs and was not given, and for meshes
        that do not have it: without faces or without area.
        """
        if not len(self.mesh):
            raise InvalidInput("the mesh has no faces, so nothing can be computed on it")
        choice = self.choice(name)
        if choice is not None:
            number = choice.usual if number is None else number
        if name in _QUANTITIES:
            values = _QUANTITIES[name](self, number or 0)
        elif name == ALONG:
            values = self._along(sources)
        elif name == APART:
            values = self._apart(other)
        elif name in self.attributes:
            numbers = np.asarray(self.attributes[name], np.float64)
            values = Values(name, name, numbers, bool((numbers < 0).any() and (numbers > 0).any()))
        else:
            raise InvalidInput(f"there is no {name!r} of a mesh; choose one of {', '.join(self.names())}")
        self.known[name] = values
        return values

    @cached_property
    def basis(self) -> Eigenbasis:
        """At most `PAIRS` eigenpairs of the robust Laplacian, on the vertices as given."""
        return vertex_basis(self.mesh, None, most=PAIRS)[0]

    @cached_property
    def bending(self) -> PrincipalCurvatures:
        """The principal curvatures and directions."""
        return principal_curvatures(self.mesh)

    @cached_property
    def _ways(self) -> MarchingGeodesics:
        return MarchingGeodesics(self.mesh)

    def height(self, _: int) -> Values:
        """Along the up direction."""
        return Values("height", "height", _array(self.mesh.vertices @ self.up))

    def eigenfunction(self, number: int) -> Values:
        """One eigenfunction of the Laplacian; number 0 is constant on each piece."""
        if not 0 <= number < len(self.basis):
            raise InvalidInput(f"there is no eigenfunction {number}: the mesh has {len(self.basis)}, from 0 on")
        title = f"eigenfunction {number}, eigenvalue {float(self.basis.eigenvalues[number]):.4g}"
        return Values("eigenfunction", title, _array(self.basis.eigenvectors[:, number]), signed=True)

    def heat(self, step: int) -> Values:
        """The heat that remains after a time, over the mean of it."""
        time = heat_times(self.basis, STEPS)[step : step + 1]
        numbers = heat_kernel_signature(self.basis, times=time)[:, 0]
        return Values("heat kernel signature", f"heat kernel signature, time {float(time):.3g}", _array(numbers))

    def wave(self, step: int) -> Values:
        """The presence of particles of an energy."""
        energies, width = wave_energies(self.basis, STEPS)
        numbers = wave_kernel_signature(self.basis, energies=energies[step : step + 1], width=width)[:, 0]
        title = f"wave kernel signature, energy {float(energies[step].exp()):.3g}"
        return Values("wave kernel signature", title, _array(numbers))

    def mean_bend(self, smooth: int) -> Values:
        """H, positive on a ball."""
        return Values("mean curvature", "mean curvature", _array(mean_curvature(self.mesh, smooth)), signed=True)

    def gaussian_bend(self, smooth: int) -> Values:
        """K, negative on saddles."""
        numbers = _array(gaussian_curvature(self.mesh, smooth))
        return Values("Gaussian curvature", "Gaussian curvature", numbers, signed=True)

    def larger_bend(self, _: int) -> Values:
        """k1."""
        return Values("largest curvature", "largest curvature", _array(self.bending.values[:, 0]), signed=True)

    def smaller_bend(self, _: int) -> Values:
        """k2."""
        return Values("smallest curvature", "smallest curvature", _array(self.bending.values[:, 1]), signed=True)

    def index(self, _: int) -> Values:
        """From cups over saddles to caps."""
        title = "shape index: -1 cup, 0 saddle, 1 cap"
        return Values("shape index", title, _array(self.bending.shape_index), signed=True)

    def _along(self, sources: Sequence[int]) -> Values:
        if not sources:
            raise InvalidInput("a distance along the surface begins somewhere: click on the mesh")
        begin = f"vertex {sources[0]:,}" if len(sources) == 1 else f"{len(sources)} vertices"
        return Values(ALONG, f"distance along the surface from {begin}", _array(self._ways.distances(list(sources))))

    def _apart(self, other: Other | None) -> Values:
        if other is None:
            raise InvalidInput("there is no other layer of a mesh or points to measure distances to")
        distances = DistanceTo(other.shape)
        return Values(APART, f"distance to {other.name}", distances(self.mesh.vertices), distances.signed)


_QUANTITIES: dict[str, Callable[[MeshValues, int], Values]] = {
    "height": MeshValues.height,
    "eigenfunction": MeshValues.eigenfunction,
    "heat kernel signature": MeshValues.heat,
    "wave kernel signature": MeshValues.wave,
    "mean curvature": MeshValues.mean_bend,
    "Gaussian curvature": MeshValues.gaussian_bend,
    "largest curvature": MeshValues.larger_bend,
    "smallest curvature": MeshValues.smaller_bend,
    "shape index": MeshValues.index,
}


class DistanceTo:
    """Distances of places to a surface or to points, `target`; `signed`, negative inside, where it is watertight.

    Raises `InvalidInput` for a shape with nothing in it.
    """

    def __init__(self, shape: Mesh | PointCloud) -> None:
        if not len(shape):
            raise InvalidInput("there is nothing to measure distances to: the other layer has no faces and no points")
        self.target = shape
        self.signed = isinstance(shape, Mesh) and topology(shape).watertight
        self._tree = Bvh(shape.to(torch.float64)) if isinstance(shape, Mesh) else PointTree(shape.points.double())

    def __call__(self, places: Tensor) -> NDArray[np.float64]:
        """(Q,) of places (Q, 3) float64."""
        if isinstance(self._tree, PointTree):
            return _array(self._tree.nearest(1, places)[0][:, 0])
        if self.signed:
            return _array(signed_distance(self._tree, places))
        return _array(closest_points(self._tree, places).distances)


def _array(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().double().numpy()
