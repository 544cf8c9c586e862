"""Principal curvatures and their directions at the vertices of a triangle mesh."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.gradients import vertex_gradients


@dataclass(frozen=True)
class PrincipalCurvatures:
    """How a surface bends at its N vertices. float64.

    values: (N, 2), the larger first, 1 / length, positive where the surface bends away from its outward normal, as on
    a ball. directions: (N, 2, 3), unit tangent vectors, of either sign, along which it bends so. normals: (N, 3).
    """

    values: Tensor
    directions: Tensor
    normals: Tensor

    @property
    def shape_index(self) -> Tensor:
        """(N,) in [-1, 1]: -1 a cup, -1/2 a rut, 0 a saddle, 1/2 a ridge, 1 a cap (Koenderink and van Doorn 1992).

        0 where the surface is flat.
        """
        larger, smaller = self.values.unbind(1)
        return 2 / torch.pi * torch.atan2(larger + smaller, larger - smaller)


def principal_curvatures(mesh: Mesh) -> PrincipalCurvatures:
    """How the normal turns when one walks along the surface: the eigenpairs of the shape operator.

    That is the gradient of the vertices' normals in the tangent plane (`vertex_gradients`), made symmetric. Zero where
    nothing tells a gradient (isolated vertices, edges without length); there the directions are those of the frame.
    """
    gradients = vertex_gradients(mesh)
    turning = torch.einsum("ndc,ned->nec", gradients(gradients.normals), gradients.frames)
    values, axes = torch.linalg.eigh((turning + turning.transpose(1, 2)) / 2)
    directions = torch.einsum("nek,ned->nkd", axes, gradients.frames)
    return PrincipalCurvatures(values.flip(1), directions.flip(1), gradients.normals)
