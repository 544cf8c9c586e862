"""Positive-definite matrices as the symmetric space GL+(n) / SO(n), or SL(n) / SO(n) with determinant one."""

import math

import torch
from torch import Tensor

from geokit.equivariant.lie import quotients
from geokit.equivariant.lie.bases import symmetric_basis, traceless_basis
from geokit.equivariant.lie.general_linear import eigenvalues, traceless
from geokit.equivariant.lie.polar import polar
from geokit.equivariant.lie.special_linear import SL
from geokit.equivariant.lie.symmetric import symmetric_exp, symmetric_functions, symmetric_log
from geokit.errors import InvalidInput


class SPD:
    """Positive-definite matrices S (..., n, n), n >= 1; with `unit_determinant` (n >= 2) those of determinant one.

    A symmetric space and not a group: a product of two of them is not symmetric. So it is no `LieGroup`, and has no
    compose, inverse or decompose; layers that ask for a group take GL+(n). That group acts by g . S = g S g', and
    K = SO(n) keeps the identity, so that S = g g' stands for the coset g K. The metric is the affine-invariant one,
    which this action preserves (Pennec, Fillard and Ayache, "A Riemannian Framework for Tensor Computing", IJCV 2006).

    basis: (dim, n, n), float64, of the symmetric (traceless) matrices, orthonormal under tr(X' Y).
    """

    def __init__(self, n: int, unit_determinant: bool = False) -> None:
        if n < (2 if unit_determinant else 1):
            raise InvalidInput(f"SPD(n) needs n >= 1, and n >= 2 with determinant one; got n = {n}")
        self.n, self.unit_determinant = n, unit_determinant
        self.basis = traceless_basis(n) if unit_determinant else symmetric_basis(n)
        self.dim = len(self.basis)

    def __repr__(self) -> str:
        return f"SPD({self.n}, unit_determinant=True)" if self.unit_determinant else f"SPD({self.n})"

    def hat(self, coordinates: Tensor) -> Tensor:
        """(..., n, n) symmetric matrices of coordinates (..., dim) in `basis`."""
        return (coordinates @ self.basis.to(coordinates).flatten(1)).unflatten(-1, (self.n, self.n))

    def vee(self, tangent: Tensor) -> Tensor:
        """(..., dim) coordinates in `basis` of symmetric matrices (..., n, n)."""
        return tangent.flatten(-2) @ self.basis.to(tangent).flatten(1).T

    def exp(self, tangent: Tensor) -> Tensor:
        """(..., n, n) the exponential of symmetric matrices X (..., n, n): the geodesics exp(t X) from the identity."""
        return symmetric_exp(tangent)

    def log(self, s: Tensor) -> Tensor:
        """(..., n, n) the symmetric X with exp(X) = S; traceless with determinant one."""
        x = symmetric_log(s)
        return traceless(x) if self.unit_determinant else x

    def act(self, g: Tensor, s: Tensor) -> Tensor:
        """(..., n, n) g S g' of g in GL+(n), or SL(n)."""
        moved = g @ s @ g.mT
        return 0.5 * (moved + moved.mT)

    def coset(self, g: Tensor) -> Tensor:
        """(..., n, n) g g', the image of the identity under g (..., n, n), as exp(2 x) of g = exp(x) k."""
        return self.exp(2 * polar(g)[0])

    def distance(self, s: Tensor, t: Tensor) -> Tensor:
        """(...) |log(S^-1/2 T S^-1/2)| (Frobenius), the same for g . S and g . T. Its gradient at distance zero is
        zero."""
        return torch.linalg.matrix_norm(self._seen_from(s, t)[1])

    def geodesic(self, s: Tensor, t: Tensor, part: Tensor | float) -> Tensor:
        """(..., n, n) the point at `part` (...) of the way from S (0) to T (1); 1/2 is their geometric mean."""
        root, x = self._seen_from(s, t)
        moved = root @ symmetric_exp(torch.as_tensor(part, dtype=s.dtype, device=s.device)[..., None, None] * x) @ root
        return 0.5 * (moved + moved.mT)

    def measure_density(self, tangent: Tensor) -> Tensor:
        """(...) J(X) with dmu(exp X) = J(X) dX: prod_{i < j} sinh(d_ij / 2) / (d_ij / 2), d_ij differences of the
        eigenvalues of X = log S, dX flat in `basis`. The measure is invariant, and proportional to
        det(S)^(-(n + 1) / 2) dS (Terras, "Harmonic Analysis on Symmetric Spaces", 1988, volume 2, section 4.1)."""
        values = eigenvalues(0.5 * tangent)
        i, j = torch.triu_indices(self.n, self.n, 1, device=tangent.device)
        return quotients.exp_pair(tangent.new_zeros(()), (values[..., i] - values[..., j]).square())[1].prod(-1)

    def sample(
        self,
        count: int,
        *,
        spread: float = 0.3,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """(count, n, n) exp(X), the coordinates of X normal with standard deviation `spread`. Raises `InvalidInput` for
        a count or spread that is negative or not finite. generator: a CPU generator."""
        if not (count >= 0 and 0 <= spread < math.inf):
            raise InvalidInput(f"{self}.sample needs count >= 0 and a finite spread >= 0, got {count} and {spread}")
        normal = torch.randn(count, self.dim, generator=generator, dtype=torch.float64, device="cpu")
        return self.exp(self.hat(spread * normal)).to(device=device, dtype=dtype)

    def check(self, s: Tensor, name: str = "s", tolerance: float = 1e-4) -> Tensor:
        """s itself, if all of it is positive definite; symmetric, and of determinant one, to a relative tolerance.

        Raises `InvalidInput` for a wrong size, and for the first matrix that is not.
        """
        if s.shape[-2:] != (self.n, self.n) or s.dtype not in (torch.float32, torch.float64):
            raise InvalidInput(
                f"{name} is {s.dtype} of shape {tuple(s.shape)}; elements of {self} are float32 or float64 of shape "
                f"(..., {self.n}, {self.n})"
            )
        size = torch.linalg.matrix_norm(s)[..., None, None]
        failed = torch.linalg.cholesky_ex(0.5 * (s + s.mT))[1]
        requirements = [
            (s.isfinite().all(-1).all(-1), "it holds values that are not finite"),
            (((s - s.mT).abs() <= tolerance * size).all(-1).all(-1), "it is not symmetric; take (S + S') / 2"),
            (failed == 0, "it has an eigenvalue that is zero or negative; add a multiple of the identity"),
        ]
        if self.unit_determinant:
            unit = SL(self.n).defect(s) <= tolerance
            requirements += [(unit, "its determinant is not 1; divide it by the n-th root of that")]
        inside = torch.stack([met for met, _ in requirements])
        if not bool(inside.all()):
            where = tuple((~inside.all(0)).nonzero()[0].tolist())
            reason = next(sentence for met, sentence in requirements if not bool(met[where]))
            label = name + (f"[{', '.join(map(str, where))}]" if where else "")
            raise InvalidInput(f"{label} is not in {self}: {reason}")
        return s

    def _seen_from(self, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """S^1/2 and log(S^-1/2 T S^-1/2)."""
        root, inverse = symmetric_functions(s, "sqrt", "rsqrt")
        return root, symmetric_log(inverse @ t @ inverse)
