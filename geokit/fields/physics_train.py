"""Centres and covariances of Gaussians, trained through the features that are best for them."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from geokit.fields.physics_fit import Fit, gauss_newton
from geokit.fields.physics_rows import linear_rows, residuals

_DAMPING = 1e-7  # of features, in units of their columns
_FAR = 2.0  # as far as centres move, in widths; logarithms of widths too


def train_shapes(
    fit: Fit, roots: Tensor, shapes: Tensor, d: int, steps: int, told: Callable[[Tensor, Fit], None]
) -> tuple[Tensor, Fit]:
    """Shapes (M, S) after so many steps of L-BFGS on the residual that the best features leave (variable projection,
    Golub and Pereyra 1973), with a last solution for them; those given where that is no better.

    told(shapes, fit) after every step, with damped features, and at the end.
    """
    if fit.norm == 0:
        return shapes, fit
    training = Training(fit, roots, shapes, d)
    minimize(
        training.loss,
        np.zeros(shapes.numel()),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_FAR, _FAR)] * shapes.numel(),
        options={"maxiter": steps, "maxcor": 30, "maxfun": 4 * steps},
        callback=lambda flat: told(training.shapes, training.fit),
    )
    after = gauss_newton(fit.parts, roots, training.shapes, training.fit.features, 10, fit.weights)
    if after.norm >= fit.norm:
        return shapes, fit
    told(training.shapes, after)
    return training.shapes, after


class Training:
    """The loss of changes of shapes from `start` (M, S), and the best so far: `shapes`, and `fit` with its features.

    By the envelope theorem the gradient is that at fixed features. Features are damped: without that they are large
    numbers that cancel, and the gradient is nothing but their rounding.
    """

    def __init__(self, fit: Fit, roots: Tensor, start: Tensor, d: int) -> None:
        self.start, self.roots, self.d = start, roots, d
        self.diagonal = [d + k * (k + 3) // 2 for k in range(d)]
        self.widths = 1 / start[:, self.diagonal]
        rows = linear_rows(fit.parts, start, fit.features)
        matrix = torch.cat([w[:, None] * rows_of for w, (rows_of, _) in zip(fit.weights, rows)])
        self.damping = _DAMPING * matrix.norm(dim=0)
        self.shapes, self.fit = start, replace(fit, norm=math.inf)

    def shaped(self, theta: Tensor) -> Tensor:
        """Shapes from changes (M, S): of centres in widths, of diagonals of A by their logarithm, of others in them."""
        columns = []
        for k in range(self.start.shape[1]):
            before, change = self.start[:, k], theta[:, k]
            if k < self.d:
                columns.append(before + change * self.widths[:, k])
            elif k in self.diagonal:
                columns.append(before * change.exp())
            else:
                columns.append(before + change / self.widths.mean(1))
        return torch.stack(columns, 1)

    def loss(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """The logarithm of the norm that is left, and its gradient, at changes (M S,)."""
        theta = torch.from_numpy(flat.copy()).view_as(self.start).requires_grad_()
        made = self.shaped(theta)
        fit, damping = self.fit, self.damping
        here = gauss_newton(fit.parts, self.roots, made.detach(), fit.features, 3, fit.weights, damping)
        wrong = residuals(fit.parts, fit.weights, made, here.features)
        norm = torch.cat([wrong, damping * here.features]).norm()
        norm.log().backward()
        if float(norm.detach()) < fit.norm:
            self.shapes, self.fit = made.detach(), replace(here, norm=float(norm.detach()))
        gradient = theta.grad
        assert gradient is not None
        return float(norm.detach().log()), gradient.flatten().numpy()
