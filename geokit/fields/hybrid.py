"""Fields of encodings and a small network: grids, waves and radial kernels, alone or together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput
from geokit.fields.encodings import Encoding, FourierFeatures
from geokit.fields.field import Field
from geokit.fields.grid import GridEncoding, grid_cells, rows_for_budget
from geokit.fields.perceptron import Perceptron


class HybridField(Field):
    """Encodings of space beside each other, before one small network.

    encodings: modules with `.features(x) -> (N, F)` in the field's unit of x, `.width` = F; mlp: a
    module from (N, sum of the widths) to (N, c), such as a `Perceptron`, whose `outputs` are the channels.
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


class GridField(HybridField):
    """Grids of several resolutions and a small network (Mueller et al. 2022, "Instant neural graphics primitives").

    cells, rows, features, basis and metrics are those of a `GridEncoding`; hidden, layers and activation those of a
    `Perceptron`. Derivatives are continuous with basis "smoothstep" or "spline" and another activation than "relu".
    Derivatives of the network's part are autograd's, those of the grids native. Raises `InvalidInput` as both do.
    """

    def __init__(
        self,
        bounds: Tensor,
        channels: int,
        cells: Sequence[Sequence[int]],
        rows: int | Sequence[int] = 1 << 15,
        features: int = 2,
        basis: str = "linear",
        metrics: Sequence[str] = ("linear",),
        hidden: int = 32,
        layers: int = 2,
        activation: str = "relu",
        seed: int = 0,
    ) -> None:
        grid = GridEncoding(bounds, cells, rows, features, basis, metrics, seed)
        mlp = Perceptron(grid.width, channels, hidden, layers, activation, seed, bounds.dtype)
        super().__init__(bounds, [grid], mlp)

    def config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        grid, mlp = super().config()["encodings"][0], self.mlp.config()
        grid.pop("kind")
        return {"channels": self.channels, **grid, **{k: mlp[k] for k in ("hidden", "layers", "activation")}}

    @classmethod
    def with_budget(
        cls,
        bounds: Tensor,
        channels: int,
        parameters: int,
        cells: Sequence[Sequence[int]] | None = None,
        levels: int = 8,
        coarsest: int = 16,
        finest: int = 256,
        features: int = 2,
        basis: str = "linear",
        metrics: Sequence[str] = ("linear",),
        hidden: int = 32,
        layers: int = 2,
        activation: str = "relu",
        seed: int = 0,
    ) -> "GridField":
        """A field of at most `parameters` numbers: the network is paid first, the tables have the rest.

        cells: of each level; or `levels` of them from `coarsest` to `finest` along the longest side. Images are learnt
        best on a CPU with few levels, a small network, and finest cells of one pixel, or a little more where there are
        few parameters. Where the tables are hashed, less than `features` numbers of the budget are left over. Raises
        `InvalidInput` for a budget that leaves a level less than 16 rows.
        """
        if cells is None:
            cells = grid_cells(bounds, levels, coarsest, finest)
        network = Perceptron.parameters_of(len(cells) * features, channels, hidden, layers)
        try:
            rows = rows_for_budget(cells, (parameters - network) // max(features, 1), basis)
        except InvalidInput as error:
            raise InvalidInput(
                f"a budget of {parameters} parameters, {network} of them the network's: {error}"
            ) from None
        return cls(bounds, channels, cells, rows, features, basis, metrics, hidden, layers, activation, seed)


class FourierField(HybridField):
    """Random Fourier features and a network of rectified units (Tancik et al. 2020).

    waves, frequency: as of `FourierFeatures`; hidden, layers and activation as of `Perceptron`.
    """

    def __init__(
        self,
        bounds: Tensor,
        channels: int,
        waves: int = 128,
        frequency: float = 10.0,
        hidden: int = 256,
        layers: int = 3,
        activation: str = "relu",
        seed: int = 0,
    ) -> None:
        encoding = FourierFeatures(bounds, waves, frequency, seed)
        mlp = Perceptron(encoding.width, channels, hidden, layers, activation, seed, bounds.dtype)
        super().__init__(bounds, [encoding], mlp)

    def config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        waves, mlp = super().config()["encodings"][0], self.mlp.config()
        waves.pop("kind")
        return {"channels": self.channels, **waves, **{k: mlp[k] for k in ("hidden", "layers", "activation")}}
