"""What a pipeline may write over."""

from pathlib import Path

from geokit.errors import InvalidInput


def check_free(output: Path, overwrite: bool) -> None:
    """Raises `InvalidInput` where `output` exists, unless it may be replaced."""
    if output.exists() and not overwrite:
        raise InvalidInput(f"{output} exists already; choose another name, or replace it with --overwrite")
