"""The prior as a file, and the one that comes with geokit."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from geokit.errors import UnreadableFile
from geokit.io.checkpoints import load_checkpoint, save_checkpoint
from geokit.spectral.prior.diffusion import DiffusionPrior
from geokit.spectral.prior.gaussian import GaussianPrior

SHIPPED = "functional_maps.safetensors"


@dataclass(frozen=True)
class Prior:
    """What was learned of |C| (K, K): a Gaussian and a diffusion model on top of it; `about` says from what."""

    gaussian: GaussianPrior
    diffusion: DiffusionPrior
    about: dict[str, Any]


def save_prior(path: str | Path, diffusion: DiffusionPrior, about: dict[str, Any]) -> None:
    """Write the model with its Gaussian as one safetensors file. `about`: plain JSON values."""
    gaussian = diffusion.gaussian
    tensors = {f"network.{name}": value for name, value in diffusion.network.state_dict().items()}
    tensors |= {f"gaussian.{name}": getattr(gaussian, name) for name in ("mean", "variances", "directions")}
    save_checkpoint(path, tensors, {"options": diffusion.options, "about": about})


def load_prior(path: str | Path | None = None) -> Prior:
    """The prior in a file that `save_prior` wrote, or the one that comes with geokit (30 x 30).

    That one was trained by scenes/spectral_prior on shapes made from nothing and on freely licensed meshes.
    Raises `UnreadableFile` for anything else.
    """
    return _shipped() if path is None else _read(path)


@cache
def _shipped() -> Prior:
    return _read(Path(str(files("geokit.spectral.prior") / SHIPPED)))


def _read(path: str | Path) -> Prior:
    tensors, metadata = load_checkpoint(path)
    try:
        gaussian = GaussianPrior(*(tensors[f"gaussian.{name}"] for name in ("mean", "variances", "directions")))
        diffusion = DiffusionPrior(gaussian, **metadata["options"])
        start = "network."
        diffusion.network.load_state_dict({n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)})
        about = metadata["about"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableFile(f"{path} is no prior of functional maps ({error}); write one with save_prior") from error
    return Prior(gaussian, diffusion.eval().requires_grad_(False), about)
