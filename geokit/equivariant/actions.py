"""How elements of a group of matrices act on tensors: points, vectors, covectors, matrices, images, by name."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from geokit.equivariant.image_action import image_action
from geokit.errors import InvalidInput

Action = Callable[[Tensor, Tensor], Tensor]


class Group(Protocol):
    """What random elements are asked of: the groups of `geokit.equivariant.lie`, or a class of one's own."""

    def sample(self, count: int, *, generator: torch.Generator | None = None) -> Tensor:
        """(count, ...) random elements."""
        ...

    def act(self, g: Tensor, points: Tensor) -> Tensor:
        """The points (..., n) that an element carries points (..., n) to."""
        ...


def linear_part(element: Tensor, n: int) -> Tensor:
    """The (n, n) matrix of an element (n, n), or the linear part of a homogeneous one (n + 1, n + 1).

    Raises InvalidInput for other shapes.
    """
    if element.shape[-2:] not in ((n, n), (n + 1, n + 1)):
        raise InvalidInput(
            f"an element that acts on R^{n} must be ({n}, {n}) or homogeneous ({n + 1}, {n + 1}), got "
            f"{tuple(element.shape)}; the last axis of the tensor it acts on says what n is"
        )
    return element[..., :n, :n]


def act_on_vectors(element: Tensor, vectors: Tensor) -> Tensor:
    """A v for vectors (..., n): differences of points, velocities, forces."""
    return vectors @ linear_part(element, vectors.shape[-1]).to(vectors).mT


def act_on_covectors(element: Tensor, covectors: Tensor) -> Tensor:
    """A^-T v for covectors (..., n): gradients of functions of points. Vectors, for rotations."""
    return covectors @ torch.linalg.inv(linear_part(element, covectors.shape[-1])).to(covectors)


def act_on_matrices(element: Tensor, matrices: Tensor) -> Tensor:
    """A S A^T for matrices (..., n, n): covariances, inertia tensors, products of two vectors."""
    part = linear_part(element, matrices.shape[-1]).to(matrices)
    return part @ matrices @ part.mT


def unchanged(element: Tensor, tensor: Tensor) -> Tensor:
    """The trivial action."""
    return tensor


def action_of(action: str | Action, group: Group) -> Action:
    """An action by its name, or itself. Raises InvalidInput for a name that there is not."""
    if callable(action):
        return action
    if action == "points":
        return lambda element, points: group.act(element.to(points), points)
    named: dict[str, Action] = {
        "invariant": unchanged,
        "vectors": act_on_vectors,
        "covectors": act_on_covectors,
        "matrices": act_on_matrices,
        "image": image_action,
    }
    if action not in named:
        raise InvalidInput(f"an action is a callable or one of points, {', '.join(named)}, got {action!r}")
    return named[action]
