"""Continuous kernels as functions of a relative position or a group element: drop-in for every layer that has one."""

from geokit.equivariant.lie.kernels.base import KernelNetwork
from geokit.equivariant.lie.kernels.factory import KERNELS, make_kernel
from geokit.equivariant.lie.kernels.flexible import FlexibleKernel
from geokit.equivariant.lie.kernels.gabor import Gabor
from geokit.equivariant.lie.kernels.localise import Localised, disc_mask
from geokit.equivariant.lie.kernels.perceptron import Perceptron
from geokit.equivariant.lie.kernels.point_kernels import PointKernel
from geokit.equivariant.lie.kernels.siren import CKConvKernel, Siren

__all__ = [
    "KERNELS",
    "CKConvKernel",
    "FlexibleKernel",
    "Gabor",
    "KernelNetwork",
    "Localised",
    "Perceptron",
    "PointKernel",
    "Siren",
    "disc_mask",
    "make_kernel",
]
