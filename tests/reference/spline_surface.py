"""Surfaces of quadratic B-splines, from their definition."""

import torch


def bump(t):
    """The quadratic B-spline of width 3 around 0: the box of width 1, three times with itself."""
    t = t.abs()
    return torch.where(t < 0.5, 0.75 - t**2, torch.where(t < 1.5, (1.5 - t) ** 2 / 2, torch.zeros_like(t)))


def spline_field(cells, coefficients, places):
    """(P,) the sum over cells (N, 3) of a coefficient times the product of bumps around the middle of the cell."""
    apart = places[:, None] - cells[None].to(places) - 0.5
    return (bump(apart).prod(2) * coefficients).sum(1)


def energy(cells, coefficients, places, normals, weights, value_weight, bend_weight):
    """What the fit minimises, half of it, with the gradient by autograd."""
    places = places.detach().requires_grad_()
    values = spline_field(cells, coefficients, places)
    slopes = torch.autograd.grad(values.sum(), places, create_graph=True)[0]
    data = (weights * (value_weight * values**2 + (slopes - normals).square().sum(1))).sum()
    at = {tuple(cell): coefficients[i] for i, cell in enumerate(cells.tolist())}
    bend = coefficients.sum() * 0
    for cell in at:
        for a in range(3):
            below, above = shifted(cell, a, -1), shifted(cell, a, 1)
            if below in at and above in at:
                bend = bend + (at[below] - 2 * at[cell] + at[above]) ** 2
            for b in range(a + 1, 3):
                right, up, both = shifted(cell, a, 1), shifted(cell, b, 1), shifted(shifted(cell, a, 1), b, 1)
                if right in at and up in at and both in at:
                    bend = bend + 2 * (at[cell] - at[right] - at[up] + at[both]) ** 2
    return (data + bend_weight * bend) / 2


def shifted(cell, axis, step):
    return tuple(value + step * (a == axis) for a, value in enumerate(cell))


def plane_meet(places, normals, reach, turn, pull):
    """Points and normals after the smoothing of cuda_ext/fields/plane_meet.h, point by point."""
    moved, turned = [], []
    for p, m in zip(places, normals):
        near = (places - p).norm(dim=1) <= reach
        others, n = places[near], normals[near]
        w = torch.exp(-(others - p).square().sum(1) / 2 - (n - m).square().sum(1) / (2 * turn**2))
        h, e = (n + m) / 2, others - p
        matrix = (w[:, None, None] * h[:, :, None] * h[:, None]).sum(0) + pull * w.sum() * torch.eye(3).to(p)
        right = (w[:, None] * h * (h * e).sum(1, keepdim=True)).sum(0) + pull * (w[:, None] * e).sum(0)
        step = torch.linalg.solve(matrix, right)
        moved.append(p + step * min(1.0, 2 / max(float(step.norm()), 1e-300)))
        mean = (w[:, None] * n).sum(0)
        turned.append(mean / mean.norm())
    return torch.stack(moved), torch.stack(turned)
