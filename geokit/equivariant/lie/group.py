"""What every matrix Lie group offers: products, exponentials, the decomposition g = exp(x) k, measures and samples.

Elements are plain tensors (..., size, size), elements of the algebra too; float32 or float64, any device, any leading
dimensions, which broadcast. A group itself is a small immutable object: SO(3), GLPlus(2), Affine(SL(2)), ...

The algebra is the orthogonal sum of the complement m and the algebra of the maximal compact subgroup K, and every
element is exp(x) k with exactly one x in m and k in K, smoothly (the Cartan, or polar, decomposition; Mironenco and
Forre, ICLR 2024, section 3). `decompose` gives them for every element; `log` is defined only on the image of exp.

Every method checks shapes and dtypes, which takes a microsecond or two, and raises `InvalidInput`. Values are not
checked where it would stall a GPU at every step: `check` does that, once, where data come in.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from geokit.equivariant.lie.checked import (
    check_coordinates,
    check_matrices,
    check_methods,
    check_points,
    raise_unless_side,
)
from geokit.errors import InvalidInput

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}  # of membership


class LieGroup(ABC):
    """A matrix Lie group that acts on R^n.

    n: the dimension of the space. size: of the matrices. basis: (dim, size, size), float64, orthonormal under
    tr(X' Y): first `complement_dim` matrices that span m, then those of the algebra of K. unimodular: whether left and
    right Haar measures agree.
    """

    unimodular = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_methods(cls)

    def __init__(self, n: int, complement: Tensor, compact: Tensor) -> None:
        self.n = n
        self.basis = torch.cat([complement, compact])
        self.complement_dim, self.compact_dim = len(complement), len(compact)
        self.dim, self.size = len(self.basis), self.basis.shape[-1]

    @property
    def name(self) -> str:
        """As it is written: SO(3), Affine(SL(2)), ..."""
        return f"{type(self).__name__}({self.n})"

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LieGroup) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    # Coordinates of the algebra.

    def hat(self, coordinates: Tensor) -> Tensor:
        """(..., size, size) sum_i v_i basis_i of coordinates v (..., dim)."""
        return self._span(coordinates, self.dim)

    def vee(self, algebra: Tensor) -> Tensor:
        """(..., dim) coordinates in `basis` of matrices (..., size, size), projected onto the algebra."""
        return algebra.flatten(-2) @ self._basis_like(algebra).flatten(1).T

    def complement_hat(self, coordinates: Tensor) -> Tensor:
        """(..., size, size) the elements of m with coordinates (..., complement_dim)."""
        return self._span(coordinates, self.complement_dim)

    def complement_vee(self, algebra: Tensor) -> Tensor:
        """(..., complement_dim) the first coordinates, those in m."""
        return algebra.flatten(-2) @ self._basis_like(algebra)[: self.complement_dim].flatten(1).T

    def inner(self, x: Tensor, y: Tensor) -> Tensor:
        """(...) tr(X' Y), for which `basis` is orthonormal."""
        return (x * y).sum((-2, -1))

    # The group.

    def identity(
        self, *shape: int, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
    ) -> Tensor:
        """(*shape, size, size)."""
        return torch.eye(self.size, dtype=dtype, device=device).repeat(*shape, 1, 1)

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        """(..., size, size) the product g h: first h acts, then g."""
        return g @ h

    @abstractmethod
    def inverse(self, g: Tensor) -> Tensor:
        """(..., size, size)."""

    @abstractmethod
    def exp(self, algebra: Tensor) -> Tensor:
        """(..., size, size) the exponential of elements of the algebra (..., size, size)."""

    @abstractmethod
    def log(self, g: Tensor) -> Tensor:
        """(..., size, size) the principal logarithm: eigenvalues with imaginary parts in (-pi, pi).

        Only where g has no negative eigenvalue; elsewhere (see the groups) the result is not a number. Every element
        has a `decompose`.
        """

    def conjugate(self, g: Tensor, algebra: Tensor) -> Tensor:
        """(..., size, size) g X g^-1, the adjoint action on X (..., size, size)."""
        return g @ algebra @ self.inverse(g)

    def adjoint(self, g: Tensor) -> Tensor:
        """(..., dim, dim) the matrix of X -> g X g^-1 in `basis`."""
        images = g[..., None, :, :] @ self._basis_like(g) @ self.inverse(g)[..., None, :, :]
        return self.vee(images).mT

    def bracket(self, x: Tensor, y: Tensor) -> Tensor:
        """(..., size, size) X Y - Y X."""
        return x @ y - y @ x

    def linear_part(self, g: Tensor) -> Tensor:
        """(..., n, n) what acts on differences of points."""
        return g[..., : self.n, : self.n]

    def act(self, g: Tensor, points: Tensor) -> Tensor:
        """(..., n) the images of points (..., n) under g (..., size, size); leading dimensions broadcast."""
        check_points(self, points, g.dtype)
        moved = (self.linear_part(g) @ points[..., None])[..., 0]
        return moved + g[..., : self.n, self.n] if self.size > self.n else moved

    def determinant(self, g: Tensor) -> Tensor:
        """(...) of the linear part: by how much g scales volumes, with the sign of the orientation."""
        linear = self.linear_part(g)
        if self.n == 2:
            return linear[..., 0, 0] * linear[..., 1, 1] - linear[..., 0, 1] * linear[..., 1, 0]
        return torch.linalg.det(linear)

    # The decomposition.

    @abstractmethod
    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """x in m and k in K, both (..., size, size), with g = exp(x) k. Defined and smooth for every element."""

    @abstractmethod
    def complement_exp(self, x: Tensor) -> Tensor:
        """(..., size, size) exp(x) of x in m."""

    @abstractmethod
    def compact_inverse(self, k: Tensor) -> Tensor:
        """(..., size, size) the inverse of k in K: a transpose."""

    @abstractmethod
    def compact_log(self, k: Tensor) -> Tensor:
        """(..., size, size) the logarithm of k in K, angles in (-pi, pi]."""

    @abstractmethod
    def compact_features(self, k: Tensor) -> Tensor:
        """(..., features) numbers that tell the elements of K apart and are continuous in them."""

    @abstractmethod
    def compact_sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, size, size) elements of K by its Haar measure, float64."""

    def recompose(self, x: Tensor, k: Tensor) -> Tensor:
        """(..., size, size) exp(x) k."""
        return self.compose(self.complement_exp(x), k)

    def inverse_from(self, x: Tensor, k: Tensor) -> Tensor:
        """(..., size, size) k^-1 exp(-x), the inverse of exp(x) k: nothing is divided."""
        return self.compose(self.compact_inverse(k), self.complement_exp(-x))

    def coordinates(self, g: Tensor) -> Tensor:
        """(..., dim) of x + log(k) in `basis`, where g = exp(x) k.

        Angles jump between -pi and pi: see `features`. In SO(2) the coordinate is sqrt(2) times the angle.
        """
        x, k = self.decompose(g)
        return self.vee(x + self.compact_log(k))

    def features(self, g: Tensor) -> Tensor:
        """(..., complement_dim + F) continuous coordinates: those of x in m, then n (n - 1) numbers for the rotation.

        The rotation is given by its first n - 1 columns, one after the other: (cos, sin) for n = 2 and six numbers
        for n = 3. O(n) adds the determinant.
        """
        return self.features_from(*self.decompose(g))

    def features_from(self, x: Tensor, k: Tensor) -> Tensor:
        """`features` of exp(x) k."""
        return torch.cat([self.complement_vee(x), self.compact_features(k)], dim=-1)

    # Measures.

    def modular(self, g: Tensor) -> Tensor:
        """(...) the modular function: left Haar measure scales by it under g' -> g' g. One for unimodular groups."""
        return torch.ones_like(g[..., 0, 0])

    def haar_density(self, x: Tensor, side: str = "left") -> Tensor:
        """(...) J(x) with dmu(exp(x) k) = J(x) dx dk: dx flat in orthonormal coordinates of m, dk of total mass one.

        side: "left" or "right", which differ where the group is not unimodular. J(0) = 1.
        """
        raise_unless_side(side)
        return torch.ones_like(x[..., 0, 0])

    # Random elements.

    def sample(
        self,
        count: int,
        *,
        spread: float = 0.3,
        condition: float | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """(count, size, size) random elements exp(x) k: x normal, k by the Haar measure of K.

        spread: the standard deviation of each orthonormal coordinate of x. condition: of the linear part; each x is
        stretched so that its largest and smallest singular values have this ratio. generator: a CPU generator,
        whatever the device: elements are drawn on the CPU in float64, the same ones everywhere. Raises `InvalidInput`
        for a count or spread that is negative or not finite, and for a condition that is below one, not finite, or
        not to be had by linear parts in this group.
        """
        if not (count >= 0 and 0 <= spread < math.inf):
            raise InvalidInput(f"{self}.sample needs count >= 0 and a finite spread >= 0, got {count} and {spread}")
        normal = torch.randn(count, self.complement_dim, generator=generator, dtype=torch.float64, device="cpu")
        x = self.complement_hat(spread * normal)
        if condition is not None:
            x = self.stretched(x, condition)
        return self.recompose(x, self.compact_sample(count, generator)).to(device=device, dtype=dtype)

    def stretched(self, x: Tensor, condition: float) -> Tensor:
        """x in m (..., size, size), its linear part multiplied so that exp(x) has this condition number.

        Raises `InvalidInput` where a linear part is a rotation times a number: its condition number is one.
        """
        raise InvalidInput(f"linear parts in {self} have the condition number 1; leave condition out, got {condition}")

    # Membership.

    def contains(self, g: Tensor, tolerance: float | None = None) -> Tensor:
        """(...) whether matrices (..., size, size) are elements, to a tolerance relative to the size of the linear
        part; 1e-4 in float32 and 1e-9 in float64 unless given. Raises `InvalidInput` for a wrong size or dtype."""
        if tolerance is None:
            tolerance = TOLERANCE[g.dtype]
        inside = g.isfinite().all(-1).all(-1) & (self.defect(g) <= tolerance)
        if self.size > self.n:
            last = torch.eye(self.size, dtype=g.dtype, device=g.device)[-1]
            inside = inside & ((g[..., self.n, :] - last).abs().amax(-1) <= tolerance)
        return inside

    @abstractmethod
    def defect(self, g: Tensor) -> Tensor:
        """(...) how far the linear part is from the group: 0 inside but for rounding."""

    def check(self, g: Tensor, name: str = "g", tolerance: float | None = None) -> Tensor:
        """g itself, if all of it lies in the group.

        Raises `InvalidInput` for a wrong size or dtype, and for the first element that is not finite or not in the
        group. It reads the values, and so waits for a GPU: for data that come in, not for inner loops.
        """
        check_matrices(self, g, name)
        inside = self.contains(g, tolerance)
        if bool(inside.all()):
            return g
        where = (~inside).nonzero()[0].tolist()
        matrix = g[tuple(where)]
        label = name + (f"[{', '.join(map(str, where))}]" if where else "")
        if not bool(matrix.isfinite().all()):
            raise InvalidInput(f"{label} holds values that are not finite; an element of {self} was wanted")
        raise InvalidInput(f"{label} is not in {self}: {self.complaint(matrix)}")

    @abstractmethod
    def complaint(self, matrix: Tensor) -> str:
        """What is wrong with one matrix (size, size) outside the group, and how to mend it."""

    def _basis_like(self, like: Tensor) -> Tensor:
        # A copy from the host, which a GPU does not wait for.
        return self.basis.to(device=like.device, dtype=like.dtype, non_blocking=True)

    def _span(self, coordinates: Tensor, count: int) -> Tensor:
        check_coordinates(self, coordinates, count)
        return (coordinates @ self._basis_like(coordinates)[:count].flatten(1)).unflatten(-1, (self.size, self.size))


check_methods(LieGroup)  # its own; those of other groups as their classes are made
