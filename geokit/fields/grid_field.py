"""Grids of several resolutions with a small network behind them."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.grid import GridEncoding, grid_cells, rows_for_budget
from geokit.fields.hybrid import HybridField
from geokit.fields.perceptron import Perceptron


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
        mlp = Perceptron(grid.width, channels, hidden, layers, activation, seed, bounds.dtype).to(bounds.device)
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
