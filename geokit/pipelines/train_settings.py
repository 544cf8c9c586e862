"""How long and how fast a network is trained: the options that all trainings share."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

from geokit.errors import InvalidInput

LARGEST_SEED = 2**31 - 1
Settings = TypeVar("Settings", bound="TrainSettings")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Options of a training run. Raises `InvalidInput` for what cannot be.

    epochs: passes over the training data (`usual_epochs`, or as many as fit in cpu_seconds). cpu_seconds: spent in
    training steps, by all threads, over all sittings; the schedule follows them, so that such a run is not
    reproducible. With both, what is reached first ends the run. batch: samples a step. rate: the largest learning rate,
    reached after the share `warm_up` of the run, then falling as a cosine. average: of the running mean of the weights,
    which is what is validated and kept, the weight of the past. clip: the largest norm of a gradient. evaluations: how
    often to validate. `movable` names the options that a resumed run may change: places of what the checkpoint is bound
    to by its content.
    """

    usual_epochs: ClassVar[int] = 100
    movable: ClassVar[tuple[str, ...]] = ()

    epochs: int | None = None
    cpu_seconds: float | None = None
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.05
    average: float = 0.995
    clip: float = 1.0
    evaluations: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is None and self.cpu_seconds is None:
            object.__setattr__(self, "epochs", self.usual_epochs)
        for name in ("epochs", "batch", "evaluations"):
            self.check_whole(name, 1)
        self.check_whole("seed", 0, LARGEST_SEED)
        self.check_number("cpu_seconds", 0, math.inf, above=True)
        self.check_number("rate", 0, 1, above=True)
        self.check_number("weight_decay", 0, 1)
        self.check_number("warm_up", 0, 0.9)
        self.check_number("average", 0, 0.99999)
        self.check_number("clip", 0, math.inf, above=True)

    def check_whole(self, name: str, least: int, most: int | None = None) -> None:
        """Raise `InvalidInput` unless an option is a whole number in these bounds, or None."""
        value = getattr(self, name)
        if value is None:
            return
        if type(value) is not int or value < least or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"{least} to {most}"
            raise InvalidInput(f"{name} must be a whole number, {bounds}, got {value!r}")

    def check_number(self, name: str, least: float, most: float, above: bool = False) -> None:
        """Raise `InvalidInput` unless an option is a number in these bounds (above: more than the least), or None."""
        value = getattr(self, name)
        if value is None:
            return
        number = type(value) in (int, float) and math.isfinite(value)
        if not number or not least <= value <= most or (above and value == least):
            lower = f"above {least:g}" if above else f"at least {least:g}"
            upper = "" if most == math.inf else f" and at most {most:g}"
            raise InvalidInput(f"{name} must be a number {lower}{upper}, got {value!r}")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def settings_of(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """Settings with the options that are given, those that are None left out. `InvalidInput` for unknown ones."""
    _refuse_unknown(kind, given)
    return kind(**{name: value for name, value in given.items() if value is not None})


def resumed(settings: Settings, given: Mapping[str, Any], where: object) -> Settings:
    """Settings of the run begun in `where`, with the options that are given, not None, and `movable`.

    Raises `InvalidInput` for options that there are not, and where another one differs from that of the run.
    """
    _refuse_unknown(type(settings), given)
    moved = {name: value for name, value in given.items() if name in settings.movable and value is not None}
    for name, value in given.items():
        before = getattr(settings, name)
        if value is not None and value != before and name not in moved:
            raise InvalidInput(
                f"the run in {where} was begun with {name} = {before}, which cannot become {value} on the way; leave "
                "that option out to go on, or begin anew with --overwrite"
            )
    return replace(settings, **moved)


def _refuse_unknown(kind: type[TrainSettings], given: Mapping[str, Any]) -> None:
    names = {field.name for field in fields(kind)}
    unknown = sorted(set(given) - names)
    if unknown:
        raise InvalidInput(f"there is no option {unknown[0]!r}; choose among {', '.join(sorted(names))}")
