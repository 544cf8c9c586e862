"""What a `PositionOrientationNet` may be made of, and the sentences for what it may not."""

import torch

from geokit.equivariant.position_orientation.kernels import KERNELS
from geokit.equivariant.position_orientation.orientations import OrientationGrid
from geokit.errors import InvalidInput

EQUIVARIANCE = ("cloud", "node", "data", "fixed", "random", "steerable")


def check_choices(dim: int, equivariance: str, group: str, kernel: str, orientations: OrientationGrid | None) -> None:
    """Raises InvalidInput unless these go together."""
    if dim not in (2, 3):
        raise InvalidInput(f"dim must be 2 or 3, got {dim}")
    if equivariance not in EQUIVARIANCE:
        raise InvalidInput(f"equivariance must be one of {', '.join(EQUIVARIANCE)}, got {equivariance!r}")
    if group not in ("E", "SE") or (group, dim) == ("SE", 3):
        raise InvalidInput(f'group must be "E" or, in the plane, "SE", got {group!r} with dim {dim}')
    if kernel not in KERNELS:
        raise InvalidInput(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    if equivariance == "data" and (orientations is not None or kernel != "harmonic" or group != "E"):
        raise InvalidInput(
            'with equivariance="data" the orientations come from the data, kernels are harmonic and the group is E'
        )


def check_numbers(**numbers: float | None) -> None:
    """Raises InvalidInput for sizes that are not whole or too small, and lengths that are not positive."""
    least = {"hidden": 1, "layers": 1, "widening": 1, "kernel_features": 1, "degree": 1}
    for name, value in numbers.items():
        if value is None:
            continue
        if name in ("length", "cutoff", "neighbors"):
            if not 0 < value < float("inf"):
                raise InvalidInput(f"{name} must be positive and finite, got {value}")
        elif value != int(value) or value < least.get(name, 0):
            raise InvalidInput(f"{name} must be a whole number of at least {least.get(name, 0)}, got {value}")
    if not numbers["out_scalars"] and not numbers["out_vectors"]:
        raise InvalidInput("a network needs something to give: out_scalars or out_vectors of 1 or more")


def check_grid(grid: OrientationGrid, dim: int, equivariance: str) -> None:
    """Raises InvalidInput for a grid that this choice cannot use."""
    if grid.dim != dim:
        raise InvalidInput(f"orientations must be of R^{dim}, as dim says, got {grid}")
    if torch.linalg.matrix_rank(grid.moment) < dim:
        raise InvalidInput(f"{grid} does not span R^{dim}, so that no vector can be read out; take more of them")
    if equivariance == "steerable" and grid.degree < 2:
        raise InvalidInput(f"{grid} cannot project onto polynomials; take a polyhedron or a product grid")
    if equivariance in ("cloud", "node") and not grid.mirrored:
        raise InvalidInput(
            f"{grid.name} has no mirror symmetry, so that the signs of a frame's axes would matter; take a "
            'polyhedron or an even circle, or equivariance="fixed"'
        )
