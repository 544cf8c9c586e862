"""What shape is this cloud of points? A network learns it from upright shapes, and is tested on rotated ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from geokit.errors import InvalidInput
from geokit.pipelines.observer import Observer
from geokit.pipelines.shape_clouds import POSES, LabelledClouds, Pose, shape_clouds
from geokit.pipelines.train_folder import TrainFolder
from geokit.pipelines.train_loop import Problem, TrainLoop
from geokit.pipelines.train_run import save_results, train
from geokit.pipelines.train_settings import LARGEST_SEED, TrainSettings

_TOGETHER = 32  # clouds that are classified at once
_FEWEST, _MOST = 16, 8192  # points
_APART = 100_003  # seeds of splits


@dataclass(frozen=True, kw_only=True)
class PointCloudSettings(TrainSettings):
    """Options of `train_pointclouds`.

    train, valid, test: clouds of each class. points: in a cloud. pose: of the training clouds, upright, turned at
    random about the vertical, or rotated. neighbors: the nearest points that a point hears.
    """

    usual_epochs: ClassVar[int] = 10

    batch: int = 32
    rate: float = 4e-3
    train: int = 200
    valid: int = 25
    test: int = 50
    points: int = 256
    pose: Pose = "turned"
    neighbors: int = 12
    hidden: int = 32
    layers: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("train", "valid", "test", "neighbors", "hidden", "layers"):
            self.check_whole(name, 1)
        self.check_whole("points", _FEWEST, _MOST)
        self.check_whole("batch", 2)
        if self.neighbors >= self.points:
            raise InvalidInput(f"neighbors must be fewer than points, got {self.neighbors} and {self.points}")
        if self.pose not in POSES:
            raise InvalidInput(f"pose must be {', '.join(POSES[:-1])} or {POSES[-1]}, got {self.pose!r}")


NetworkMaker = Callable[[PointCloudSettings, int], nn.Module]


def position_orientation(settings: PointCloudSettings, classes: int) -> nn.Module:
    """The network that `train_pointclouds` trains by default."""
    from geokit.equivariant.position_orientation.classifier import PointClassifier

    return PointClassifier(classes, settings.points, settings.neighbors, settings.hidden, settings.layers)


def train_pointclouds(
    output: str | Path,
    *,
    network: NetworkMaker = position_orientation,
    resume: bool = False,
    overwrite: bool = False,
    observer: Observer | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train a classifier on generated shapes and write weights, curve and results into the folder `output`.

    network: makes, for settings and a number of classes, what takes clouds (B, N, 3) and gives scores (B, classes).
    options: fields of `PointCloudSettings`, None for their defaults. resume, overwrite: of a run that is there.
    Returns what is in results.json; test: the shares of test clouds, upright and rotated, that are told right, of each
    class too, with what it is else taken for most often when rotated. Raises as `TrainFolder.open` and `train` do.
    """
    observer, folder = observer or Observer(), TrainFolder(Path(output))
    settings = folder.open(PointCloudSettings, options, resume, overwrite)
    learned, valid, test = make_clouds(settings, observer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = network(settings, len(learned.classes))

    def loss(rows: Tensor) -> Tensor:
        return cross_entropy(net(learned.points[rows]), learned.labels[rows])

    def validate(candidate: nn.Module) -> float:
        return 1 - accuracy(predict(candidate, valid.points), valid.labels)

    loop = TrainLoop(Problem(net, len(learned), loss, validate, "share of errors"), settings)
    train(loop, folder, "pointclouds", (learned.points, learned.labels, valid.points), resume, observer)
    observer.phase("Testing")
    return save_results(loop, folder, "pointclouds", tested(loop.averaged, test, settings.seed))


def make_clouds(settings: PointCloudSettings, observer: Observer) -> tuple[LabelledClouds, ...]:
    """Clouds for training, validation and test; those for the test upright but turned about the vertical."""
    made = []
    for number, (count, pose) in enumerate(
        [(settings.train, settings.pose), (settings.valid, settings.pose), (settings.test, "turned")]
    ):
        seed = (settings.seed + _APART * number) % LARGEST_SEED
        made.append(shape_clouds(count, settings.points, seed=seed, pose=pose, observer=observer))
    return tuple(made)


def tested(network: nn.Module, clouds: LabelledClouds, seed: int) -> dict[str, Any]:
    """Figures of a network on upright clouds, and on the same ones rotated at random."""
    upright = predict(network, clouds.points)
    rotated = predict(network, clouds.posed("rotated", seed).points)
    share = {name: accuracy(scores, clouds.labels) for name, scores in (("upright", upright), ("rotated", rotated))}
    classes: dict[str, dict[str, Any]] = {}
    for label, name in enumerate(clouds.classes):
        own = clouds.labels == label
        taken = rotated[own].argmax(1).bincount(minlength=len(clouds.classes))
        taken[label] = 0
        classes[name] = {
            "upright": accuracy(upright[own], clouds.labels[own]),
            "rotated": accuracy(rotated[own], clouds.labels[own]),
            "else": clouds.classes[int(taken.argmax())] if int(taken.max()) else None,
        }
    return share | {
        "largest_change_of_a_score": float((rotated - upright).abs().max()),
        "clouds": len(clouds),
        "classes": classes,
    }


@torch.no_grad()
def predict(network: nn.Module, points: Tensor) -> Tensor:
    """(B, classes) scores of clouds (B, N, 3)."""
    return torch.cat([network(some) for some in points.split(_TOGETHER)])


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """The share of clouds whose largest score is that of their label."""
    return float((scores.argmax(1) == labels).double().mean())
