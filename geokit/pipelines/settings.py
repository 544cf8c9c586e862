"""What a run was made with: the capture, how it was read, and the training options; kept in config.yaml."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.io.safe import atomic_write, read_bytes
from geokit.splatting import TrainConfig
from geokit.splatting.schedule import is_number

TRAINING_OPTIONS = tuple(option.name for option in fields(TrainConfig))


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on beside the files of the capture; the fields are those of `reconstruct`."""

    capture: Path
    downscale: float = 1
    test_every: int = 8
    test_images: tuple[str, ...] | None = None
    time_limit: float | None = None
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.capture, Path) or not isinstance(self.train, TrainConfig):
            raise InvalidInput(f"capture must be a Path, train a TrainConfig; got {self.capture!r} and {self.train!r}")
        if self.time_limit is not None and not (is_number(self.time_limit) and self.time_limit > 0):
            raise InvalidInput(f"time_limit must be a positive number of seconds, got {self.time_limit!r}")
        if not (is_number(self.downscale) and self.downscale >= 1):
            raise InvalidInput(f"downscale must be a number of at least 1, got {self.downscale!r}")
        if type(self.test_every) is not int:
            raise InvalidInput(f"test_every must be a whole number, got {self.test_every!r}")
        images = self.test_images
        if images is not None:
            if not isinstance(images, list | tuple) or not all(isinstance(name, str) for name in images):
                raise InvalidInput(f"test_images must be names of photographs, got {images!r}")
            object.__setattr__(self, "test_images", tuple(images))

    def with_options(self, given: Mapping[str, Any]) -> "Settings":
        """The same settings with the options that are given (by field name, those of `TrainConfig` among them)."""
        train = {name: value for name, value in given.items() if name in TRAINING_OPTIONS}
        other = {name: value for name, value in given.items() if name not in TRAINING_OPTIONS}
        self._refuse_unknown(given)
        return replace(self, **other, train=replace(self.train, **train))

    def _refuse_unknown(self, given: Mapping[str, Any]) -> None:
        unknown = set(given) - set(TRAINING_OPTIONS) - {option.name for option in fields(self)}
        if unknown:
            raise InvalidInput(f"reconstruct has no option {sorted(unknown)[0]!r}; see TrainConfig for what there is")

    def refuse_changes(self, given: Mapping[str, Any], config_file: Path) -> None:
        """Raise `InvalidInput` when an option that is given differs from these settings (the time limit may)."""
        self._refuse_unknown(given)
        now = asdict(self) | asdict(self.train)
        for name, option in given.items():
            value = tuple(option) if isinstance(option, list) else option
            if name == "time_limit" or now[name] == value:
                continue
            if name == "capture":
                raise InvalidInput(
                    f"the run in {config_file.parent} was made from {self.capture}, not {value}; name that capture "
                    f"(or, if it was moved, correct its path in {config_file}), or begin anew with --overwrite"
                )
            why = " (the schedules follow it)" if name == "steps" else ""
            raise InvalidInput(
                f"the run in {config_file.parent} was begun with {name} = {shown(now[name])}, which cannot become "
                f"{shown(value)} on the way{why}; leave that option out to go on, or begin anew with --overwrite"
            )


def shown(value: Any) -> str:
    """An option as a user writes it."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def save_settings(path: Path, settings: Settings) -> None:
    """Write config.yaml, atomically."""
    values = asdict(settings) | {"capture": str(settings.capture)}
    values["test_images"] = None if settings.test_images is None else list(settings.test_images)
    values["train"] = {k: list(v) if isinstance(v, tuple) else v for k, v in values["train"].items()}
    text = "# What this run was made with; `geokit reconstruct ... --resume` goes on by it.\n"
    text += yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    with atomic_write(path) as file:
        file.write(text.encode())


def load_settings(path: Path) -> Settings:
    """Read config.yaml; `UnreadableFile` when it is not one of geokit's."""
    try:
        values = yaml.safe_load(read_bytes(path, "config.yaml of a run").decode())
        train = TrainConfig(**values.pop("train"))
        return Settings(capture=Path(values.pop("capture")), train=train, **values)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UnreadableFile(
            f"{path} is not the config.yaml of a run of this version of geokit ({type(error).__name__}: {reason}); "
            "restore it or begin anew with --overwrite"
        ) from (error if not isinstance(error, GeokitError) else None)
