"""What regular features (B, C, S, H, W) on a sampled group may go through without losing equivariance."""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, max_pool2d

from geokit.equivariant.lie.sampling import SampleSet
from geokit.errors import InvalidInput


def normalised(features: Tensor) -> Tensor:
    """(B, C, S, H, W) of mean zero and variance one in each image, over channels, elements and positions together: a
    motion permutes these, and does not change their mean."""
    return layer_norm(features, features.shape[1:])


def halved(features: Tensor) -> Tensor:
    """(B, C, S, H / 2, W / 2) the largest of every two by two pixels, element by element: regular pooling, equivariant
    to motions that carry such squares onto each other."""
    pixels = features.flatten(1, 2).contiguous(memory_format=torch.channels_last)  # three times faster so
    return max_pool2d(pixels, 2).unflatten(1, features.shape[1:3])


def invariant_maximum(features: Tensor) -> Tensor:
    """(B, C) the largest over elements and positions, which no motion of these changes."""
    return features.amax((2, 3, 4))


def invariant_mean(features: Tensor, samples: SampleSet) -> Tensor:
    """(B, C) the mean over positions and, by the weights of the S samples, over elements: with Haar weights the
    integral over the group, which no motion changes. Raises `InvalidInput` for another number of samples."""
    if features.dim() != 5 or features.shape[2] != len(samples):
        raise InvalidInput(f"features must be (B, C, {len(samples)}, H, W) for {samples}, got {tuple(features.shape)}")
    return torch.einsum("s,bcs->bc", samples.weights / samples.weights.sum(), features.mean((3, 4)))
