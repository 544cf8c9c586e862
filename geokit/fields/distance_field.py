"""Distances to a surface as a sparse hierarchy of quadratic B-splines."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from geokit.backend import spline_ops as ops
from geokit.backend.entropy_ops import bytes_tensor, decode_planes, encode_planes, no_parents
from geokit.errors import InvalidInput
from geokit.fields.distance_lattice import (
    Lattice,
    box_keys,
    children,
    lattice_sums,
    pack_nodes,
    summed,
    unpack_nodes,
)
from geokit.fields.field import Field
from geokit.fields.lattice_mesh import cells_mesh
from geokit.fields.surface_lattice import find, prolonged
from geokit.geometry.mesh import Mesh

_FIRST = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_SECOND = ((2, 0, 0), (0, 2, 0), (0, 0, 2))
_CHUNK = 1 << 16  # vertices that are polished at once
_POLISH = 2  # Newton steps
_STEEP = 0.2  # least gradient that a vertex is moved along
_MOST = 2048  # cubes along the longest side of a mesh
_ROW = 64


class DistanceField(Field):
    """The distance to a surface, in the mesh's unit, one channel; where `signed`, negative inside.

    A sum of quadratic B-splines on lattices of halving spacing: the coarsest fills the box, the others have nodes only
    where they are needed. The gradient is continuous, the Laplacian is not across the faces of cells; both are exact
    derivatives. Outside of `bounds` it is the value at the nearest place in them plus the distance to it.

    bounds: (2, 3). spacing: of the coarsest lattice, whose first cell begins at the lower corner. keys: for every finer
    one, its nodes (N,) int64 ascending, each in the half-size cells of the nodes of the lattice before or next to
    them. shares: what the nodes of each lattice, the coarsest included, add to the coarser ones; zero without them.
    step: shares are multiples of it and stored as such; None: they are stored as they are.
    Raises `InvalidInput` for lattices that do not fit each other.
    """

    def __init__(
        self,
        bounds: Tensor,
        spacing: float,
        keys: Sequence[Tensor] = (),
        shares: Sequence[Tensor] | None = None,
        signed: bool = True,
        step: float | None = None,
    ) -> None:
        super().__init__(bounds, 1)
        if not 0 < spacing < math.inf or (step is not None and not 0 < step < math.inf):
            raise InvalidInput(f"spacing and step must be positive lengths, got {spacing} and {step}")
        shape = (
            (self.bounds[1] - self.bounds[0]).double() / spacing + 1e-3
        ).floor().long() + 1  # the upper corner's cell too
        if float(shape.double().prod()) > 1 << 24:
            raise InvalidInput(
                f"a coarsest lattice of {tuple(shape.tolist())} cells is too fine; take a larger spacing"
            )
        self.spacing, self.signed, self.step, self.shape = float(spacing), bool(signed), step, tuple(shape.tolist())
        everywhere = [box_keys(self.shape), *keys]
        shares = [bounds.new_zeros(len(some)) for some in everywhere] if shares is None else shares
        if [len(some) for some in everywhere] != [len(some) for some in shares]:
            raise InvalidInput(
                f"lattices of {[len(k) for k in everywhere]} nodes have {[len(s) for s in shares]} shares"
            )
        self.levels = len(everywhere)
        if max(self.shape) << self.levels >= ops.BIAS:
            raise InvalidInput(
                f"{self.levels} lattices on {max(self.shape)} cells are too fine: 2^19 cells are the most"
            )
        for number, some in enumerate(everywhere):
            self.register_buffer(f"keys_{number}", some, persistent=False)
        self.shares = nn.ParameterList([nn.Parameter(some.detach().clone(), requires_grad=False) for some in shares])
        self.codes = [pack_nodes(*pair) for pair in pairwise(everywhere)]
        self._sum: tuple[Any, list[Lattice]] | None = None

    @property
    def parameter_count(self) -> int:
        """Shares, and the choice of the nodes, 32 bits of which count as one number."""
        return sum(len(some) for some in self.shares) + math.ceil(sum(len(code) for code in self.codes) / 4)

    def nodes(self) -> list[Tensor]:
        """The keys (N,) of the nodes of every lattice, the coarsest first."""
        return [self.get_buffer(f"keys_{level}") for level in range(self.levels)]

    def lattices(self) -> list[Lattice]:
        """Every lattice with the sum of all up to it; differentiable by the shares where they want a gradient."""
        if torch.is_grad_enabled() and any(some.requires_grad for some in self.shares):
            return summed(self.spacing, self.nodes(), list(self.shares))
        state = [(some._version, some.data_ptr(), some.dtype) for some in self.shares]
        if self._sum is None or self._sum[0] != state:
            with torch.no_grad():
                self._sum = state, summed(self.spacing, self.nodes(), [some.detach() for some in self.shares])
        return self._sum[1]

    def config(self) -> dict[str, Any]:
        """What makes an empty field of the same coarsest lattice; `stored` holds the others."""
        return {"spacing": self.spacing, "signed": self.signed, "step": self.step}

    def quantised(self, bits: int) -> "DistanceField":
        """The field with shares that are multiples of one step, the largest at finer lattices of 2^(bits - 1) - 1."""
        most = max(float(some.abs().max()) for some in list(self.shares)[min(1, self.levels - 1) :] if len(some))
        step = most / (2 ** (bits - 1) - 1) or 1.0
        shares = [(some / step).round() * step for some in self.shares]
        return type(self)(self.bounds, self.spacing, self.nodes()[1:], shares, self.signed, step)

    def stored(self) -> dict[str, Tensor]:
        """Bounds, the choice of the nodes, coded, and shares: coded where they are multiples of a step."""
        tensors = {"bounds": self.bounds}
        for level, code in enumerate(self.codes, 1):
            tensors[f"nodes_{level}"] = bytes_tensor(code)
        for level, some in enumerate(self.shares):
            if self.step is None:
                tensors[f"shares_{level}"] = some.detach()
            else:
                numbers = (some.detach() / self.step).round().to(torch.int32)
                planes = nn.functional.pad(numbers, (0, -len(numbers) % _ROW)).reshape(1, -1, _ROW)
                tensors[f"shares_{level}"] = bytes_tensor(encode_planes(planes, no_parents(1)))
        return tensors

    @classmethod
    def restored(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The field that was stored. Raises `InvalidInput` or `KeyError` where the parts do not fit."""
        bounds, step = tensors["bounds"], config["step"]
        keys, shares = [box_keys(cls(bounds, float(config["spacing"])).shape)], []
        while True:
            count, share = len(keys[-1]), tensors[f"shares_{len(keys) - 1}"]
            if step is not None:
                rows = math.ceil(count / _ROW)
                numbers = decode_planes(bytes(share.numpy()), no_parents(1), rows, _ROW).flatten()[:count]
                share = numbers.to(bounds.dtype) * float(step)
            if share.shape != (count,):
                raise InvalidInput(f"a lattice of {count} nodes cannot have shares {tuple(share.shape)}")
            shares.append(share.to(bounds.dtype))
            code = tensors.get(f"nodes_{len(keys)}")
            if code is None:
                break
            keys.append(unpack_nodes(keys[-1], bytes(code.numpy())))
        return cls(bounds, float(config["spacing"]), keys[1:], shares, bool(config["signed"]), step)

    def values(self, x: Tensor) -> Tensor:
        """The field at x (N, 3): (N, 1), differentiable by x, and by the shares where they want a gradient."""
        inside = self._clamped(x)
        return self._sums(inside, [(0, 0, 0)], 0) + (x - inside).norm(dim=1, keepdim=True)

    def slopes(self, x: Tensor) -> Tensor:
        """The gradient at x (N, 3): (N, 1, 3), from the derivatives of the splines."""
        inside = self._clamped(x)
        away = x - inside
        out = away / away.norm(dim=1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
        return (self._sums(inside, _FIRST, 1) * (away == 0) + out)[:, None]

    def curvatures(self, x: Tensor) -> Tensor:
        """The Laplacian at x (N, 3): (N, 1), from the derivatives of the splines."""
        inside = self._clamped(x)
        away = x - inside
        beyond = (away != 0).sum(1) - 1
        out = beyond.clamp_min(0) / away.norm(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
        return ((self._sums(inside, _SECOND, 2) * (away == 0)).sum(1) + out)[:, None]

    def _clamped(self, x: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, self.bounds[0]), self.bounds[1])

    def _sums(self, x: Tensor, kinds: Sequence[tuple[int, int, int]], order: int) -> Tensor:
        return lattice_sums(self.lattices(), x - self.bounds[0], kinds, order)

    @torch.no_grad()
    def mesh(self, resolution: int = 256, level: float = 0.0) -> Mesh:
        """The surface where the field is `level`, a length; faces look to where it is larger.

        resolution: cubes along the longest side, at least: their size is the coarsest spacing over a power of two.
        Cells that the surface cannot pass are left out by the bounds that the coefficients of splines are, so nothing
        is missed. Vertices are then moved onto the surface.
        Raises `InvalidInput` for a resolution that is not 2 to 2048 and for a field that never crosses the level.
        """
        if not 2 <= resolution <= _MOST:
            raise InvalidInput(f"resolution must be 2 to {_MOST} cubes along the longest side, got {resolution}")
        if not math.isfinite(level):
            raise InvalidInput(f"level must be a length, got {level}")
        keys, shares = [some.cpu() for some in self.nodes()], [some.detach().cpu() for some in self.shares]
        depth = max(0, math.ceil(math.log2(resolution / (2 * max(self.shape)))))
        cells = torch.cartesian_prod(*(torch.arange(n) for n in self.shape)).reshape(-1, 3)
        nodes, coefficients = keys[0], shares[0] - level
        for number in range(depth + 1):
            around = find(nodes, ops.keys_of(cells[:, None] + _steps()))
            low, high = coefficients[around].aminmax(dim=1)
            crossed = (low < 0) & (high >= 0)
            cells = cells[crossed]
            if number == depth:
                break
            cells = ops.cells_of(children(ops.keys_of(cells)).flatten())
            wanted = torch.unique(ops.keys_of(cells[:, None] + _steps()))
            coefficients = prolonged(nodes, coefficients, wanted)
            if number + 1 < self.levels:
                at = find(keys[number + 1], wanted)
                coefficients = coefficients + torch.where(at >= 0, shares[number + 1][at], 0)
            nodes = wanted
        places, faces = cells_mesh(ops.around(nodes, ops.keys_of(cells)), cells, coefficients, 2)
        if not len(faces):
            raise InvalidInput(f"the field never crosses the level {level:g} inside its bounds")
        side = self.spacing / 2**depth
        vertices = (self.bounds[0] + places.to(self.bounds) * side).to(self.bounds.dtype)
        return Mesh(self._polished(vertices, level, side / 4).cpu(), faces)

    def _polished(self, vertices: Tensor, level: float, most: float) -> Tensor:
        """Vertices moved along the gradient to where the field is `level`, no step longer than `most`."""
        for _ in range(_POLISH):
            moved = []
            for some in vertices.split(_CHUNK):
                value, slope = self.values(some) - level, self.slopes(some)[:, 0]
                step = -value * slope / slope.square().sum(1, keepdim=True).clamp_min(_STEEP**2)
                moved.append(some + step * (most / step.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1))
            vertices = torch.cat(moved)
        return vertices


def _steps() -> Tensor:
    return torch.cartesian_prod(*(torch.arange(-1, 2),) * 3)
