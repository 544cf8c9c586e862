"""What digit is this, under an affine map? A network learns it from upright digits, and is tested on moved ones."""

import os
import time
from collections.abc import Callable, Iterable
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
_USUAL = {"valid": 2000, "test": 10_000, "evaluations": 20}
_USUAL_SAMPLED = {"valid": 100, "test": 500, "evaluations": 4}  # which takes 18 ms for an image
_BY_NETWORK: Any = None  # one of both, put there by __post_init__


@dataclass(frozen=True, kw_only=True)
class AffnistSettings(TrainSettings):
    """Options of `train_affnist`.

    network: "canonical" (`AffineConvNet`) or "sampled" (`GroupConvNet`). group: of linear maps that it is invariant to.
    digits: of the training set, the first so many. valid: digits of the validation set that weights are selected by,
    under the laws affnist and wide. test: digits of the test set. By default these are 2000 and 10,000 with 20
    evaluations, of a sampled network 100 and 500 with 4. precision: of convolutions in training, "canonical" only;
    bfloat16 is faster on processors that have it. data: the file of `load_digits`.
    """

    usual_epochs: ClassVar[int] = 8
    movable: ClassVar[tuple[str, ...]] = ("data",)

    batch: int = 64
    rate: float = 3e-3
    network: Kind = "canonical"
    group: GroupName = "gl"
    digits: int = TRAIN
    valid: int = _BY_NETWORK
    test: int = _BY_NETWORK
    evaluations: int = _BY_NETWORK
    precision: Precision = "float32"
    data: str | None = None

    def __post_init__(self) -> None:
        for name, usual in (_USUAL_SAMPLED if self.network == "sampled" else _USUAL).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)
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
        if not isinstance(self.data, str):
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
        options["data"] = str(Path(os.path.expanduser(options["data"])).resolve())
    settings = folder.open(AffnistSettings, options, resume, overwrite)
    assert settings.data is not None
    if resume and options.get("data") is None and not Path(settings.data).is_file():
        raise InvalidInput(
            f"the run in {folder.root} was begun with the digits {settings.data}, which are not there; say with --data "
            "where they are now"
        )
    splits = load_digits(settings.data)
    learned, judges = splits["train"].first(settings.digits), splits["valid"].first(settings.valid)
    valid = moved(judges, _JUDGED_BY, VALID_SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        made = learner(settings)
    images = learned.centered()
    started = time.process_time()
    prepared = made.prepare(images, observer)
    preparation = time.process_time() - started

    def loss(rows: Tensor) -> Tensor:
        return made.loss(prepared[rows], learned.labels[rows])

    def validate(candidate: nn.Module) -> float:
        """The mean over laws of the error by the better way of asking."""
        shares = accuracies(made, candidate, valid, judges.labels)
        return 1 - sum(max(ways.values()) for ways in shares.values()) / len(shares)

    loop = TrainLoop(Problem(made.network, len(learned), loss, validate, "share of errors"), settings)
    bound = (images, learned.labels, judges.images, judges.labels)
    train(loop, folder, "affnist", bound, resume, observer)
    test = splits["test"].first(settings.test)
    observer.phase("Testing")
    shares = accuracies(made, loop.averaged, moved(test, ("centered", *LAWS), TEST_SEED), test.labels, observer)
    return save_results(loop, folder, "affnist", {"digits": len(test), "laws": shares}, preparation)


def moved(digits: Digits, laws: Iterable[str], seed: int) -> dict[str, Tensor]:
    """The digits under maps of each law; "centered" leaves them as they are."""
    return {law: digits.centered() if law == "centered" else moved_digits(digits, law, seed) for law in laws}


def accuracies(
    learner: Learner,
    network: nn.Module,
    images: dict[str, Tensor],
    labels: Tensor,
    observer: Observer | None = None,
) -> dict[str, dict[str, float]]:
    """For each set of images (N, 1, H, W), the share that is told right by each way of asking."""
    shares: dict[str, dict[str, float]] = {}
    for law, some in images.items():

        def tell(done: int, before: int = len(shares) * len(labels)) -> None:
            if observer is not None:
                observer.count("Testing", before + done, len(images) * len(labels))

        scores = learner.scores(network, some, tell)
        shares[law] = {way: float((of.argmax(1) == labels).double().mean()) for way, of in scores.items()}
    return shares
