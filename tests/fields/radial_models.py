"""Random kernels for tests."""

import torch

from geokit.fields.kernels import RadialKernels, factors_of, shape_size


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def kernels(d=2, m=30, kernel="gaussian", shape="full", seed=0, **options):
    g = generator(seed)
    parameters = 0.3 * torch.randn(m, shape_size("full", d), generator=g, dtype=torch.float64) + 1.5
    factors = factors_of(parameters, "full", d)
    waves = {"waves": torch.randn(m, d, generator=g, dtype=torch.float64), "phases": torch.zeros(m).double()}
    centres, features = (torch.rand(m, size, generator=g, dtype=torch.float64) for size in (d, 2))
    gabor = waves if kernel == "gabor" else {}
    return RadialKernels(centres, factors, 4 * features - 2, kernel, shape, **gabor, **options)
