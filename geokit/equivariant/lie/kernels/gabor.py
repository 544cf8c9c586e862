"""Kernels by networks whose activation is a complex Gabor wavelet: WIRE."""

import torch
from torch import Tensor, nn

from geokit.equivariant.lie.kernels.base import KernelNetwork, check_positive, check_sizes, scale_linear


class Gabor(KernelNetwork):
    """`layers` linear maps, each followed by the wavelet z -> exp(i omega z - |spread z|^2), then a linear map to real
    values.

    A wavelet oscillates as a sine does and ends as a Gaussian does: what one unit learns stays where it is (Saragadam
    et al., "WIRE: Wavelet Implicit Neural Representations", 2023, section 3). The maps between wavelets are complex.
    The modulus of a wavelet is at most exp(omega^2 / (4 spread^2)), which `spread` keeps small.
    Raises InvalidInput as `KernelNetwork`, and for hidden, layers, omega or spread that are not positive.
    """

    def __init__(
        self,
        coordinates: int,
        values: int,
        *,
        hidden: int = 24,
        layers: int = 2,
        omega: float = 10.0,
        spread: float = 5.0,
        fan_in: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(coordinates, values, fan_in=fan_in, gain=gain)
        check_sizes(hidden=hidden, layers=layers)
        check_positive(omega=omega, spread=spread)
        self.omega, self.spread = omega, spread
        self.first = nn.Linear(coordinates, hidden)
        # Phases and centres anywhere in the domain: with torch's own range every wavelet would sit near the origin.
        nn.init.uniform_(self.first.weight, -1, 1)
        nn.init.uniform_(self.first.bias, -1, 1)
        self.mixing = nn.ModuleList(ComplexLinear(hidden, hidden) for _ in range(layers - 1))
        self.out = nn.Linear(2 * hidden, values)
        nn.init.zeros_(self.out.bias)
        self.calibrate()

    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d)."""
        z = self.first(coordinates)
        real, imaginary = self._wavelet(z, torch.zeros_like(z))
        for layer in self.mixing:
            real, imaginary = self._wavelet(*layer(real, imaginary))
        return self.out(torch.cat([real, imaginary], -1))

    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number."""
        scale_linear(self.out, factor)

    def _wavelet(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        modulus = torch.exp(-self.omega * imaginary - self.spread**2 * (real**2 + imaginary**2))
        return modulus * torch.cos(self.omega * real), modulus * torch.sin(self.omega * real)


class ComplexLinear(nn.Module):
    """A complex linear map of pairs (real, imaginary), as two real matrices: a change of dtype of the module reaches
    them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        # Wavelets of the first layer have a mean square well below 1: this keeps arguments within the next envelope.
        bound = (3 / inputs) ** 0.5
        self.real = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.imaginary = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(2, outputs))

    def forward(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """(..., outputs) twice, of (..., inputs) twice."""
        a, b = self.real.T, self.imaginary.T
        return real @ a - imaginary @ b + self.bias[0], real @ b + imaginary @ a + self.bias[1]
