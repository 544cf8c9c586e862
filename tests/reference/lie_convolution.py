"""Convolutions on the affine group of the plane as they are defined: loops over positions, elements and pixels."""

import torch
from torch import Tensor

from geokit.equivariant.lie import GroupConv2d, LiftingConv2d, SampleSet


def window(place: Tensor) -> float:
    """1 up to the radius 1/2, then a cubic in the square of the distance that ends at 1."""
    t = min(1.0, max(0.0, (1 - float(place @ place)) / (1 - 0.25)))
    return t * t * (3 - 2 * t)


def lifting(layer: LiftingConv2d, images: Tensor, samples: SampleSet, radius: float, size: int) -> Tensor:
    """1 / |det g| sum_y k(g^-1 (y - x)) f(y) + bias, without padding."""
    c_out, c_in = layer.bias.shape[0], images.shape[1]
    reach, (height, width) = size // 2, images.shape[2:]
    result = images.new_zeros(len(images), c_out, len(samples), height - 2 * reach, width - 2 * reach)
    for s, g in enumerate(samples.elements):
        for row in range(reach, height - reach):
            for column in range(reach, width - reach):
                total = layer.bias.expand(len(images), -1)
                for offset in pixels(reach):
                    place = torch.linalg.solve(g, offset.to(g)) / radius
                    kernel = layer.kernel.kernel(place).view(c_out, c_in) * window(place) / torch.linalg.det(g).abs()
                    pixel = images[:, :, row + int(offset[1]), column + int(offset[0])]
                    total = total + pixel @ kernel.T
                result[:, :, s, row - reach, column - reach] = total
    return result


def group_convolution(
    layer: GroupConv2d, features: Tensor, samples: SampleSet, outputs: SampleSet, radius: float, size: int
) -> Tensor:
    """mean_h w_h mass / |det h| sum_y k(g^-1 (y - x), g^-1 h) f(y, h) + bias, without padding."""
    c_out, c_in = layer.bias.shape[0], features.shape[1]
    reach, (height, width) = size // 2, features.shape[3:]
    result = features.new_zeros(len(features), c_out, len(outputs), height - 2 * reach, width - 2 * reach)
    for o, g in enumerate(outputs.elements):
        for s, (h, weight) in enumerate(zip(samples.elements, samples.weights)):
            between = layer.group.features(torch.linalg.solve(g, h))
            factor = weight * samples.mass / torch.linalg.det(h).abs() / len(samples)
            for offset in pixels(reach):
                place = torch.linalg.solve(g, offset.to(g)) / radius
                kernel = _kernel(layer, place, between, c_out, c_in) * window(place) * factor
                for row in range(reach, height - reach):
                    for column in range(reach, width - reach):
                        pixel = features[:, :, s, row + int(offset[1]), column + int(offset[0])]
                        result[:, :, o, row - reach, column - reach] += pixel @ kernel.T
    return result + layer.bias.view(1, -1, 1, 1, 1)


def pixels(reach: int) -> list[Tensor]:
    """Offsets (right, down) of the pixels of a window."""
    line = range(-reach, reach + 1)
    return [torch.tensor([float(right), float(down)]) for down in line for right in line]


def _kernel(layer: GroupConv2d, place: Tensor, between: Tensor, c_out: int, c_in: int) -> Tensor:
    m = layer.group.complement_dim
    between = torch.cat([between[:m] / layer.reach, between[m:]])
    near = window(between[:m])
    if layer.mixing == "dense":
        return near * layer.kernel.kernel(torch.cat([place, between])).view(c_out, c_in)
    turned = layer.group_kernel.kernel(between) if m else layer.group_kernel(between)
    return near * layer.channels.weight * (layer.spatial_kernel.kernel(place) * turned)
