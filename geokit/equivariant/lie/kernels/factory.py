"""Kernel networks by name."""

import inspect
from typing import Any

from geokit.equivariant.lie.kernels.base import KernelNetwork
from geokit.equivariant.lie.kernels.flexible import FlexibleKernel
from geokit.equivariant.lie.kernels.gabor import Gabor
from geokit.equivariant.lie.kernels.perceptron import Perceptron
from geokit.equivariant.lie.kernels.point_kernels import PointKernel
from geokit.equivariant.lie.kernels.siren import CKConvKernel, Siren
from geokit.errors import InvalidInput

KERNELS: dict[str, type[KernelNetwork]] = {
    "siren": Siren,
    "gabor": Gabor,
    "ckconv": CKConvKernel,
    "flexconv": FlexibleKernel,
    "points": PointKernel,
    "mlp": Perceptron,
}


def make_kernel(name: str, coordinates: int, values: int, *, fan_in: float = 1.0, **options: Any) -> KernelNetwork:
    """The kernel network of that name, from `coordinates` numbers to `values` numbers.

    name: "siren", "gabor" (WIRE), "ckconv", "flexconv", "points" (SMPConv) or "mlp". fan_in: how many products a
    convolution sums for one output, input channels times samples of the kernel. options: those of the class.
    Raises InvalidInput for another name, an option that the class does not have, and as the class does.

    >>> make_kernel("siren", 2, 16, fan_in=25)(torch.zeros(5, 5, 2)).shape
    torch.Size([5, 5, 16])
    """
    if name not in KERNELS:
        raise InvalidInput(f"kernel must be one of {', '.join(KERNELS)}, got {name!r}")
    known = [p for p in inspect.signature(KERNELS[name]).parameters if p not in ("coordinates", "values", "fan_in")]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InvalidInput(f'kernel "{name}" has no option {", ".join(unknown)}; it has {", ".join(known)}')
    return KERNELS[name](coordinates, values, fan_in=fan_in, **options)
