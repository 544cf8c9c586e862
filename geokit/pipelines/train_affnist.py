"""What digit is this, under an affine map? A network learns it from upright digits, and is tested on moved ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput
from geokit.pipelines.affine_digits import LAWS, moved_digits
from geokit.pipelines.affine_learners import CanonicalLearner, DirectLearner, Learner
from geokit.pipelines.digits import TRAIN, VALID, Digits, load_digits
from geokit.pipelines.observer import Observer
from geokit.pipelines.train_folder import TrainFolder
from geokit.pipelines.train_loop import Problem, TrainLoop
from geokit.pipelines.train_run import save_results, train
from geokit.pipelines.train_settings import TrainSettings

Kind = Literal["canonical", "sampled"]
GroupName = Literal["gl", "sl", "cso", "so"]
Precision = Literal["float32", "bfloat16"]
TEST_SEED, VALID_SEED = 2_000_003, 1_000_003  # of the moved digits: the same for every run
_JUDGED_BY = ("affnist", "wide")  # laws of the validation


@dataclass(frozen=True, kw_only=True)
class AffnistSettings(TrainSettings):
    """Options of `train_affnist`.

    network: "canonical" (`AffineConvNet`) or "sampled" (`GroupConvNet`). group: of linear maps that it is invariant to.
    digits: of the training set, the first so many. valid: digits of the validation set that weights are selected by,
    under the laws affnist and wide. test: digits of the test set. precision: of convolutions in training, "canonical"
    only; bfloat16 is faster on processors that have it.
    """

    usual_epochs: ClassVar[int] = 8

    batch: int = 64
    rate: float = 3e-3
    network: Kind = "canonical"
    group: GroupName = "gl"
    digits: int = TRAIN
    valid: int = 2000
    test: int = 10_000
    precision: Precision = "float32"
    data: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_whole("digits", 10, TRAIN)
        self.check_whole("valid", 10, VALID)
        self.check_whole("test", 10, 10_000)
        self.check_whole("batch", 2)
        for name, choices in (("network", Kind), ("group", GroupName), ("precision", Precision)):
            if getattr(self, name) not in get_args(choices):
                raise InvalidInput(f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}")
        if self.precision != "float32" and self.network != "canonical":
            raise InvalidInput("only the network canonical is trained in bfloat16; leave precision out")
        if self.data is None:
            raise InvalidInput("name the digits' file with --data: the mnist.npz that Keras distributes")


LearnerMaker = Callable[[AffnistSettings], Learner]


def make_learner(settings: AffnistSettings) -> Learner:
    """The network that `train_affnist` trains by default, and how."""
    from geokit.equivariant import lie

    group = {"gl": lie.GLPlus(2), "sl": lie.SL(2), "cso": lie.CSO(2), "so": lie.SO(2)}[settings.group]
    if settings.network == "canonical":
        return CanonicalLearner(lie.AffineConvNet(group), bfloat16=settings.precision == "bfloat16")
    return DirectLearner(lie.GroupConvNet(group))


def train_affnist(
    output: str | Path,
    *,
    learner: LearnerMaker = make_learner,
    resume: bool = False,
    overwrite: bool = False,
    observer: Observer | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Train a classifier on centred digits and write weights, curve and results into the folder `output`.

    options: fields of `AffnistSettings`, None for their defaults. resume, overwrite: of a run that is there. Returns
    what is in results.json; test: for every law of moving digits, the share of test digits that are told right by each
    way of asking. Raises as `load_digits`, `TrainFolder.open` and `train` do.
    """
    observer, folder = observer or Observer(), TrainFolder(Path(output))
    if options.get("data") is not None:
        options["data"] = str(options["data"])
    settings = folder.open(AffnistSettings, options, resume, overwrite)
    assert settings.data is not None
    splits = load_digits(settings.data)
    learned = splits["train"].first(settings.digits)
    valid = moved(splits["valid"].first(settings.valid), _JUDGED_BY, VALID_SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        made = learner(settings)
    images = learned.centered()
    prepared = made.prepare(images, observer)

    def loss(rows: Tensor) -> Tensor:
        return made.loss(prepared[rows], learned.labels[rows])

    def validate(candidate: nn.Module) -> float:
        """The mean over laws of the error by the better way of asking."""
        shares = accuracies(made, candidate, valid, splits["valid"].labels[: settings.valid])
        return 1 - sum(max(ways.values()) for ways in shares.values()) / len(shares)

    loop = TrainLoop(Problem(made.network, len(learned), loss, validate, "share of errors"), settings)
    train(loop, folder, "affnist", (images, learned.labels), resume, observer)
    observer.phase("Testing")
    test = splits["test"].first(settings.test)
    shares = accuracies(made, loop.averaged, moved(test, LAWS, TEST_SEED), test.labels)
    return save_results(loop, folder, "affnist", {"digits": len(test), "laws": shares})


def moved(digits: Digits, laws: Any, seed: int) -> dict[str, Tensor]:
    """The digits under maps of each law, beside the centred ones themselves where all laws are wanted."""
    images = {"centered": digits.centered()} if len(laws) == len(LAWS) else {}
    return images | {law: moved_digits(digits, law, seed) for law in laws}


def accuracies(
    learner: Learner, network: nn.Module, images: dict[str, Tensor], labels: Tensor
) -> dict[str, dict[str, float]]:
    """For each set of images (N, 1, H, W), the share that is told right by each way of asking."""
    return {
        law: {
            way: float((scores.argmax(1) == labels).double().mean())
            for way, scores in learner.scores(network, some).items()
        }
        for law, some in images.items()
    }
