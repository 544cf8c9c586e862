"""Maps between shapes refined beyond ZoomOut: shape 2 is bent onto shape 1."""

from torch import Tensor

from geokit.errors import InvalidInput
from geokit.spectral.conversions import check_point_to_point
from geokit.spectral.elastic import ElasticMatcher
from geokit.spectral.shape import SpectralShape


def refine(p2p_21: Tensor, shape1: SpectralShape, shape2: SpectralShape, *, count: int = 150) -> tuple[Tensor, Tensor]:
    """A better C_12 (count, count) and p2p_21 (N2,) than the given p2p_21, say of ZoomOut (`ElasticMatcher`).

    Where eigenfunctions leave stretched limbs undecided, places, normals and the looks of the surface decide.
    Raises `InvalidInput` for a map that does not fit the shapes, for shapes without faces and for fewer than `count`
    eigenfunctions.
    """
    for number, shape in ((1, shape1), (2, shape2)):
        if not len(shape.mesh):
            raise InvalidInput(f"shape {number} has no faces, but bending needs them; make a surface with geokit mesh")
    check_point_to_point("p2p_21", p2p_21, len(shape2), len(shape1))
    if count > min(len(shape1.basis), len(shape2.basis)):
        raise InvalidInput(
            f"count is {count}, but the shapes have {len(shape1.basis)} and {len(shape2.basis)} eigenfunctions; "
            "prepare them with more"
        )
    return ElasticMatcher(shape1, shape2, count).refine(p2p_21)[:2]
