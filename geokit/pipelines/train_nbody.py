"""Where will charged particles be? A network learns it from simulations, and is compared with the obvious guesses."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from geokit.geometry.rotations import random_rotations
from geokit.pipelines.nbody_data import Particles, load_nbody, save_nbody
from geokit.pipelines.nbody_simulation import simulate_nbody
from geokit.pipelines.observer import Observer
from geokit.pipelines.train_folder import TrainFolder
from geokit.pipelines.train_loop import Problem, TrainLoop
from geokit.pipelines.train_run import save_results, train
from geokit.pipelines.train_settings import TrainSettings

_TOGETHER = 500  # samples that are predicted at once
_FARTHEST = 10.0  # of the shift that equivariance is measured with


@dataclass(frozen=True, kw_only=True)
class NBodySettings(TrainSettings):
    """Options of `train_nbody`. data: a .npz file of `load_nbody`; None: made in the output folder, in 15 seconds."""

    movable: ClassVar[tuple[str, ...]] = ("data",)

    data: str | None = None
    batch: int = 50
    rate: float = 3e-3
    weight_decay: float = 0.1
    average: float = 0.999
    hidden: int = 48
    layers: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_whole("hidden", 1)
        self.check_whole("layers", 1)


NetworkMaker = Callable[[NBodySettings], nn.Module]


def position_orientation(settings: NBodySettings) -> nn.Module:
    """The network that `train_nbody` trains by default."""
    from geokit.equivariant.position_orientation.nbody import NBodyNet

    return NBodyNet(hidden=settings.hidden, layers=settings.layers)


def train_nbody(
    output: str | Path,
    *,
    network: NetworkMaker = position_orientation,
    resume: bool = False,
    overwrite: bool = False,
    observer: Observer | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train a network on particles and write weights, curve and results into the folder `output`.

    network: makes what takes x0, v0 (B, 5, 3) and charges (B, 5) and gives x1 (B, 5, 3). options: fields of
    `NBodySettings`, None for their defaults. resume, overwrite: of a run that is there. Returns what is in
    results.json; test: mean squared errors, of the guesses that particles stay or go on as they move too, and the
    equivariance error. Raises as `TrainFolder.open`, `load_nbody` and `train` do.
    """
    observer, folder = observer or Observer(), TrainFolder(Path(output))
    if options.get("data") is not None:
        options["data"] = str(Path(options["data"]).expanduser().resolve())
    settings = folder.open(NBodySettings, options, resume, overwrite)
    splits = _particles(settings, folder, observer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = network(settings)
    learned, valid, test = splits["train"], splits["valid"], splits["test"]

    def loss(rows: Tensor) -> Tensor:
        return mse_loss(net(learned.x0[rows], learned.v0[rows], learned.charges[rows]), learned.x1[rows])

    def validate(candidate: nn.Module) -> float:
        return float(mse_loss(predict(candidate, valid), valid.x1))

    loop = TrainLoop(Problem(net, len(learned), loss, validate, "mean squared error"), settings)
    train(loop, folder, "nbody", (learned.x0, learned.x1, valid.x1), resume, observer)
    observer.phase("Testing")
    figures = {
        "mse": float(mse_loss(predict(loop.averaged, test), test.x1)),
        "mse_where_they_are": float(mse_loss(test.x0, test.x1)),
        "mse_straight_on": float(mse_loss(test.x0 + test.v0, test.x1)),
        "equivariance_error": equivariance_error(loop.averaged, test),
        "samples": len(test),
    }
    return save_results(loop, folder, "nbody", figures)


@torch.no_grad()
def predict(network: nn.Module, particles: Particles) -> Tensor:
    """(S, 5, 3) where the network says they will be."""
    inputs = zip(*(t.split(_TOGETHER) for t in (particles.x0, particles.v0, particles.charges)))
    return torch.cat([network(*some) for some in inputs])


def equivariance_error(network: nn.Module, particles: Particles, seed: int = 0) -> float:
    """How far predictions are from moving along when all is rotated and shifted, relative to the predicted motion.

    Root mean squares, over one random motion for each sample.
    """
    generator = torch.Generator().manual_seed(seed)
    turn = random_rotations(len(particles), generator=generator, dtype=torch.float32).mT
    shift = _FARTHEST * torch.randn(len(particles), 1, 3, generator=generator)
    moved = Particles(particles.x0 @ turn + shift, particles.v0 @ turn, particles.charges, particles.x1)
    still, after = predict(network, particles), predict(network, moved)
    difference = after - (still @ turn + shift)
    return float((difference.square().mean() / (still - particles.x0).square().mean()).sqrt())


def _particles(settings: NBodySettings, folder: TrainFolder, observer: Observer) -> dict[str, Particles]:
    if settings.data is not None:
        return load_nbody(settings.data)
    file = folder.root / "nbody.npz"
    if not file.is_file():
        save_nbody(file, simulate_nbody(observer=observer))
    return load_nbody(file)
