"""What two points of R^n, R^n x S^(n-1) or SE(3) have in common with every moved copy of themselves.

A network whose messages depend on these numbers only is equivariant, and it is as expressive as can be where they
*separate*: two pairs have the same numbers just when an element of the group carries one onto the other.

For vectors r = p_j - p_i, o_i, o_j the group O(n) acts on all three at once. Their Gram matrix separates (two sets of
vectors with the same Gram matrix differ by an orthogonal map), and for rotations alone the determinants of n of them
tell a set from its mirror image. With |o_i| = |o_j| = 1 the Gram matrix is (|r|, r.o_i, r.o_j, o_i.o_j).

The three numbers (r.o_i, |r - (r.o_i) o_i|, o_i.o_j) of Bekkers et al., "Fast, Expressive SE(n) Equivariant Networks
through Weight-Sharing in Position-Orientation Space" (ICLR 2024), lack r.o_j: they do not separate pairs of R^3 x S^2
that differ in how o_j turns about o_i. They are what a *separable* convolution needs, whose spatial half sees (r,
o_i) and whose spherical half sees (o_i, o_j): `separable_invariants`.
"""

import torch
from torch import Tensor

from geokit.errors import InvalidInput

SPACES = ("R2", "R3", "R2xS1", "R3xS2", "SE3")


def pair_invariants(
    space: str, group: str, displacement: Tensor, receiver: Tensor | None = None, sender: Tensor | None = None
) -> Tensor:
    """Numbers (..., D) that separate the orbits of pairs of points of `space` under `group`, "E" or "SE" of that
    dimension.

    displacement (..., n) is p_j - p_i. `receiver` and `sender` are the orientations of point i and j: unit vectors
    (..., n) for R2xS1 and R3xS2, rotation matrices (..., 3, 3) for SE3, nothing for R2 and R3.

    | space | group | numbers |
    |---|---|---|
    | R2, R3 | E, SE | |r| |
    | R2xS1, R3xS2 | E | |r|, r.o_i, r.o_j, o_i.o_j |
    | R2xS1 | SE | r.o_i, r.o_i', o_i.o_j, o_i'.o_j with o' a quarter turn ahead of o |
    | R3xS2 | SE | the four of E and det(r, o_i, o_j) |
    | SE3 | SE | R_i^T r and R_i^T R_j, 12 numbers |

    Raises InvalidInput for another space or group, orientations that are missing or of the wrong shape.
    """
    if space not in SPACES or group not in ("E", "SE") or (space, group) == ("SE3", "E"):
        raise InvalidInput(
            f"space must be one of {', '.join(SPACES)} and group E or SE (SE for SE3), got {space} and {group}"
        )
    dim = 2 if space.startswith("R2") else 3
    _check(displacement, (dim,), "displacement")
    if space in ("R2", "R3"):
        return length(displacement)[..., None]
    shape = (3, 3) if space == "SE3" else (dim,)
    if receiver is None or sender is None:
        raise InvalidInput(f"points of {space} have orientations: give those of the receiver and the sender")
    _check(receiver, shape, "receiver")
    _check(sender, shape, "sender")
    if space == "SE3":
        back = receiver.transpose(-1, -2)
        return torch.cat([(back @ displacement[..., None])[..., 0], (back @ sender).flatten(-2)], -1)
    if space == "R2xS1" and group == "SE":
        ahead = quarter_turn(receiver)
        return torch.stack([_dot(a, b) for b in (displacement, sender) for a in (receiver, ahead)], -1)
    gram = [length(displacement), _dot(displacement, receiver), _dot(displacement, sender), _dot(receiver, sender)]
    if group == "SE":
        gram.append(_dot(torch.linalg.cross(displacement, receiver), sender))
    return torch.stack(gram, -1)


def separable_invariants(displacement: Tensor, orientation: Tensor, group: str = "E") -> Tensor:
    """(r.o, |r - (r.o) o|), (..., 2): the orbits of a displacement and one orientation, unit vector, of the same
    shape (..., n).

    In the plane under "SE" the second number is r.o', signed, with o' a quarter turn ahead of o.
    """
    along = _dot(displacement, orientation)
    if displacement.shape[-1] == 2:
        across = _dot(displacement, quarter_turn(orientation))
        return torch.stack([along, across if group == "SE" else across.abs()], -1)
    return torch.stack([along, length(displacement - along[..., None] * orientation)], -1)


def quarter_turn(vectors: Tensor) -> Tensor:
    """Vectors of the plane (..., 2) turned by 90 degrees counter-clockwise."""
    return torch.stack([-vectors[..., 1], vectors[..., 0]], -1)


def length(vectors: Tensor) -> Tensor:
    """(...) of vectors (..., n), with derivatives 0 at 0."""
    squared = (vectors**2).sum(-1)
    some = squared > 0
    return torch.where(some, torch.where(some, squared, 1).sqrt(), 0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1)


def _check(values: Tensor, shape: tuple[int, ...], name: str) -> None:
    if tuple(values.shape[-len(shape) :]) != shape:
        raise InvalidInput(f"{name} must end in the dimensions {shape}, got a tensor of shape {tuple(values.shape)}")
