"""What `geokit train` prints at its end."""

from typing import Any

from geokit.cli.report import columns, console, size, table
from geokit.pipelines.train_folder import TrainFolder

Rows = list[tuple[str, str]]
_LAWS = {
    "centered": "not at all",
    "affnist": "a little, by the law of affNIST",
    "wide": "any rotation, size 0.5 to 2, shear 0.5",
    "wide_noisy": "the same, with noise of 0.05",
    "stretched": "any rotation, each axis 0.5 to 2",
}
_WAYS = {
    "any pose": "every rotation is as likely as another",
    "learned poses": "how likely each rotation is was learned from the test images, without their labels",
    "upright": "digits are taken to stand upright, up to 45 degrees",
}


def show_nbody(results: dict[str, Any], folder: TrainFolder) -> None:
    """How far predicted particles are off."""
    test = results["test"]
    _show(
        [
            ("test error", f"{test['mse']:.4f}  mean squared error of a coordinate, over {test['samples']:,} samples"),
            ("to compare", f"{test['mse_straight_on']:.4f} if particles went straight on"),
            ("", f"{test['mse_where_they_are']:.4f} if they stayed where they are"),
            ("equivariance", f"{test['equivariance_error']:.1e}  change under a rotation and a shift, of the motion"),
        ],
        results,
        folder,
    )


def show_pointclouds(results: dict[str, Any], folder: TrainFolder) -> None:
    """How many shapes are told right, upright and rotated."""
    test = results["test"]
    upright, rotated = test["upright"], test["rotated"]
    hardest = sorted(test["classes"].items(), key=lambda item: item[1]["rotated"])[:3]
    rows = [
        ("test accuracy", f"{upright:.1%} of {test['clouds']:,} upright clouds, {len(test['classes'])} classes"),
        ("", f"{rotated:.1%} of the same clouds in any orientation"),
        ("drop", f"{100 * (upright - rotated):.1f} points"),
    ]
    for i, (name, shares) in enumerate(hardest):
        other = f", else {shares['else']}" if shares["else"] else ""
        rows.append(("" if i else "hardest", f"{name}: {shares['rotated']:.0%}{other}"))
    _show(rows, results, folder)


def show_affnist(results: dict[str, Any], folder: TrainFolder) -> None:
    """How many digits are told right, for each law of moving them and each way of asking."""
    test = results["test"]
    ways = list(next(iter(test["laws"].values())))
    out = console()
    out.print(f"\nTest accuracy over {test['digits']:,} digits, in % told right:\n")
    lines = [(_LAWS[law], *(f"{100 * shares[way]:.1f}" for way in ways)) for law, shares in test["laws"].items()]
    out.print(columns(("digits are moved", *ways), lines))
    if len(ways) > 1:
        out.print()
        out.print(table([(way, _WAYS[way]) for way in ways]))
    seconds = results["preparation_cpu_seconds"]
    costs = [("preparation", f"canonical images: {seconds:.1f} CPU s, not counted above")]
    _show([], results, folder, costs if results["settings"]["network"] == "canonical" else [])


def _show(rows: Rows, results: dict[str, Any], folder: TrainFolder, costs: Rows | None = None) -> None:
    """A table of `rows`, what training took, what came on top (`costs`), and where the files are."""
    selected = results["selected"]
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
                *(costs or []),
                ("memory", f"{size(results['peak_memory_bytes'])} at most"),
                ("weights", str(folder.network)),
                ("curve", str(folder.picture)),
                ("figures", str(folder.results)),
            ]
        )
    )
