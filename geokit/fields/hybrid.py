"""Fields of encodings and a small network: grids, waves and radial kernels, alone or together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput
from geokit.fields.encodings import Encoding
from geokit.fields.field import Field
from geokit.fields.perceptron import Perceptron


class HybridField(Field):
    """Encodings of space beside each other, before one small network.

    encodings: modules with `.features(x) -> (N, F)`, x in the unit of the field, and `.width` = F. mlp: from
    (N, sum of the widths) to the channels.
    Source: radial and grid features together, NeuRBF (Chen et al., ICCV 2023). Raises `InvalidInput` where the widths
    do not add up.
    """

    def __init__(self, bounds: Tensor, encodings: Sequence[nn.Module], mlp: Perceptron) -> None:
        super().__init__(bounds, mlp.outputs)
        for number, encoding in enumerate(encodings):
            if not isinstance(encoding, Encoding):
                raise InvalidInput(f"encoding {number} must have features and a width, got {type(encoding).__name__}")
        widths = [int(encoding.width) for encoding in encodings]  # type: ignore[arg-type]
        if sum(widths) != mlp.inputs:
            raise InvalidInput(
                f"the network takes {mlp.inputs} features, but the encodings give {widths}: give it their sum"
            )
        self.encodings = nn.ModuleList(encodings)
        self.mlp = mlp

    def config(self) -> dict[str, Any]:
        """The structures of the encodings and of the network."""
        told: list[dict[str, Any]] = [getattr(encoding, "config", dict)() for encoding in self.encodings]
        return {"encodings": told, "mlp": self.mlp.config()}

    def values(self, x: Tensor) -> Tensor:
        """The network's values (N, c) at points x (N, d)."""
        parts = [encoding.features(x) for encoding in self.encodings]  # type: ignore[operator]
        return self.mlp(parts[0] if len(parts) == 1 else torch.cat([p.T for p in parts]).T)

    def slopes(self, x: Tensor) -> Tensor:
        """The gradient at x (N, d), as of every field."""
        with _evaluated(self):
            return super().slopes(x)

    def curvatures(self, x: Tensor) -> Tensor:
        """The Laplacian at x (N, d), as of every field."""
        with _evaluated(self):
            return super().curvatures(x)


@contextmanager
def _evaluated(field: Field) -> Iterator[None]:
    """Without gradients, parameters ask for none: an operator cannot tell, and would gather them for nothing."""
    trained = [] if torch.is_grad_enabled() else [p for p in field.parameters() if p.requires_grad]
    for p in trained:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trained:
            p.requires_grad_(True)
