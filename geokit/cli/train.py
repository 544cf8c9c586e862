"""geokit train, with one sub-command a task."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from geokit.cli.options import Debug, Switch


def _defaults_to(value: str, metavar: str = "N", help: str | None = None) -> Any:
    """An option that is None when it is not given: the default then is that of the settings, or of the resumed run.

    help: what is longer than one line of a docstring, whose breaks would be kept.
    """
    return tyro.conf.arg(metavar=metavar, help=help, help_behavior_hint=f"(default: {value})")


# A word as it was typed, even "None": the settings say which words there are.
_WORD = PrimitiveConstructorSpec(
    nargs=1,
    metavar="WORD",
    instance_from_str=lambda words: words[0],
    is_instance=lambda word: word is None or isinstance(word, str),
    str_from_instance=lambda word: [str(word)],
)


@dataclass(kw_only=True)
class Training:
    """What all trainings are told."""

    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder for the results: results.json, curve.png, network.safetensors, and what --resume needs."""
    cpu_seconds: Annotated[
        float | None,
        _defaults_to(
            "none",
            "SECONDS",
            "End after this many seconds in training steps, by all threads and over all sittings, whatever the epochs. "
            "What is done before training, validation and tests come on top. The learning rate follows the clock, so "
            "that such a run is not reproducible.",
        ),
    ] = None
    seed: Annotated[int | None, _defaults_to("0")] = None
    """Seed of all random numbers."""
    resume: Switch = False
    """Go on with the run in DIR, by the options that it was begun with."""
    overwrite: Switch = False
    """Replace the run in DIR."""
    json: Switch = False
    """Print the results as JSON, for other programs."""
    debug: Debug = False

    def options(self) -> dict[str, Any]:
        """What the pipeline is told."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("json", "debug")}


@dataclass(kw_only=True)
class NBody(Training):
    """Learn where five charged particles will be, and compare with the obvious guesses."""

    data: Annotated[Path | None, _defaults_to("simulated in 15 s, kept as DIR/nbody.npz", "FILE")] = None
    """A .npz file of samples, such as an earlier run made."""
    epochs: Annotated[int | None, _defaults_to("100, or what --cpu-seconds allows")] = None
    """Passes over the training data."""
    batch: Annotated[int | None, _defaults_to("50")] = None
    """Samples a step."""
    rate: Annotated[float | None, _defaults_to("0.003", "RATE")] = None
    """The largest learning rate."""
    hidden: Annotated[int | None, _defaults_to("48")] = None
    """Channels of the network."""
    layers: Annotated[int | None, _defaults_to("4")] = None
    """Layers of the network."""

    def run(self) -> int:
        """Train, then say how good it is."""
        from geokit.cli.train_report import show_nbody
        from geokit.pipelines.train_nbody import train_nbody

        return _run(self, "nbody", train_nbody, show_nbody)


@dataclass(kw_only=True)
class PointClouds(Training):
    """Learn sixteen classes of generated shapes from upright point clouds, and test on rotated ones."""

    pose: Annotated[str | None, _WORD, _defaults_to("turned", "{upright,turned,rotated}")] = None
    """Of the training clouds: upright, turned about the vertical at random, or rotated at random."""
    train: Annotated[int | None, _defaults_to("200")] = None
    """Training clouds of each class."""
    points: Annotated[int | None, _defaults_to("256")] = None
    """Points of a cloud."""
    neighbors: Annotated[int | None, _defaults_to("12")] = None
    """Nearest points that a point hears, itself included."""
    epochs: Annotated[int | None, _defaults_to("10, or what --cpu-seconds allows")] = None
    """Passes over the training data."""
    batch: Annotated[int | None, _defaults_to("32")] = None
    """Clouds a step."""
    rate: Annotated[float | None, _defaults_to("0.004", "RATE")] = None
    """The largest learning rate."""
    hidden: Annotated[int | None, _defaults_to("32")] = None
    """Channels of the network."""
    layers: Annotated[int | None, _defaults_to("2")] = None
    """Layers of the network."""

    def run(self) -> int:
        """Train, then say how good it is."""
        from geokit.cli.train_report import show_pointclouds
        from geokit.pipelines.train_pointclouds import train_pointclouds

        return _run(self, "pointclouds", train_pointclouds, show_pointclouds)


@dataclass(kw_only=True)
class AffNist(Training):
    """Learn digits from upright ones, and test on digits under affine maps that were never seen."""

    data: Annotated[Path | None, _defaults_to("of the run with --resume", "FILE")] = None
    """The mnist.npz that Keras distributes (arrays x_train, y_train, x_test, y_test), wherever it is now."""
    network: Annotated[
        str | None,
        _WORD,
        _defaults_to(
            "canonical",
            "{canonical,sampled}",
            "canonical: images in the frame of their moments, then convolutions on the circle. sampled: convolutions "
            "over sampled group elements; slower (18 ms and more an image) and less exact.",
        ),
    ] = None
    group: Annotated[
        str | None,
        _WORD,
        _defaults_to(
            "gl",
            "{gl,sl,cso,so}",
            "Linear maps to be invariant to. gl: all that keep the orientation. sl: those that keep areas. cso: "
            "rotations with scale. so: rotations.",
        ),
    ] = None
    precision: Annotated[str | None, _WORD, _defaults_to("float32", "{float32,bfloat16}")] = None
    """Of the convolutions in training; bfloat16 is faster on processors that have it, such as those with AMX."""
    digits: Annotated[int | None, _defaults_to("50000")] = None
    """Training digits."""
    epochs: Annotated[int | None, _defaults_to("8, or what --cpu-seconds allows")] = None
    """Passes over the training data."""
    batch: Annotated[int | None, _defaults_to("64")] = None
    """Digits a step."""
    rate: Annotated[float | None, _defaults_to("0.003", "RATE")] = None
    """The largest learning rate."""
    valid: Annotated[int | None, _defaults_to("2000, sampled: 100")] = None
    """Digits that weights are selected by, each moved by two laws."""
    evaluations: Annotated[int | None, _defaults_to("20, sampled: 4")] = None
    """How often to validate, from beginning to end."""
    test: Annotated[int | None, _defaults_to("10000, sampled: 500")] = None
    """Test digits, each shown centered and moved by four laws."""

    def run(self) -> int:
        """Train, then say how good it is."""
        from geokit.cli.train_report import show_affnist
        from geokit.pipelines.train_affnist import train_affnist

        return _run(self, "affnist", train_affnist, show_affnist)


@dataclass
class Train:
    """Train an equivariant network on a task, and say how well it does."""

    task: Annotated[
        Annotated[NBody, tyro.conf.subcommand("nbody", prefix_name=False)]
        | Annotated[PointClouds, tyro.conf.subcommand("pointclouds", prefix_name=False)]
        | Annotated[AffNist, tyro.conf.subcommand("affnist", prefix_name=False)],
        tyro.conf.arg(name=""),
    ]
    debug: bool = field(init=False)

    def __post_init__(self) -> None:
        self.debug = self.task.debug

    def run(self) -> int:
        """Do the task."""
        return self.task.run()


def _run(task: Training, kind: str, train: Any, show: Any) -> int:
    """Train, and show the results: with `show`, or as JSON. kind: the name of the task."""
    from geokit.cli.pipes import printing
    from geokit.cli.progress import shown_progress
    from geokit.pipelines.train_folder import TrainFolder
    from geokit.pipelines.train_run import told_when_stopped

    folder = TrainFolder(task.output)
    with told_when_stopped(folder, kind, task.resume), shown_progress(quiet=task.json) as observer:
        results = train(**task.options(), observer=observer)
    with printing():
        if task.json:
            import json

            print(json.dumps(results, indent=1))
        else:
            show(results, folder)
    return 0
