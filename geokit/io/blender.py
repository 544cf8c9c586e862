"""Blender / NeRF-synthetic captures: `transforms_train.json` beside `transforms_test.json` and `transforms_val.json`.

`camera_angle_x` in radians, OpenGL camera-to-world matrices, file names without an ending, RGBA photographs that stand
on white unless another background is asked for.
"""

from pathlib import Path

from geokit.io.nerfstudio import read_frames, read_transforms
from geokit.io.views import Listing, say_missing


def read_blender(root: Path) -> Listing:
    """The photographs of the files; those of `test` (or, without it, `val`) are the capture's own test views."""
    train = root / "transforms_train.json"
    listing = Listing("blender", train, [])
    listed = read_transforms(train)
    missing = read_frames(train, listed, listing)
    total = len(listed["frames"])
    trained = len(listing.views)
    tests = [root / name for name in ("transforms_test.json", "transforms_val.json") if (root / name).is_file()]
    if tests:
        listed = read_transforms(tests[0])
        missing += read_frames(tests[0], listed, listing)
        total += len(listed["frames"])
        listing.test = frozenset(view.name for view in listing.views[trained:])
    say_missing(listing, missing, total)
    return listing
