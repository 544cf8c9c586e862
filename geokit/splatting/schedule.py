"""How resolution, harmonics and learning rates change over a run. Everything depends on progress in [0, 1] alone."""

import sys
from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry import Splats


@dataclass(frozen=True)
class TrainConfig:
    """What can be chosen about a training run.

    steps: optimisation steps, one view each. primitive: "gaussian" or "gabor". waves: waves a Gabor primitive carries.
    max_splats: hard cap. initial_splats: splats to begin with. sh_degree: highest harmonics. strategy: "mcmc" or
    "classic". ssim_weight: weight of 1 - SSIM in the loss. antialiased: keep a splat's energy under the pixel filter.
    background: RGB in [0, 1]. means_rate is in scene extents, frequency_rate in cycles per standard deviation.
    """

    steps: int = 3500
    primitive: str = "gaussian"
    waves: int = 2
    max_splats: int = 50_000
    initial_splats: int = 20_000
    sh_degree: int = 2
    strategy: str = "mcmc"
    ssim_weight: float = 0.2
    antialiased: bool = False
    progressive: bool = True
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    opacity_penalty: float = 0.01
    scale_penalty: float = 0.01
    means_rate: float = 1.6e-4
    means_rate_decay: float = 0.01
    quats_rate: float = 1e-3
    scales_rate: float = 5e-3
    opacities_rate: float = 5e-2
    sh_rate: float = 2.5e-3
    frequency_rate: float = 1e-2
    weight_rate: float = 2e-2
    initial_opacity: float = 0.3
    initial_scale: float = 0.7
    open_waves_at: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        if self.steps < 1:
            raise InvalidInput(f"steps must be at least 1, got {self.steps}")
        if self.primitive not in ("gaussian", "gabor"):
            raise InvalidInput(f"primitive must be 'gaussian' or 'gabor', got '{self.primitive}'")
        if self.strategy not in ("mcmc", "classic"):
            raise InvalidInput(f"strategy must be 'mcmc' or 'classic', got '{self.strategy}'")
        if not 1 <= self.waves <= 16:
            raise InvalidInput(f"waves must be 1 to 16, got {self.waves}")
        if self.max_splats < 1 or self.initial_splats < 1:
            raise InvalidInput(
                f"max_splats and initial_splats must be positive, got {self.max_splats} and {self.initial_splats}"
            )
        if not 0 <= self.sh_degree <= 3:
            raise InvalidInput(f"sh_degree must be 0 to 3, got {self.sh_degree}")
        if len(self.background) != 3 or not all(0 <= c <= 1 for c in self.background):
            raise InvalidInput(f"background must be three numbers in [0, 1], got {self.background}")
        if not 0 <= self.seed < 1 << 63:
            raise InvalidInput(f"seed must be 0 to 2^63 - 1, got {self.seed}")

    def _check_types(self) -> None:
        """Raise `InvalidInput` for a value of another type than the default's; a background becomes a tuple."""
        for option in fields(self):
            value, kind = getattr(self, option.name), type(option.default)
            if kind is tuple:
                if not isinstance(value, list | tuple) or not all(is_number(part) for part in value):
                    raise InvalidInput(f"{option.name} must be three numbers in [0, 1], got {value!r}")
                object.__setattr__(self, option.name, tuple(value))
            elif not (is_number(value) if kind is float else type(value) is kind):
                wanted = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a word"}[kind]
                raise InvalidInput(f"{option.name} must be {wanted}, got {value!r}")


def is_number(value: object) -> bool:
    """Whether it is a finite int or float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def reduction(config: TrainConfig, progress: float, smallest: int) -> int:
    """By how much pictures are halved (0, 1, 2 times) at `progress`; never below 64 pixels on the shorter side."""
    if not config.progressive:
        return 0
    halvings = 2 if progress < 0.1 else 1 if progress < 0.3 else 0
    while halvings and smallest >> halvings < 64:
        halvings -= 1
    return halvings


def sh_degree(config: TrainConfig, progress: float) -> int:
    """Harmonics open one degree at a time over the first half of the run."""
    return min(config.sh_degree, int(progress * 2 * (config.sh_degree + 1)))


def means_rate(config: TrainConfig, extent: float, progress: float) -> float:
    """The learning rate of the means, in the digits of float32; it decays exponentially (Kerbl et al. 2023)."""
    return float(np.float32(config.means_rate * extent * config.means_rate_decay**progress))


def learning_rates(config: TrainConfig, splats: Splats, extent: float, progress: float) -> dict[str, Tensor]:
    """A rate for every value of a row of each field."""

    def rates(value: float, count: int) -> Tensor:
        return splats.means.new_full((count,), value)

    harmonics = rates(config.sh_rate / 20, splats.sh_coeffs[0].numel())
    harmonics[:3] = config.sh_rate
    return {
        "means": rates(means_rate(config, extent, progress), 3),
        "quats": rates(config.quats_rate, 4),
        "log_scales": rates(config.scales_rate, 3),
        "logit_opacities": rates(config.opacities_rate, 1),
        "sh_coeffs": harmonics,
        "wave_frequencies": rates(config.frequency_rate * 0.1**progress, splats.wave_frequencies[0].numel()),
        "wave_weights": rates(config.weight_rate * 0.1**progress, splats.wave_weights[0].numel()),
    }
