"""Splat scenes: anisotropic 3D Gaussians, optionally carrying Gabor waves."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_one_device, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.bounds import describe_bounds

SH_C0 = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))
_NO_WAVES: Any = None  # left out: the constructor puts tensors of K = 0 waves in its place


@dataclass(frozen=True)
class Splats:
    """N primitives in the capture's own frame and length unit.

    means: (N, 3). quats: (N, 4), (w, x, y, z), of any non-zero length. log_scales: (N, 3), natural logarithm of the
    standard deviations. logit_opacities: (N,). sh_coeffs: (N, B, 3), B = 1, 4, 9 or 16 real spherical harmonics per
    colour channel; colour = max(0, 0.5 + sum_b sh_b Y_b(direction)).

    Gabor waves (K per primitive, K = 0 for plain Gaussians), with x = X - mean:
    density(X) = exp(-x' S^-1 x / 2) [1 + sum_k a_k cos(2 pi f_k . x) + b_k sin(2 pi f_k . x)].
    wave_frequencies: (N, K, 3), f_k in cycles per unit length, in world axes.
    wave_weights: (N, K, 2), the pair (a_k, b_k): weight hypot(a, b), phase atan2(-b, a); or (N, K, 2, 3), one pair a
    colour channel.
    """

    means: Tensor
    quats: Tensor
    log_scales: Tensor
    logit_opacities: Tensor
    sh_coeffs: Tensor
    wave_frequencies: Tensor = _NO_WAVES
    wave_weights: Tensor = _NO_WAVES

    def __post_init__(self) -> None:
        n = len(self.means)
        if self.wave_frequencies is None:
            object.__setattr__(self, "wave_frequencies", self.means.new_zeros(n, 0, 3))
        if self.wave_weights is None:
            object.__setattr__(self, "wave_weights", self.means.new_zeros(n, 0, 2))
        dtype = self.means.dtype
        check_one_device(**self.tensors())
        check_tensor("means", self.means, ("N", 3), FLOATS)
        check_tensor("quats", self.quats, (n, 4), dtype)
        check_tensor("log_scales", self.log_scales, (n, 3), dtype)
        check_tensor("logit_opacities", self.logit_opacities, (n,), dtype)
        check_tensor("sh_coeffs", self.sh_coeffs, (n, "B", 3), dtype)
        basis = self.sh_coeffs.shape[1]
        if basis not in (1, 4, 9, 16):
            raise InvalidInput(f"sh_coeffs must hold 1, 4, 9 or 16 coefficients a channel, got {basis}")
        check_tensor("wave_frequencies", self.wave_frequencies, (n, "K", 3), dtype)
        per_channel = (3,) if self.wave_weights.dim() == 4 else ()
        check_tensor("wave_weights", self.wave_weights, (n, self.waves, 2, *per_channel), dtype)

    def __len__(self) -> int:
        return len(self.means)

    def __repr__(self) -> str:
        kind = f"Gabor, {self.waves} waves" if self.waves else "Gaussian"
        if not len(self):
            return f"Splats(empty, {kind})"
        return f"Splats({len(self):,} {kind}, SH degree {self.sh_degree}, {describe_bounds(self.means)})"

    @property
    def waves(self) -> int:
        """K, the number of waves a primitive carries."""
        return self.wave_frequencies.shape[1]

    @property
    def sh_degree(self) -> int:
        """Degree 0 to 3 of the spherical harmonics."""
        return int(self.sh_coeffs.shape[1] ** 0.5) - 1

    @property
    def parameters(self) -> int:
        """Number of stored floats, every one counted."""
        return sum(t.numel() for t in self.tensors().values())

    def tensors(self) -> dict[str, Tensor]:
        """The fields by name, in declaration order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def map(self, function) -> "Splats":  # type: ignore[no-untyped-def]
        """`function` applied to every tensor."""
        return Splats(**{name: function(t) for name, t in self.tensors().items()})

    def to(self, target: torch.device | torch.dtype | str) -> "Splats":
        """The same splats on another device or with another float dtype."""
        return self.map(lambda t: t.to(target))

    def __getitem__(self, index: Tensor | slice) -> "Splats":
        return self.map(lambda t: t[index])

    def replace(self, **changes: Tensor) -> "Splats":
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def truncated_sh(self, degree: int) -> "Splats":
        """The same splats with spherical harmonics cut to `degree`."""
        return replace(self, sh_coeffs=self.sh_coeffs[:, : (degree + 1) ** 2])
