"""Affine(G) = R^n x| G: a linear map of the group G, then a translation."""

import torch
from torch import Tensor

from geokit.equivariant.lie.checked import raise_unless_side
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.linear import LinearGroup


class Affine(LieGroup):
    """x -> A x + b with A in a linear group G, as homogeneous matrices [[A, b], [0, 1]] of n + 1 rows.

    basis: the n translations, then m of G, then the rotations. The complement consists of [[X, u], [0, 0]] with X in m
    of G: exp of it is [[exp(X), phi1(X) u], [0, 1]] with phi1(X) = (exp(X) - 1) / X positive definite, so that with
    A = exp(X) k and u = phi1(X)^-1 b the decomposition is as global and smooth as that of G.

    Not unimodular unless all determinants in G are 1 or -1: left Haar measure is db dA / |det A|, right Haar measure
    db dA, with the Haar measure dA of G.
    """

    def __init__(self, linear: LinearGroup) -> None:
        self.linear = linear
        n = linear.n
        translations = torch.zeros(n, n + 1, n + 1, dtype=torch.float64, device="cpu")
        translations[range(n), range(n), n] = 1.0
        embedded = torch.nn.functional.pad(linear.basis, (0, 1, 0, 1))
        split = linear.complement_dim
        super().__init__(n, torch.cat([translations, embedded[:split]]), embedded[split:])
        self.unimodular = linear.volume_preserving

    @property
    def name(self) -> str:
        """Affine(G)."""
        return f"Affine({self.linear})"

    def __eq__(self, other: object) -> bool:
        # By what they consist of: SE(n) is Affine(SO(n)), Sim(n) is Affine(CSO(n)).
        return isinstance(other, Affine) and self.linear == other.linear

    def __hash__(self) -> int:
        return hash(("Affine", self.linear))

    def from_parts(self, linear: Tensor, translation: Tensor) -> Tensor:
        """(..., n + 1, n + 1) elements of A (..., n, n) in G and b (..., n)."""
        return homogeneous(linear, translation, 1.0)

    def parts(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """A (..., n, n) and b (..., n) of elements, or X and u of elements of the algebra."""
        return g[..., : self.n, : self.n], g[..., : self.n, self.n]

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        """(..., n + 1, n + 1) g h: first h acts, then g."""
        (a, b), (c, d) = self.parts(g), self.parts(h)
        return homogeneous(self.linear.compose(a, c), apply(a, d) + b, 1.0)

    def inverse(self, g: Tensor) -> Tensor:
        """(..., n + 1, n + 1) [[A^-1, -A^-1 b], [0, 1]]."""
        a, b = self.parts(g)
        inverse = self.linear.inverse(a)
        return homogeneous(inverse, -apply(inverse, b), 1.0)

    def exp(self, algebra: Tensor) -> Tensor:
        """(..., n + 1, n + 1) of [[X, u], [0, 0]]."""
        x, u = self.parts(algebra)
        # Linear in u, whose size must not drive the scaling by squares.
        size = u.detach().abs().amax(-1, keepdim=True).clamp_min(1.0) if u.numel() else torch.ones_like(u[..., :1])
        result = torch.linalg.matrix_exp(homogeneous(x, u / size, 0.0))
        return homogeneous(self.linear.exp(x), size * self.parts(result)[1], 1.0)

    def log(self, g: Tensor) -> Tensor:
        """(..., n + 1, n + 1) [[X, u], [0, 0]] with X the principal logarithm of A and phi1(X) u = b; where A has a
        logarithm."""
        a, b = self.parts(g)
        x = self.linear.log(a)
        return homogeneous(x, torch.linalg.solve_ex(general_phi1(x), b[..., None])[0][..., 0], 0.0)

    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """[[X, u], [0, 0]] and [[k, 0], [0, 1]] with A = exp(X) k and u = phi1(X)^-1 b."""
        a, b = self.parts(g)
        x, k = self.linear.decompose(a)
        u = apply(self.linear.phi1_inverse(x), b)
        return homogeneous(x, u, 0.0), homogeneous(k, torch.zeros_like(u), 1.0)

    def complement_exp(self, x: Tensor) -> Tensor:
        """(..., n + 1, n + 1) [[exp(X), phi1(X) u], [0, 1]]."""
        symmetric, u = self.parts(x)
        exp, phi1 = self.linear.phi1(symmetric)
        return homogeneous(exp, apply(phi1, u), 1.0)

    def recompose(self, x: Tensor, k: Tensor) -> Tensor:
        """(..., n + 1, n + 1) [[exp(X) k, phi1(X) u], [0, 1]]."""
        symmetric, u = self.parts(x)
        exp, phi1 = self.linear.phi1(symmetric)
        return homogeneous(self.linear.compose(exp, self.parts(k)[0]), apply(phi1, u), 1.0)

    def compact_inverse(self, k: Tensor) -> Tensor:
        """(..., n + 1, n + 1) the transpose."""
        return k.mT

    def compact_log(self, k: Tensor) -> Tensor:
        """(..., n + 1, n + 1)."""
        rotation, translation = self.parts(k)
        return homogeneous(self.linear.compact_log(rotation), translation, 0.0)

    def compact_features(self, k: Tensor) -> Tensor:
        """As in G."""
        return self.linear.compact_features(self.parts(k)[0])

    def compact_sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, n + 1, n + 1), float64."""
        rotations = self.linear.compact_sample(count, generator)
        return homogeneous(rotations, rotations.new_zeros(count, self.n), 1.0)

    def modular(self, g: Tensor) -> Tensor:
        """(...) 1 / |det A|."""
        return 1 / self.determinant(g).abs()

    def haar_density(self, x: Tensor, side: str = "left") -> Tensor:
        """(...) J_G(X) det phi1(X) on the right, times exp(-tr X) = 1 / |det A| on the left."""
        raise_unless_side(side)
        symmetric, _ = self.parts(x)
        # The factor for the left turns phi1(X) into phi1(-X).
        signed = -symmetric if side == "left" else symmetric
        return self.linear.haar_density(symmetric) * self.linear.phi1_determinant(signed)

    def stretched(self, x: Tensor, condition: float) -> Tensor:
        """x with its linear part stretched as in G."""
        symmetric, u = self.parts(x)
        return homogeneous(self.linear.stretched(symmetric, condition), u, 0.0)

    def defect(self, g: Tensor) -> Tensor:
        """(...) that of the linear part in G."""
        return self.linear.defect(self.parts(g)[0])

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        last = matrix[-1].tolist()
        if any(abs(got - want) > 1e-6 for got, want in zip(last, [0.0] * self.n + [1.0])):
            return f"its last row is {last}, (0, ..., 0, 1) was wanted; build it with from_parts"
        return f"of its linear part: {self.linear.complaint(self.parts(matrix)[0])}"


def homogeneous(linear: Tensor, column: Tensor, corner: float) -> Tensor:
    """(..., n + 1, n + 1) [[linear, column], [0, corner]] of (..., n, n) and (..., n), which broadcast."""
    shape = torch.broadcast_shapes(linear.shape[:-1], column.shape)
    top = torch.cat([linear.expand(*shape, shape[-1]), column.expand(shape)[..., None]], dim=-1)
    last = top.new_zeros(shape[-1] + 1)
    last[-1] = corner
    return torch.cat([top, last.expand(*shape[:-1], 1, shape[-1] + 1)], dim=-2)


def apply(matrices: Tensor, vectors: Tensor) -> Tensor:
    """(..., n) of (..., n, n) and (..., n); leading dimensions broadcast."""
    return (matrices * vectors[..., None, :]).sum(-1)


def general_phi1(x: Tensor) -> Tensor:
    """(..., n, n) sum_k X^k / (k + 1)! of any X (..., n, n): the corner of exp([[X, 1], [0, 0]])."""
    n = x.shape[-1]
    one = torch.eye(n, dtype=x.dtype, device=x.device).expand(x.shape)
    return torch.linalg.matrix_exp(torch.nn.functional.pad(torch.cat([x, one], dim=-1), (0, 0, 0, n)))[..., :n, n:]
