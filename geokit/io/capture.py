"""A capture: posed photographs in any of the formats that people have, behind one face.

`load_capture` finds out which format it is, checks everything that can be checked without decoding pixels, and gives a
`Capture` with pinhole cameras at the wanted size. Pixels come later: `photograph(i)` decodes, removes the lens
distortion once at full resolution, and then averages down.
"""

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.geometry.cameras import Cameras
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.undistort import Lens, sampling_grid, undistort_image, undistorted_camera
from geokit.io.photographs import is_photograph, load_photograph, photograph_size
from geokit.io.views import Listing, View

_REDUCED = re.compile(r"images_\d+")  # the field's folders of reduced copies
_KEPT_GRIDS = 2
_SMALLEST = 8  # pixels on the shorter side


@dataclass
class Capture:
    """Posed photographs.

    root: the folder. kind: colmap, nerfstudio, blender or photographs. cameras: one pinhole camera a photograph, sorted
    by name, after undistortion and at the requested size. points: what the capture itself brings to start from. train,
    test: indices into `cameras`. messages: what a user should know, one sentence each. background: RGB in [0, 1]
    behind transparent photographs.
    """

    root: Path
    kind: str
    cameras: Cameras
    points: PointCloud | None
    train: list[int]
    test: list[int]
    messages: list[str]
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    views: tuple[View, ...] = ()
    _pixels: dict[int, Tensor] = field(default_factory=dict, repr=False)
    _grids: dict[Lens, Tensor] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.cameras)

    def __repr__(self) -> str:
        points = "no points" if self.points is None else f"{len(self.points):,} points"
        return f"Capture({self.kind}, {self.cameras!r}, {len(self.train)} train + {len(self.test)} test, {points})"

    def photograph(self, index: int, background: tuple[float, float, float] | None = None) -> Tensor:
        """Photograph `index` as its pinhole camera sees it: float32 (H, W, 3) in [0, 1].

        Decoded, undistorted and reduced at the first call, kept as bytes afterwards. Transparent pixels show
        `background` (RGB in [0, 1]; the capture's own when None). Raises `UnreadableFile` for a damaged photograph.
        """
        if index not in self._pixels:
            self._pixels[index] = self._decode(index)
        pixels = self._pixels[index].to(torch.float32).div_(255)
        if pixels.shape[2] == 3:
            return pixels
        behind = torch.tensor(self.background if background is None else background, dtype=torch.float32)
        return pixels[..., :3] + (1 - pixels[..., 3:]) * behind

    def alpha(self, index: int) -> Tensor | None:
        """The photograph's opacity, float32 (H, W) in [0, 1]; None when it has no transparency."""
        self.photograph(index)
        pixels = self._pixels[index]
        return pixels[..., 3].to(torch.float32).div_(255) if pixels.shape[2] == 4 else None

    def photographs(self, indices: Sequence[int], progress: Callable[[int, int], None] | None = None) -> None:
        """Decode the photographs `indices` ahead of time, two at once; `progress(done, total)` is called after each."""
        wanted = [i for i in dict.fromkeys(indices) if i not in self._pixels]
        pool = ThreadPoolExecutor(max_workers=2)
        try:
            for done, (i, pixels) in enumerate(zip(wanted, pool.map(self._decode, wanted)), start=1):
                self._pixels[i] = pixels
                if progress is not None:
                    progress(done, len(wanted))
        finally:  # after an error or Ctrl-C do not decode the rest first
            pool.shutdown(cancel_futures=True)
            self._grids.clear()

    def at_most(self, longest: int) -> "Capture":
        """The same capture with pictures whose longer side has at most `longest` pixels; nothing is decoded yet."""
        factors = [min(1.0, longest / max(size)) for size in self.cameras.sizes]
        sizes = [(max(1, round(w * f)), max(1, round(h * f))) for (w, h), f in zip(self.cameras.sizes, factors)]
        return replace(self, cameras=self.cameras.resized(sizes), _pixels={}, _grids={})

    def forget(self) -> None:
        """Give the memory of the decoded photographs back; they are decoded again when they are asked for."""
        self._pixels.clear()

    def _grid(self, index: int) -> Tensor | None:
        """Where to sample the photograph, None without distortion. Few are kept: each is as large as a photograph."""
        lens = self.views[index].lens
        if lens.pinhole:
            return None
        grid = self._grids.get(lens)
        if grid is None:
            grid = sampling_grid(lens, undistorted_camera(lens))
            if len(self._grids) >= _KEPT_GRIDS:
                self._grids.clear()
            self._grids[lens] = grid
        return grid

    def _decode(self, index: int) -> Tensor:
        """uint8 (h, w, 3), or (h, w, 4) with premultiplied alpha, at the camera's size."""
        view = self.views[index]
        size = (view.lens.width, view.lens.height)
        image = load_photograph(view.image, size)
        if image.shape[:2] != size[::-1]:
            raise UnreadableFile(f"{view.image} changed its size since the capture was opened; open the capture again")
        if image.shape[2] == 4:
            alpha = image[..., 3:].float()
            image = torch.cat([(image[..., :3] * (alpha / 255)).round().to(torch.uint8), image[..., 3:]], dim=2)
        grid = self._grid(index)
        if grid is not None:
            image = undistort_image(image, grid)
        return reduced(image, self.cameras.sizes[index])


def reduced(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A uint8 image (H, W, C) made smaller to (width, height), each channel on its own.

    The average over whole blocks of pixels where the sizes divide, else Lanczos (pillow's box filter aliases there).
    """
    height, width, channels = image.shape
    if (width, height) == size:
        return image
    by = (width // size[0], height // size[1])
    whole = (by[0] * size[0], by[1] * size[1]) == (width, height)
    parts = [image] if channels == 3 else [image[..., :3], image[..., 3]]
    small = []
    for part in parts:
        picture = Image.fromarray(part.contiguous().numpy())
        picture = picture.reduce(by) if whole else picture.resize(size, Image.Resampling.LANCZOS)
        small.append(torch.from_numpy(np.array(picture)).reshape(size[1], size[0], -1))
    return small[0] if len(small) == 1 else torch.cat(small, dim=2)


def load_capture(
    path: str | Path,
    downscale: float = 1,
    test_every: int = 8,
    test_images: Sequence[str] | None = None,
    workspace: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Capture:
    """Open a capture: a COLMAP, nerfstudio or Blender folder, a transforms.json, or a plain folder of photographs.

    downscale: divides the image size (a number >= 1; sizes are rounded). Test views: those named in `test_images`
    (name, path inside the capture or name without ending); else the capture's own split; else every `test_every`-th
    photograph sorted by name, beginning with the first (0: none).
    workspace: where structure-from-motion of a plain folder keeps its work, by default in the user's cache folder;
    progress: told in a few words what it is doing.

    Raises `UnreadableFile` for what is wrong with the files, `InvalidInput` for what is wrong with the arguments,
    `MissingDependency` where pycolmap is needed and missing.
    """
    path = Path(path)
    if not (math.isfinite(downscale) and downscale >= 1):
        raise InvalidInput(f"downscale must be a number of at least 1, got {downscale}")
    if test_every < 0 or test_every == 1:
        raise InvalidInput(
            f"test_every must be 0 (no test views) or at least 2, got {test_every}: nothing would be left to train on"
        )
    root, listing = _list(path, workspace, progress)
    views = sorted((_fitted(view) for view in listing.views), key=lambda view: view.name)
    _check_poses(views, listing)
    cameras = _cameras(views, listing, downscale)
    train, test = _split(cameras.names, listing, test_every, test_images)
    return Capture(
        root, listing.kind, cameras, listing.points, train, test, listing.messages, listing.background, tuple(views)
    )


def brings_poses(path: Path) -> bool:
    """Whether the folder holds poses in a format of captures; a plain folder of photographs does not."""
    from geokit.io.colmap import find_model

    listed = any((path / f"transforms{end}.json").is_file() for end in ("", "_train"))
    return listed or find_model(path) is not None


def _list(path: Path, workspace: str | Path | None, progress: Callable[[str], None] | None) -> tuple[Path, Listing]:
    """Which format is it? The capture folder and what its files list."""
    from geokit.io import blender, colmap, nerfstudio

    if path.is_file() and path.suffix == ".json":
        named = path.name.startswith("transforms_")
        return path.parent, blender.read_blender(path.parent) if named else nerfstudio.read_nerfstudio(path)
    if not path.is_dir():
        raise UnreadableFile(
            f"{path} is not a folder with a capture; name the folder that holds the photographs and their poses"
        )
    model = colmap.find_model(path)
    if model is not None and not (model.parent.parent.name == "colmap" and (path / "transforms.json").is_file()):
        root, images = colmap.find_images(path, model)
        return root, colmap.read_colmap(root, model, images)
    if (path / "transforms.json").is_file():
        return path, nerfstudio.read_nerfstudio(path / "transforms.json")
    if (path / "transforms_train.json").is_file():
        return path, blender.read_blender(path)
    photographs = path / "images" if (path / "images").is_dir() else path
    if any(is_photograph(file) for file in photographs.iterdir()):
        from geokit.io.structure_from_motion import reconstruct_poses

        return path, reconstruct_poses(photographs, workspace, progress)
    raise UnreadableFile(
        f"{path} holds no capture: no COLMAP model (sparse/0), no transforms.json, no transforms_train.json and no "
        "photographs"
    )


def _fitted(view: View) -> View:
    """The view with its lens at the size of the file; other sizes than the camera's are only known reduced copies."""
    lens = view.lens
    wanted = (lens.width, lens.height)
    size = photograph_size(view.image, wanted)
    if size == wanted:
        return view
    reduction = wanted[0] / size[0]
    same_shape = abs(wanted[1] / reduction - size[1]) <= 1
    if same_shape and any(_REDUCED.fullmatch(part) for part in Path(view.name).parts):
        return View(view.name, view.image, lens.resized(*size), view.world_to_camera)
    raise UnreadableFile(
        f"{view.image} is {size[0]}x{size[1]} pixels but its camera was calibrated for {wanted[0]}x{wanted[1]}; "
        "put the photograph of that size there or correct the camera"
    )


def _check_poses(views: list[View], listing: Listing) -> None:
    if len(views) < 2:
        raise UnreadableFile(
            f"{listing.source} gives {len(views)} photograph{'s' * (len(views) != 1)} with a pose; "
            "a reconstruction needs at least 2"
        )
    repeated = {view.name for view in views}
    if len(repeated) < len(views):
        twice = next(a.name for a, b in pairwise(views) if a.name == b.name)
        raise UnreadableFile(f"{listing.source} lists the photograph {twice!r} more than once; remove the repetition")
    poses = torch.stack([view.world_to_camera for view in views])
    size = float(poses[:, :3, 3].abs().max()) + 1e-12
    if float((poses - poses[0]).abs().max()) <= 1e-9 * size:
        raise UnreadableFile(
            f"{listing.source}: all {len(views)} cameras have the same pose; "
            "export the poses again, or move the camera between photographs"
        )
    centers = -(poses[:, :3, :3].transpose(1, 2) @ poses[:, :3, 3:])[..., 0]
    if float((centers - centers[0]).norm(dim=1).max()) <= 1e-9 * size:
        raise UnreadableFile(
            f"{listing.source}: all {len(views)} cameras stand at the same point, so that depth cannot be found; "
            "move the camera between photographs"
        )


def _cameras(views: list[View], listing: Listing, downscale: float) -> Cameras:
    pinhole: dict[Lens, Tensor] = {}
    for view in views:
        if view.lens not in pinhole:
            try:
                pinhole[view.lens] = undistorted_camera(view.lens)
            except GeokitError as error:
                raise UnreadableFile(f"{listing.source}: {error}") from error
    try:
        cameras = Cameras(
            torch.stack([view.world_to_camera for view in views]),
            torch.stack([pinhole[view.lens] for view in views]),
            tuple((view.lens.width, view.lens.height) for view in views),
            tuple(view.name for view in views),
        )
    except InvalidInput as error:
        raise UnreadableFile(f"{listing.source}: {error}") from error
    if downscale == 1:
        return cameras
    smaller = cameras.scaled(1 / downscale)
    least = min(min(size) for size in smaller.sizes)
    if least < min(_SMALLEST, min(min(size) for size in cameras.sizes)):
        raise InvalidInput(f"downscale {downscale:g} leaves pictures of only {least} pixels; choose a smaller number")
    return smaller


def _split(
    names: Sequence[str], listing: Listing, test_every: int, test_images: Sequence[str] | None
) -> tuple[list[int], list[int]]:
    """(train, test) indices."""
    if test_images is not None:
        chosen = set()
        for wanted in test_images:
            matches = [i for i, name in enumerate(names) if wanted in (name, Path(name).name, Path(name).stem)]
            if not matches:
                shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                raise InvalidInput(f"no photograph of the capture is called {wanted!r}; there are {shown}")
            chosen.update(matches)
        test = sorted(chosen)
    elif listing.test is not None:
        test = [i for i, name in enumerate(names) if name in listing.test]
    else:
        test = list(range(0, len(names), test_every)) if test_every else []
    held_out = set(test)
    train = [i for i in range(len(names)) if i not in held_out]
    if not train:
        raise InvalidInput(f"all {len(names)} photographs are test views; keep some for training")
    return train, test
