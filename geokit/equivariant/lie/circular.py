"""Convolutions on the circle times an interval, equivariant to cyclic shifts along the circle."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, relu


class CircularBlock(nn.Module):
    """Convolution, normalisation over the batch and ReLU on features (B, C, angles, radii).

    Angles wrap around, radii are padded with zeros. size: of the kernel, odd, along both axes. stride: along both.
    Equivariant to shifts by multiples of the stride along the circle.
    """

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.around = size[0] // 2
        self.convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=(0, size[1] // 2), bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """(B, outputs, angles / stride, radii / stride)."""
        wrapped = _WrapAround.apply(features, self.around) if self.around else features
        return relu(self.norm(self.convolution(wrapped)), inplace=True)


class PoseReadout(nn.Module):
    """Compares features (B, C, angles, radii) with one template a class, at every angle: (B, classes, angles).

    A template covers the whole circle, and so knows where everything is; turning the features turns the result.
    """

    def __init__(self, channels: int, angles: int, radii: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.templates = nn.Parameter(0.02 * torch.randn(classes, channels * radii, angles))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(B, classes, angles): entry j is the score of a class whose template is turned by j."""
        rows = self.dropout(features.transpose(2, 3).flatten(1, 2))
        rows = torch.cat([rows, rows[..., :-1]], dim=-1)
        return conv1d(rows, self.templates) + self.bias[:, None]


class _WrapAround(torch.autograd.Function):
    """The last and first `around` angles put before and behind, around > 0; its gradient adds them in place."""

    @staticmethod
    def forward(features: Tensor, around: int) -> Tensor:
        return torch.cat([features[:, :, -around:], features, features[:, :, :around]], dim=2)

    @staticmethod
    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.around = inputs[1]  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        a = ctx.around  # type: ignore[attr-defined]
        inner = gradient[:, :, a:-a].clone(memory_format=torch.preserve_format)
        inner[:, :, -a:] += gradient[:, :, :a]
        inner[:, :, :a] += gradient[:, :, -a:]
        return inner, None
