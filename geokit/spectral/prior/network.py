"""A transformer on the patches of a matrix, told how noisy the matrix is (Peebles and Xie, "DiT", 2023), small."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from geokit.errors import InvalidInput


class PatchTransformer(nn.Module):
    """(B, channels, size, size) and noise levels (B,) to (B, size, size).

    The matrix is cut into patches; each is a token with a fixed sine and cosine code of its row and column. Every block
    is scaled, shifted and gated by the noise level, its gate zero at the start (adaLN-zero), and so is the output: an
    untrained network returns zeros.
    """

    def __init__(self, size: int, channels: int, width: int = 128, depth: int = 4, heads: int = 4, patch: int = 5):
        super().__init__()
        if size % patch or width % (2 * heads) or width % 4:
            raise InvalidInput(
                f"a matrix of {size} rows needs patches that divide it, got {patch}; width {width} must be a multiple "
                f"of 4 and of twice the heads, {heads}"
            )
        self.patch, self.side, self.width = patch, size // patch, width
        self.embed = nn.Linear(channels * patch * patch, width)
        self.register_buffer("places", _grid_code(self.side, width), persistent=False)
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = _zeroed(nn.Linear(width, 2 * width))
        self.head = _zeroed(nn.Linear(width, patch * patch))

    def forward(self, matrices: Tensor, level: Tensor) -> Tensor:
        """`level` is any function of the noise that is about -3 to 3."""
        batch, channels, side, patch = len(matrices), matrices.shape[1], self.side, self.patch
        cut = matrices.reshape(batch, channels, side, patch, side, patch).permute(0, 2, 4, 1, 3, 5)
        tokens = self.embed(cut.reshape(batch, side * side, -1)) + self.places
        told = self.level(_wave_code(level, self.width))
        for block in self.blocks:
            tokens = block(tokens, told)
        scale, shift = self.modulate(told)[:, None].chunk(2, dim=-1)
        out = self.head(self.norm(tokens) * (1 + scale) + shift)
        joined = out.reshape(batch, side, side, patch, patch).permute(0, 1, 3, 2, 4)
        return joined.reshape(batch, side * patch, side * patch)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = _zeroed(nn.Linear(width, 6 * width))
        self.queries = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.widen = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor, told: Tensor) -> Tensor:
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulate(told)[:, None].chunk(6, dim=-1)
        tokens = tokens + gate1 * self._attend(self.norm(tokens) * (1 + scale1) + shift1)
        return tokens + gate2 * self.widen(self.norm(tokens) * (1 + scale2) + shift2)

    def _attend(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        parts = self.queries(tokens).reshape(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return self.mix(seen.transpose(1, 2).reshape(batch, count, width))


def _zeroed(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _wave_code(values: Tensor, width: int) -> Tensor:
    """(..., width) cosines and sines of values at frequencies 1/4 to 16."""
    frequencies = 2 ** torch.linspace(-2, 4, width // 2, dtype=values.dtype, device=values.device)
    angles = values[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _grid_code(side: int, width: int) -> Tensor:
    """(side^2, width): half the channels tell the row, half the column."""
    steps = torch.arange(side, dtype=torch.float32)
    frequencies = torch.exp(-math.log(1e4) * torch.arange(width // 4) / (width // 4))
    angles = steps[:, None] * frequencies
    one = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.cat([one.repeat_interleave(side, 0), one.repeat(side, 1)], dim=1)
