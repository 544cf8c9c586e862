"""Colours as bytes, rounded in one way everywhere."""

import numpy as np
import torch
from torch import Tensor


def color_bytes(colors: Tensor) -> np.ndarray:
    """Colours (...) in [0, 1], clamped to it, as uint8 of the same shape."""
    return (colors.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy()
