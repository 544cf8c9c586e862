"""Random Fourier features with a network behind them."""

from typing import Any

from torch import Tensor

from geokit.fields.encodings import FourierFeatures
from geokit.fields.hybrid import HybridField
from geokit.fields.perceptron import Perceptron


class FourierField(HybridField):
    """Random Fourier features and a network of rectified units (Tancik et al. 2020).

    waves, frequency: as of `FourierFeatures`; hidden, layers and activation as of `Perceptron`.
    Raises `InvalidInput` as both do.
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
        mlp = Perceptron(encoding.width, channels, hidden, layers, activation, seed, bounds.dtype).to(bounds.device)
        super().__init__(bounds, [encoding], mlp)

    def config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        waves, mlp = super().config()["encodings"][0], self.mlp.config()
        waves.pop("kind")
        return {"channels": self.channels, **waves, **{k: mlp[k] for k in ("hidden", "layers", "activation")}}
