"""Continuous representations of rotations for networks to put out.

Zhou, Barnes, Lu, Yang and Li, "On the Continuity of Rotation Representations in Neural Networks", CVPR 2019: no
representation of SO(3) by fewer than five numbers has a continuous inverse; quaternions and angles make a network
learn a jump. Their sections 4.1 and 4.2: n - 1 columns and the Gram-Schmidt process (6D for n = 3), and the same with
stereographic projections that take off one number each (5D for n = 3).
"""

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.rotations.series import check_batch


def gram_schmidt(columns: Tensor) -> Tensor:
    """(..., n, n) rotations from n - 1 columns (..., n, n - 1), n >= 2.

    Each column, less its part along those before it, is normalised; the last column is the one that makes the
    determinant 1 (for n = 3 the cross product). A column that is zero, or depends on those before it, is replaced by
    the coordinate axis that is farthest from their span, and takes no gradient.
    """
    check_batch("columns", columns, ("n", "m"))
    n = columns.shape[-2]
    if n < 2 or columns.shape[-1] != n - 1:
        raise InvalidInput(f"columns must have shape (..., n, n - 1) with n >= 2, got {tuple(columns.shape)}")
    basis: list[Tensor] = []
    for number in range(n - 1):
        basis.append(_next_column(columns[..., number], basis))
    if n == 3:
        basis.append(torch.linalg.cross(basis[0], basis[1]))
    else:
        last = _farthest_axis(basis)
        sign = torch.linalg.det(torch.stack([*basis, last], dim=-1).detach()).sign()
        basis.append(last * sign[..., None])
    return torch.stack(basis, dim=-1)


def _next_column(vector: Tensor, basis: list[Tensor]) -> Tensor:
    """The unit vector along `vector` less its part in the span of `basis`, or a free axis where that is nothing."""
    size = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    rest = _orthogonal_to(vector, basis)
    length = torch.linalg.vector_norm(rest, dim=-1, keepdim=True)
    precision = torch.finfo(vector.dtype)
    # Below the first bound the direction is rounding; below the second its derivative overflows.
    spent = ((length <= 8 * precision.eps * size) & bool(basis)) | (length < precision.tiny**0.5 * 16)
    unit = rest / torch.where(spent, torch.ones_like(length), length)
    if basis:
        # Once more: what was cut off may be far larger than what is left.
        unit = _orthogonal_to(unit, basis)
        unit = unit / torch.where(spent, 1.0, torch.linalg.vector_norm(unit, dim=-1, keepdim=True))
        axis = _farthest_axis(basis)
    else:
        axis = torch.zeros_like(vector)
        axis[..., 0] = 1
    return torch.where(spent, axis, unit)


def _orthogonal_to(vector: Tensor, basis: list[Tensor]) -> Tensor:
    for unit in basis:
        vector = vector - (unit * vector).sum(-1, keepdim=True) * unit
    return vector


def _farthest_axis(basis: list[Tensor]) -> Tensor:
    """The unit vector orthogonal to `basis` nearest to a coordinate axis; its gradient reaches the basis."""
    inside = torch.stack(basis, dim=-1).detach().square().sum(-1)
    axis = torch.nn.functional.one_hot(inside.argmin(-1), inside.shape[-1]).to(inside)
    for _ in range(2):
        rest = _orthogonal_to(axis, basis)
        axis = rest / torch.linalg.vector_norm(rest, dim=-1, keepdim=True)
    return axis


def matrix_from_rotation_6d(vectors: Tensor) -> Tensor:
    """(..., 3, 3) rotations from (..., 6): the first two columns, one after the other, not yet orthonormal."""
    check_batch("vectors", vectors, (6,))
    return gram_schmidt(vectors.unflatten(-1, (2, 3)).mT)


def rotation_6d_from_matrix(matrices: Tensor) -> Tensor:
    """(..., 6) the first two columns of rotation matrices (..., 3, 3), one after the other."""
    check_batch("matrices", matrices, (3, 3))
    return matrices[..., :2].mT.flatten(-2)


def normalized_projection(vectors: Tensor) -> Tensor:
    """(..., m - 1) the stereographic projection from (1, 0, ..., 0) of vectors (..., m), normalised first.

    With v = u / |u|: (v_2, ..., v_m) / (1 - v_1). The positive first axis goes to infinity, and is not caught.
    """
    check_batch("vectors", vectors, ("m",))
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    first, rest = vectors[..., :1], vectors[..., 1:]
    # 1 / (|u| - u_1) = (|u| + u_1) / |rest|^2: where u_1 > 0 the difference would cancel.
    ahead = first > 0
    square = rest.square().sum(-1, keepdim=True)
    factor = torch.where(ahead, length + first, torch.ones_like(first)) / torch.where(ahead, square, length - first)
    return rest * factor


def stereographic_unprojection(vectors: Tensor) -> Tensor:
    """(..., m) of vectors (..., m - 1): ((|u|^2 - 1) / 2, u_1, ..., u_{m-1}) / |u|.

    Not onto the sphere: entries 2 to m form a unit vector, so that this undoes `normalized_projection` of any vector
    whose entries 2 to m have length one. Zero goes to (0, 1, 0, ..., 0), and takes no gradient.
    """
    check_batch("vectors", vectors, ("m",))
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    spent = length < torch.finfo(vectors.dtype).tiny ** 0.25
    safe = torch.where(spent, torch.ones_like(length), length)
    axis = torch.zeros_like(vectors)
    axis[..., 0] = 1
    direction = torch.where(spent, axis, vectors / safe)
    return torch.cat([0.5 * (safe - 1 / safe), direction], dim=-1)


def reduced_from_matrix(matrices: Tensor, projections: int = 1) -> Tensor:
    """(..., n^2 - n - k) of rotations (..., n, n), n >= 3: the first n - 1 columns less k = `projections` numbers.

    The last k columns each take one entry of what stands before them along, and lose it to `normalized_projection`.
    With k = 1, (gamma_1, ..., gamma_{n^2-2n-1}, P(gamma_{n^2-2n}, ...)), gamma being the columns one after the other:
    the paper's case. Raises `InvalidInput` unless 1 <= k <= n - 2.
    """
    check_batch("matrices", matrices, ("n", "n"))
    n, kept = matrices.shape[-1], _kept(matrices.shape[-1], projections)
    gamma = matrices[..., : n - 1].mT.flatten(-2)
    parts = [gamma[..., : kept - projections]]
    for number in range(projections):
        lone = gamma[..., kept - projections + number, None]
        column = gamma[..., kept + number * n : kept + (number + 1) * n]
        parts.append(normalized_projection(torch.cat([lone, column], dim=-1)))
    return torch.cat(parts, dim=-1)


def matrix_from_reduced(vectors: Tensor, n: int, projections: int = 1) -> Tensor:
    """(..., n, n) rotations from (..., n^2 - n - k) numbers, k = `projections`: the inverse of `reduced_from_matrix`.

    Any vector gives a rotation; degenerate columns are replaced as in `gram_schmidt`. Raises `InvalidInput` unless
    n >= 3 and 1 <= k <= n - 2.
    """
    kept = _kept(n, projections)
    check_batch("vectors", vectors, (n * n - n - projections,))
    free, projected = vectors[..., : kept - projections], vectors[..., kept - projections :]
    restored = stereographic_unprojection(projected.unflatten(-1, (projections, n)))
    gamma = torch.cat([free, restored[..., 0], restored[..., 1:].flatten(-2)], dim=-1)
    return gram_schmidt(gamma.unflatten(-1, (n - 1, n)).mT)


def _kept(n: int, projections: int) -> int:
    """How many of the n^2 - n entries are in columns that are not projected."""
    if n < 3 or not 1 <= projections <= n - 2:
        raise InvalidInput(
            f"between 1 and n - 2 numbers can be taken off the columns of SO(n), n >= 3; got {projections} for n = {n}"
        )
    return n * (n - 1 - projections)


def matrix_from_rotation_5d(vectors: Tensor) -> Tensor:
    """(..., 3, 3) rotations from (..., 5): two entries of the first column, then three that hold the rest."""
    return matrix_from_reduced(vectors, 3)


def rotation_5d_from_matrix(matrices: Tensor) -> Tensor:
    """(..., 5) of rotation matrices (..., 3, 3)."""
    check_batch("matrices", matrices, (3, 3))
    return reduced_from_matrix(matrices)
