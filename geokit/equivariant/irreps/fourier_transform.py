"""The Fourier route of Luo, Chen and Krishnapriyan: functions on the sphere as Fourier series on the torus.

"Enabling Efficient Equivariant Operations in the Fourier Basis via Gaunt Tensor Products", ICLR 2024, section 3.2.
With the polar angle continued over the full circle, Y_l^m is a Fourier polynomial of degree l in each of the two
angles; a product of functions is a convolution of their series, and so a product on an equidistant grid of the torus
that is reached by fast Fourier transforms.
"""

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.special import roots_legendre
from torch import Tensor

from geokit.equivariant.irreps.harmonics import degrees_of, spherical_harmonics


class FourierTransform:
    """Coefficients (N, (L + 1)^2) <-> values (S, S, N) on the torus of S x S angles.

    table (L + 1, S, L + 1), complex: coefficients u of the series in the polar angle, of each order m and degree l.
    """

    def __init__(self, table: Tensor, dtype: torch.dtype, device: torch.device) -> None:
        count, self.size, _ = table.shape
        self.points = self.size**2
        self.table = table.to(device, torch.complex128 if dtype == torch.float64 else torch.complex64)
        orders, l = torch.arange(count)[:, None], torch.arange(count)
        inside = orders <= l
        self.real = torch.where(inside, l * l + l + orders, 0).flatten().to(device)
        self.imaginary = torch.where(inside, l * l + l - orders, 0).flatten().to(device)
        degrees = degrees_of(count - 1)
        order = torch.arange(count**2) - degrees * degrees - degrees
        self.place = (order.abs() * count + degrees).to(device)
        self.order = order[:, None].to(device)

    def values(self, coefficients: Tensor) -> list[Tensor]:
        """One class, (S, S, N): first the longitude, then the polar angle."""
        count, columns = len(self.table), coefficients.T
        # 2 Re((c - i s) exp(i m a)) = 2 (c cos(m a) + s sin(m a)); order 0 has no sine.
        rows = torch.complex(columns.index_select(0, self.real), -columns.index_select(0, self.imaginary))
        rows = rows.view(count, count, -1)
        rows[0].imag.zero_()
        series = self.table @ rows
        return [torch.fft.irfft2(series, s=(self.size, self.size), dim=(1, 0), norm="forward")]

    def adjoint(self, values: list[Tensor], out: Tensor) -> None:
        """The transposed map of `values`, into out (N, (L + 1)^2)."""
        series = torch.fft.rfft2(values[0], dim=(1, 0))[: len(self.table)]
        rows = (self.table.mH @ series).view(len(self.real), -1).index_select(0, self.place)
        # Of each order but 0 the inverse transform takes two conjugate terms.
        terms = torch.where(self.order == 0, 1.0, 2.0).to(out)
        out.copy_((torch.where(self.order < 0, -rows.imag, rows.real) * terms).T)


def fourier_size(degrees: tuple[int, int, int]) -> int:
    """Points a side of the torus for the coefficients up to the third degree of the product of the first two."""
    first, second, result = degrees
    return int(next_fast_len(max(2 * (first + second), first + second + result) + 1, real=True))


def synthesis(degree: int, size: int) -> Tensor:
    """The table whose `values` are those of the function, at polar angles 2 pi j / size."""
    harmonics = _on_circle(degree, 2 * np.pi * np.arange(size) / size)
    return torch.fft.fft(harmonics, dim=1, norm="forward")


def analysis(degree: int, size: int) -> Tensor:
    """The table whose `adjoint` gives the coefficients of a function that has the values given.

    Of its series H the integral over the sphere of H Y_l^m is sum_u H[u, m] J[u], where J[u] is the mean over the
    heights t = cos(a) of exp(i u a) Y_l^m: of its part, a cosine for even and a sine for odd m, that the order allows.
    """
    heights, weights = roots_legendre(size)
    angles = np.arccos(heights)
    waves = np.fft.fftfreq(size, 1 / size)[:, None] * angles
    odd = (torch.arange(degree + 1) % 2 == 1)[:, None, None]
    waves_of_order = torch.where(odd, torch.from_numpy(1j * np.sin(waves)), torch.from_numpy(np.cos(waves) + 0j))
    weighted = _on_circle(degree, angles) * torch.from_numpy(weights / 2)[:, None]
    integrals = waves_of_order @ weighted.to(torch.complex128)
    return integrals.conj() / size**2


def _on_circle(degree: int, angles: np.ndarray) -> Tensor:
    """(L + 1, A, L + 1): Y_l^0 and halves of the other Y_l^m, m and l from 0 to L, on the circle of longitude zero."""
    circle = np.stack([np.zeros_like(angles), np.cos(angles), np.sin(angles)], axis=-1)
    harmonics = spherical_harmonics(degree, torch.from_numpy(circle))
    m, l = torch.arange(degree + 1)[:, None], torch.arange(degree + 1)
    values = harmonics[:, torch.where(m <= l, l * l + l + m, 0)] * torch.where(m == 0, 1.0, 0.5).double()
    return torch.where(m <= l, values, 0.0).movedim(0, 1)
