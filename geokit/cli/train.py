"""geokit train, with one sub-command a task."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from geokit.cli.options import Debug, Switch


def _defaults_to(value: str, metavar: str = "N") -> Any:
    """An option that is None when it is not given: the default then is that of the settings, or of the resumed run."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {value})")


@dataclass(kw_only=True)
class Training:
    """What all trainings are told."""

    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder for the results: results.json, curve.png, network.safetensors, and what --resume needs."""
    cpu_seconds: Annotated[float | None, _defaults_to("none", "SECONDS")] = None
    """End after this many seconds in training steps, by all threads and over all sittings, whatever the epochs. The
    learning rate follows the clock then, so that such a run is not reproducible."""
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
        from geokit.pipelines.train_nbody import train_nbody

        return _run(self, train_nbody, _nbody_rows)


@dataclass(kw_only=True)
class PointClouds(Training):
    """Learn sixteen classes of generated shapes from upright point clouds, and test on rotated ones."""

    pose: Annotated[Literal["upright", "turned", "rotated"] | None, _defaults_to("turned", "POSE")] = None
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
        from geokit.pipelines.train_pointclouds import train_pointclouds

        return _run(self, train_pointclouds, _pointcloud_rows)


@dataclass(kw_only=True)
class AffNist(Training):
    """Learn digits from upright ones, and test on digits under affine maps that were never seen."""

    data: Annotated[Path | None, _defaults_to("of the run with --resume", "FILE")] = None
    """The mnist.npz that Keras distributes: arrays x_train, y_train, x_test, y_test."""
    network: Annotated[Literal["canonical", "sampled"] | None, _defaults_to("canonical", "KIND")] = None
    """canonical: images in the frame of their moments, then convolutions on the circle. sampled: convolutions over
    sampled group elements, slower and less exact."""
    group: Annotated[Literal["gl", "sl", "cso", "so"] | None, _defaults_to("gl", "GROUP")] = None
    """Linear maps to be invariant to: all that keep the orientation, those that keep areas, rotations with scale, or
    rotations."""
    precision: Annotated[Literal["float32", "bfloat16"] | None, _defaults_to("float32", "TYPE")] = None
    """Of the convolutions in training; bfloat16 is faster on processors that have it, such as those with AMX."""
    digits: Annotated[int | None, _defaults_to("50000")] = None
    """Training digits."""
    epochs: Annotated[int | None, _defaults_to("8, or what --cpu-seconds allows")] = None
    """Passes over the training data."""
    batch: Annotated[int | None, _defaults_to("64")] = None
    """Digits a step."""
    rate: Annotated[float | None, _defaults_to("0.003", "RATE")] = None
    """The largest learning rate."""

    def run(self) -> int:
        """Train, then say how good it is."""
        from geokit.pipelines.train_affnist import train_affnist

        return _run(self, train_affnist, _affnist_rows)


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


def _run(task: Training, train: Any, rows: Any) -> int:
    from geokit.cli.pipes import printing
    from geokit.cli.progress import shown_progress

    with shown_progress(quiet=task.json) as observer:
        results = train(**task.options(), observer=observer)
    with printing():
        if task.json:
            import json

            print(json.dumps(results, indent=1))
        else:
            _print_results(results, rows(results["test"]), task.output)
    return 0


def _nbody_rows(test: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("test error", f"{test['mse']:.4f}  mean squared error of a coordinate, over {test['samples']:,} samples"),
        ("to compare", f"{test['mse_straight_on']:.4f} if particles went straight on"),
        ("", f"{test['mse_where_they_are']:.4f} if they stayed where they are"),
        ("equivariance", f"{test['equivariance_error']:.1e}  change under a rotation and a shift, of the motion"),
    ]


def _pointcloud_rows(test: dict[str, Any]) -> list[tuple[str, str]]:
    upright, rotated = test["upright"], test["rotated"]
    hardest = sorted(test["classes"].items(), key=lambda item: item[1]["rotated"])[:3]
    return [
        ("test accuracy", f"{upright:.1%} of {test['clouds']:,} upright clouds, {len(test['classes'])} classes"),
        ("", f"{rotated:.1%} of the same clouds in any orientation"),
        ("drop", f"{100 * (upright - rotated):.1f} points"),
        *(
            ("hardest" if i == 0 else "", f"{name}: {c['rotated']:.0%}" + (f", else {c['else']}" if c["else"] else ""))
            for i, (name, c) in enumerate(hardest)
        ),
    ]


_LAWS = {
    "centered": "as they are",
    "affnist": "turned by up to 20 degrees, sheared, stretched and moved as in affNIST",
    "wide": "in any pose, half to twice the size, sheared by up to 0.5",
    "wide_noisy": "the same with background noise of 0.05",
    "stretched": "in any pose, each axis half to twice as long",
}


def _affnist_rows(test: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for law, ways in test["laws"].items():
        shares = ", ".join(f"{share:.1%} ({way})" if len(ways) > 1 else f"{share:.1%}" for way, share in ways.items())
        rows.append(("" if rows else "test accuracy", f"{shares}\n{_LAWS[law]}"))
    return [*rows, ("", f"over {test['digits']:,} digits")]


def _print_results(results: dict[str, Any], rows: list[tuple[str, str]], output: Path) -> None:
    from geokit.cli.report import console, size, table
    from geokit.pipelines.train_folder import TrainFolder

    folder, selected = TrainFolder(output), results["selected"]
    out = console()
    out.print()
    out.print(
        table(
            [
                *rows,
                ("network", f"{results['parameters']:,} parameters, those of epoch {selected['epoch']:.0f}"),
                (
                    "training",
                    f"{results['epochs']:.0f} epochs, {results['steps']:,} steps, {results['seconds']:.0f} s "
                    f"({results['cpu_seconds']:.0f} CPU s, {results['cpu_milliseconds_per_step']:.0f} ms a step)",
                ),
                ("memory", f"{size(results['peak_memory_bytes'])} at most"),
                ("weights", str(folder.network)),
                ("curve", str(folder.picture)),
                ("figures", str(folder.results)),
            ]
        )
    )
