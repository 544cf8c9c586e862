"""Surfaces from points: a field that is negative inside, and zero with the given normals at the points."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend import spline_ops as ops
from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields.field import Field
from geokit.fields.surface_lattice import FIRST, spline_sums
from geokit.fields.surface_mesh import march_field
from geokit.geometry.mesh import Mesh
from geokit.geometry.unseen import cut_unseen

_SECOND = ((2, 0, 0), (0, 2, 0), (0, 0, 2))


class SurfaceField(Field):
    """A sum of quadratic B-splines on sparse lattices of halving spacing; one channel, in the points' unit of length.

    Near the surface it is about the signed distance, negative inside; its gradient is continuous, its Laplacian is not
    across the faces of cells. Outside of `bounds` it is the value at the nearest place in them plus the distance to it.

    bounds: (2, 3). spacing: of the coarsest lattice. keys: for every lattice, from coarse to fine, the sorted keys
    (N,) int64 of its nodes (`geokit.backend.spline_ops.keys_of`); a place is described by the finest lattice all 27
    nodes around whose cell are there. coefficients: (N,) for each, zero without them.
    origin: (3,) the lower corner of the cell (0, 0, 0) of every lattice, zero without it.
    points, reach: (P, 3) and (P,) what the surface was seen at and how far each point speaks for it; they cut the mesh.

    >>> keys = ops.keys_of(torch.cartesian_prod(*(torch.arange(-1, 3),) * 3))
    >>> field = SurfaceField(torch.tensor([[0.0, 0, 0], [2, 2, 2]]), 1.0, [keys], [torch.ones(64)])
    >>> field(torch.tensor([[0.3, 1.0, 1.9]])).item()
    1.0
    """

    origin: Tensor
    points: Tensor
    reach: Tensor

    def __init__(
        self,
        bounds: Tensor,
        spacing: float,
        keys: Sequence[Tensor],
        coefficients: Sequence[Tensor] | None = None,
        origin: Tensor | None = None,
        points: Tensor | None = None,
        reach: Tensor | None = None,
    ) -> None:
        super().__init__(bounds, 1)
        if not keys or not spacing > 0:
            raise InvalidInput(f"a surface field needs a lattice and a positive spacing, got {len(keys)} and {spacing}")
        if coefficients is None:
            coefficients = [bounds.new_zeros(len(some)) for some in keys]
        self.spacing, self.levels = float(spacing), len(keys)
        self.coefficients = nn.ParameterList([nn.Parameter(c, requires_grad=False) for c in coefficients])
        for number, some in enumerate(keys):
            if coefficients[number].shape != some.shape:
                raise InvalidInput(
                    f"lattice {number} has {len(some)} nodes and {coefficients[number].shape} coefficients"
                )
            self.register_buffer(f"keys_{number}", some)
        self.register_buffer("origin", origin if origin is not None else bounds.new_zeros(3))
        self.register_buffer("points", points if points is not None else bounds.new_zeros(0, 3))
        self.register_buffer("reach", reach if reach is not None else bounds.new_zeros(0))

    def config(self) -> dict[str, Any]:
        """What `restored` makes the field again from, with its tensors."""
        return {"spacing": self.spacing}

    @classmethod
    def restored(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> "SurfaceField":
        """The field that was stored. Raises `InvalidInput` for nodes that are not in order."""
        levels = sum(name.startswith("keys_") for name in tensors)
        keys = [tensors[f"keys_{level}"] for level in range(levels)]
        for level, some in enumerate(keys):
            if some.dtype != torch.int64 or some.ndim != 1 or bool((some.diff() <= 0).any()):
                raise InvalidInput(f"the nodes of lattice {level} must be ascending int64 numbers")
        coefficients = [tensors[f"coefficients.{level}"] for level in range(levels)]
        others = {name: tensors[name] for name in ("origin", "points", "reach")}
        return cls(tensors["bounds"], float(config["spacing"]), keys, coefficients, **others)

    def lattice(self, level: int) -> tuple[float, Tensor, Tensor]:
        """Spacing, keys (N,) and coefficients (N,) of a lattice; 0 is the coarsest."""
        return self.spacing / 2**level, self.get_buffer(f"keys_{level}"), self.coefficients[level]

    def mesh(self, parts: int = 2, trim: float = 3.0) -> Mesh:
        """The zero set near the points, looking out: marching cubes in the finest lattice, vertices moved onto it.

        parts: 1 or 2, cubes along the side of a cell: 2 is four times as many faces. trim: what is not near to points
        and ends in a rim, or somewhere goes further from them than this many of their reaches, is cut away, so
        that open scans stay open; 0 keeps all of it. Raises `InvalidInput` for other options and `NumericalFailure`
        where there is no surface.
        """
        if parts not in (1, 2):
            raise InvalidInput(f"parts must be 1 or 2, got {parts}")
        if not 0 <= trim < math.inf:
            raise InvalidInput(f"trim must be a number of at least 0, got {trim}")
        mesh = march_field(self, parts)
        if trim and len(self.points) and len(mesh):
            mesh = cut_unseen(mesh, self.points, self.reach, trim, rims=True)
        if not len(mesh):
            raise NumericalFailure(
                "the field has no zero set near the points; check that their normals look to one side"
            )
        return mesh

    def values(self, x: Tensor) -> Tensor:
        """The field at x (N, 3): (N, 1), differentiable by x and the coefficients."""
        inside = self._clamped(x)
        squared = (x - inside).square().sum(1, keepdim=True)
        apart = squared > 0  # a root of zero has no gradient
        return self._sums(inside, [(0, 0, 0)], 0) + torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)

    def slopes(self, x: Tensor) -> Tensor:
        """The gradient at x (N, 3): (N, 1, 3), from the derivatives of the splines."""
        inside = self._clamped(x)
        away = x - inside
        squared = away.square().sum(1, keepdim=True)
        out = away / torch.where(squared > 0, squared, 1).sqrt()
        kept = self._sums(inside, FIRST, 1) * (away == 0)
        return (kept + out)[:, None]

    def curvatures(self, x: Tensor) -> Tensor:
        """The Laplacian at x (N, 3): (N, 1), from the derivatives of the splines; what the box adds outside of it is
        left out."""
        inside = self._clamped(x)
        return (self._sums(inside, _SECOND, 2) * (x == inside)).sum(1, keepdim=True)

    def _clamped(self, x: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, self.bounds[0]), self.bounds[1])

    def _sums(self, x: Tensor, kinds: Sequence[tuple[int, int, int]], order: int) -> Tensor:
        """(N, len(kinds)) derivatives, each from the finest lattice that covers the place."""
        left = torch.arange(len(x), device=x.device)
        places, parts = [], []
        for level in range(self.levels - 1, -1, -1):
            spacing, keys, coefficients = self.lattice(level)
            at = (x[left] - self.origin) / spacing
            cells = at.detach().floor()
            columns = ops.around(keys, ops.keys_of(cells.long()))
            known = (columns & 7 == 7).all(1)
            t, c = at[known] - cells[known] - 0.5, coefficients[ops.nodes_of(columns[known])]
            parts.append(torch.stack([spline_sums(c, t, kind) for kind in kinds], dim=1) / spacing**order)
            places.append(left[known])
            left = left[~known]
        if len(left):
            raise InvalidInput("the coarsest lattice of the field does not cover its bounds")
        back = torch.empty(len(x), dtype=torch.int64, device=x.device)
        back[torch.cat(places)] = torch.arange(len(x), device=x.device)
        return torch.cat(parts)[back]
