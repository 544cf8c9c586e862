"""What the readers of capture formats hand to `geokit.io.capture`: photographs with lens and pose, not yet decoded."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from geokit.errors import UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.undistort import Lens


@dataclass(frozen=True)
class View:
    """One posed photograph.

    name: its path inside the capture, with forward slashes. image: the file. lens: intrinsics at the size for which
    the camera was calibrated. world_to_camera: (4, 4) float64, OpenCV axes.
    """

    name: str
    image: Path
    lens: Lens
    world_to_camera: Tensor


@dataclass
class Listing:
    """A capture as its files list it.

    source: the file or folder that holds the poses, for messages. test: the names of the views that the capture itself
    keeps for testing, None when it has no split of its own. background: what transparent photographs stand on.
    """

    kind: str
    source: Path
    views: list[View]
    points: PointCloud | None = None
    test: frozenset[str] | None = None
    messages: list[str] = field(default_factory=list)
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)


def say_missing(listing: Listing, missing: list[str], listed: int) -> None:
    """Add the message about frames without a file; `UnreadableFile` when none is left."""
    if not missing:
        return
    if not listing.views:
        raise UnreadableFile(
            f"{listing.source} lists {listed} photographs, but no file is there (the first is {missing[0]!r}); "
            "copy the photographs into the capture folder"
        )
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    listing.messages.append(
        f"{len(missing)} of {listed} frames listed in {listing.source.name} have no file ({shown}); "
        f"going on with {listed - len(missing)}"
    )
