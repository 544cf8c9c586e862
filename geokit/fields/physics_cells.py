"""Boxes with a Gaussian and a few collocation points each, that split where the equation is not yet obeyed."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cells:
    """Cells with centres and sizes (C, d); and the centres (M, d) of kernels, with the sizes of the cells that gave
    rise to them, spacings (M, d)."""

    centres: Tensor
    sizes: Tensor
    kernels: Tensor
    spacings: Tensor

    @staticmethod
    def grid(box: Tensor, counts: list[int], margin: int) -> "Cells":
        """A grid of cells in the box (2, d), with a Gaussian each and `margin` layers more outside of every face."""
        size = (box[1] - box[0]) / torch.tensor(counts).to(box)
        inner, outer = (
            torch.cartesian_prod(*(torch.arange(-m, n + m) + 0.5 for n in counts)).reshape(-1, len(counts)).to(box)
            for m in (0, margin)
        )
        kernels = box[0] + outer * size
        centres = box[0] + inner * size
        return Cells(centres, size.expand_as(centres).contiguous(), kernels, size.expand_as(kernels).contiguous())

    def points(self, along: int) -> tuple[Tensor, Tensor]:
        """Collocation points (N, d), `along` each axis of a cell, those of a cell together, and the root of the volume
        that each stands for (N,)."""
        d = self.centres.shape[1]
        steps = (torch.arange(along) + 0.5) / along - 0.5
        offsets = torch.cartesian_prod(*[steps] * d).reshape(-1, d).to(self.centres)
        places = self.centres[:, None] + offsets * self.sizes[:, None]
        roots = (self.sizes.prod(1) / len(offsets)).sqrt()
        return places.flatten(0, 1), roots.repeat_interleave(len(offsets))

    def refined(self, errors: Tensor, curvature: Tensor, most: int) -> "Cells":
        """Split the cells with the largest errors (C,), the half of their sum of squares and at most `most` Gaussians.

        A cell is halved along the axes on which the solution bends most over it, by its second derivatives curvature
        (C, d): where one bends less than a quarter of the other, along the other alone. The old Gaussians stay.
        """
        order = errors.argsort(descending=True)
        energy = errors[order].square().cumsum(0)
        marked = order[: int((energy < 0.5 * energy[-1]).sum()) + 1]
        bend = curvature[marked].abs() * self.sizes[marked].square()
        halved = bend >= bend.max(1, keepdim=True).values / 4
        born = (1 << halved.sum(1)).cumsum(0)
        fits = born <= most
        marked, halved = marked[fits], halved[fits]
        children, sizes = self._halves(marked, halved)
        stay = torch.ones(len(self.centres), dtype=torch.bool)
        stay[marked] = False
        return Cells(
            torch.cat([self.centres[stay], children]),
            torch.cat([self.sizes[stay], sizes]),
            torch.cat([self.kernels, children]),
            torch.cat([self.spacings, sizes]),
        )

    def _halves(self, marked: Tensor, halved: Tensor) -> tuple[Tensor, Tensor]:
        centres, sizes = self.centres[marked], self.sizes[marked]
        for k in range(centres.shape[1]):
            split = halved[:, k]
            step = torch.zeros_like(sizes)
            step[:, k] = sizes[:, k] / 4
            smaller = sizes.clone()
            smaller[:, k] = sizes[:, k] / 2
            parts = [
                (centres[~split], sizes[~split], halved[~split]),
                ((centres - step)[split], smaller[split], halved[split]),
                ((centres + step)[split], smaller[split], halved[split]),
            ]
            centres, sizes, halved = (torch.cat(column) for column in zip(*parts))
        return centres, sizes
