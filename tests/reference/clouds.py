"""Point clouds to test with."""

import torch

KINDS = ("uniform", "lattice", "one place", "line", "plane", "outliers", "clusters", "half duplicated")


def points_of(kind: str, count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Points of densities that break uniform grids."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 3, generator=generator, dtype=dtype)
    if kind == "lattice":
        points = (points * 6).floor()
    elif kind == "one place":
        points[:] = points[0].clone()
    elif kind == "line":
        points[:, 1:] = 0
    elif kind == "plane":
        points[:, 2] = 0.25
    elif kind == "outliers":
        points[::100] *= 1000
    elif kind == "clusters":
        points = torch.randint(5, (count, 1), generator=generator) + points * 1e-3
    elif kind == "half duplicated":
        points[count // 2 :] = points[: count - count // 2].clone()
    return points
