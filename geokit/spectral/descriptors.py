"""Heat and wave kernel signatures: what diffusion and quantum particles tell of every vertex.

All are sums over eigenpairs of a filter of the eigenvalue times products of eigenfunctions, so that neither the signs
of the eigenfunctions nor rotations among those with one eigenvalue change them, and isometric shapes share them.
Those with automatic times or energies are taken at times (energies) that follow the shape's own spectrum.
"""

import math

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.spectral.eigen import Eigenbasis

_CONSTANT = 1e-8  # eigenvalues below this part of the largest belong to functions that are constant on each piece


def heat_kernel_signature(
    basis: Eigenbasis,
    count: int = 100,
    landmarks: Tensor | None = None,
    scaled: bool = True,
    *,
    times: Tensor | None = None,
) -> Tensor:
    """(N, T) heat that remains at each vertex after each time (Sun, Ovsjanikov and Guibas 2009), 1 / area.

    Sum_k exp(-lambda_k t) phi_k(x)^2 at `count` automatic times (`heat_times`) or at `times` (T,), squared lengths.
    scaled: divided by the sum of the filter, the heat trace, so that every time has the mean 1 / area.
    landmarks: (P,) int64 vertices, or (N, P) functions such as parts (a part is 1 on it and 0 elsewhere); then the
    heat that reaches each vertex from each of them, (N, P * T), all times of the first landmark first.
    Differentiable by eigenvalues, eigenvectors and times. Raises `InvalidInput` for a basis without a function that
    varies, and landmarks out of range.
    """
    times = heat_times(basis, count) if times is None else times
    check_tensor("times", times, ("T",), FLOATS)
    filters = torch.exp(-times[:, None].to(basis.eigenvalues) * basis.eigenvalues.clamp(min=0))
    # Beside the constant function's 1 these are nothing; products with them would be slow subnormal numbers.
    return filter_signature(basis, torch.where(filters > 1e-30, filters, 0), landmarks, scaled)


def wave_kernel_signature(
    basis: Eigenbasis,
    count: int = 100,
    landmarks: Tensor | None = None,
    scaled: bool = True,
    *,
    energies: Tensor | None = None,
    width: float | None = None,
) -> Tensor:
    """(N, E) presence of particles of each energy at each vertex (Aubry, Schlickewei and Cremers 2011), 1 / area.

    Sum_k exp(-(e - log lambda_k)^2 / (2 width^2)) phi_k(x)^2 without the constant functions, at `count` automatic
    energies (`wave_energies`), or at `energies` (E,), logarithms of eigenvalues, of standard deviation `width`.
    scaled: divided by the sum of the filter. landmarks, gradients and errors as in `heat_kernel_signature`.
    """
    if energies is None:
        energies, automatic = wave_energies(basis, count)
        width = automatic if width is None else width
    check_tensor("energies", energies, ("E",), FLOATS)
    if width is None or not 0 < width < math.inf:
        raise InvalidInput(f"width must be a positive number beside given energies, got {width}")
    varying = _varying(basis)
    logs = torch.log(torch.where(varying, basis.eigenvalues, 1))
    filters = torch.exp(-(energies[:, None].to(logs) - logs).square() / (2 * width**2))
    return filter_signature(basis, torch.where(varying, filters, 0), landmarks, scaled)


def filter_signature(basis: Eigenbasis, filters: Tensor, landmarks: Tensor | None, scaled: bool) -> Tensor:
    """(N, T) or (N, P * T) the signature of any filters (T, K) of the eigenvalues; the rest as above."""
    check_tensor("filters", filters, ("T", len(basis)), FLOATS)
    if scaled:
        filters = filters / filters.sum(1, keepdim=True).clamp_min(torch.finfo(filters.dtype).tiny)
    vectors = basis.eigenvectors
    if landmarks is None:
        return vectors.square() @ filters.T
    if landmarks.dtype == torch.int64:
        check_tensor("landmarks", landmarks, ("P",))
        low, high = (int(value) for value in landmarks.aminmax()) if len(landmarks) else (0, 0)
        if low < 0 or high >= len(vectors):
            raise InvalidInput(f"landmarks reach from {low} to {high}; want vertices, 0 to {len(vectors) - 1}")
        sources = vectors[landmarks].T
    else:
        check_tensor("landmarks", landmarks, (len(vectors), "P"), FLOATS, finite=True)
        sources = basis.project(landmarks.to(vectors))
    return vectors @ (sources[:, :, None] * filters.T[:, None, :]).flatten(1)


def heat_times(basis: Eigenbasis, count: int) -> Tensor:
    """(count,) ascending times in equal ratios, from 4 ln 10 / the largest to 4 ln 10 / the smallest eigenvalue.

    The smallest is that of the first function that varies (Sun et al. 2009).
    """
    _check_count(count)
    first, last = _ends(basis)
    top = 4 * math.log(10)
    return torch.exp(_between(torch.log(top / last), torch.log(top / first), count))


def wave_energies(basis: Eigenbasis, count: int) -> tuple[Tensor, float]:
    """(count,) energies at equal steps and their common width (Aubry et al. 2011).

    The width is 7 / count of the range of the logarithms of the eigenvalues; the energies stay two widths inside.
    """
    _check_count(count)
    first, last = (torch.log(value) for value in _ends(basis))
    width = 7 * float((last - first).detach()) / count
    if not width > 0:
        raise InvalidInput("a wave kernel signature needs at least two different eigenvalues above zero: ask for more")
    return _between(first + 2 * width, last - 2 * width, count), width


def scale_invariant_signature(basis: Eigenbasis, count: int = 20) -> Tensor:
    """(N, count) scale-invariant heat kernel signature (Bronstein and Kokkinos 2010), no unit.

    Scaling a shape, or a part of it, moves its logarithmic heat kernel signature along logarithmic time and adds a
    constant; so its derivative is taken, and of that the amplitudes of the `count` lowest frequencies.
    """
    times = heat_times(basis, max(8 * count, 64))
    heat = heat_kernel_signature(basis, scaled=False, times=times)
    slopes = torch.log(heat.clamp_min(torch.finfo(heat.dtype).tiny)).diff(dim=1)
    return torch.fft.rfft(slopes, dim=1)[:, :count].abs()


def unit_norms(descriptors: Tensor, masses: Tensor) -> Tensor:
    """Descriptors (N, D) scaled so that each has the norm one as a function under the masses (N,)."""
    norms = (masses[:, None] * descriptors.square()).sum(0).sqrt()
    return descriptors / norms.clamp_min(torch.finfo(descriptors.dtype).tiny)


def _varying(basis: Eigenbasis) -> Tensor:
    """(K,) bool, the eigenpairs that are not constant on each connected piece."""
    return basis.eigenvalues > _CONSTANT * basis.eigenvalues.max()


def _ends(basis: Eigenbasis) -> tuple[Tensor, Tensor]:
    """The smallest eigenvalue of a function that varies, and the largest."""
    varying = basis.eigenvalues[_varying(basis)] if len(basis) else basis.eigenvalues
    if not len(varying):
        raise InvalidInput(f"the basis of {len(basis)} functions has none that varies: compute more eigenpairs")
    return varying.min(), varying.max()


def _between(start: Tensor, stop: Tensor, count: int) -> Tensor:
    return torch.lerp(start, stop, torch.linspace(0, 1, count, dtype=start.dtype, device=start.device))


def _check_count(count: int) -> None:
    if count < 1:
        raise InvalidInput(f"count must be at least 1, got {count}")
