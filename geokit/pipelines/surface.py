"""A mesh from points, or from a splat scene and its cameras."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from geokit.backend.device_choice import chosen_device
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry import Cameras, PointCloud, Splats
from geokit.geometry.fusion import DepthView, fuse_depth, suggested_voxel, without_specks
from geokit.geometry.mesh import Mesh
from geokit.geometry.poisson import TRIM, poisson_surface
from geokit.geometry.simplify import simplify
from geokit.geometry.topology import topology
from geokit.io.meshes import save_mesh
from geokit.io.safe import existing_file
from geokit.io.shapes import load_shape
from geokit.pipelines.camera_files import named_cameras
from geokit.pipelines.gpu_memory import memory_explained
from geokit.pipelines.observer import Observer
from geokit.pipelines.outputs import check_free
from geokit.pipelines.run_folder import RunFolder, scene_file
from geokit.pipelines.settings import load_settings
from geokit.splatting import render

_COVERED = 0.5  # a pixel has a depth where at least so much of its light is stopped
MESH_ENDINGS = (".ply", ".obj", ".stl", ".off", ".glb")


@dataclass(frozen=True)
class Surface:
    """A mesh that was made: how (poisson or fusion), from how many points or views, in how many seconds."""

    mesh: Mesh
    method: str
    inputs: int
    seconds: float
    watertight: bool
    output: Path


def make_surface(
    source: str | Path,
    output: str | Path,
    *,
    cameras: str | Path | Cameras | None = None,
    depth: int | None = None,
    trim: float | None = None,
    denoise: bool | None = None,
    voxel: float | None = None,
    faces: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Surface:
    """Write the surface of `source` as a mesh, its format by the ending of `output`.

    source: a file of points, which become a surface by `poisson_surface` (depth, trim and denoise are its options); or
    a folder that geokit reconstruct made, or a splat file with `cameras`, of which depth maps are fused
    (`surface_from_splats`; voxel is its option, and device, as for `reconstruct`, says where they are rendered).
    faces: simplify to so many.

    Raises `InvalidInput` for options that cannot be and where `output` exists, unless `overwrite`; `UnreadableFile`;
    `MissingDependency` without Open3D; `NumericalFailure` where no surface comes out.
    """
    observer, source, output, began = observer or Observer(), Path(source), Path(output), time.monotonic()
    if output.suffix.lower() not in MESH_ENDINGS:
        raise InvalidInput(f"{output} does not end like a mesh; the formats are {', '.join(MESH_ENDINGS)}")
    check_free(output, overwrite)
    if faces is not None and faces < 4:
        raise InvalidInput(f"--faces must be at least 4, got {faces}")
    place = chosen_device(device or "auto")
    observer.phase("Opening the input")
    scene = load_shape(scene_file(source)) if source.is_dir() else load_shape(existing_file(source, "file of points"))
    if isinstance(scene, Mesh):
        raise InvalidInput(
            f"{source} is a mesh already, of {len(scene):,} faces; to make its surface anew, sample points from it "
            "(geokit.geometry.sample_surface) and name their file"
        )
    splats = isinstance(scene, Splats)
    _refuse_options(
        {"--voxel": voxel, "--cameras": cameras, "--device": device}
        if not splats
        else {"--depth": depth, "--trim": trim, "--no-denoise": denoise},
        "splats" if not splats else "points",
    )
    if isinstance(scene, PointCloud):
        observer.phase(f"A surface through {len(scene):,} points")
        mesh = poisson_surface(scene, depth, TRIM if trim is None else trim, denoise)
        method, inputs = "poisson", len(scene)
    else:
        views, settings = _cameras_of(source, cameras)
        with memory_explained(place, lambda: "for the depth of this scene; take --device cpu"):
            mesh = surface_from_splats(scene.to(place), views, voxel, antialiased=settings, observer=observer)
        method, inputs = "fusion", len(views)
    if faces is not None and faces < len(mesh):
        observer.phase(f"Simplifying {len(mesh):,} faces")
        mesh = simplify(mesh, faces)
    observer.phase(f"Writing {output}")
    output.parent.mkdir(parents=True, exist_ok=True)
    save_mesh(output, mesh)
    return Surface(mesh, method, inputs, time.monotonic() - began, topology(mesh).watertight, output)


def surface_from_splats(
    splats: Splats,
    cameras: Cameras,
    voxel: float | None = None,
    *,
    antialiased: bool = False,
    observer: Observer | None = None,
) -> Mesh:
    """The coloured surface of a splat scene, fused from its depth in the cameras that it was trained on; on the CPU.

    The depth of a pixel is that of the splat that stops half of its light; pixels that stop less have none. voxel:
    None takes that of `suggested_voxel`. Pieces of less than 1 % of the largest one's area are left out.
    """
    observer = observer or Observer()
    if not len(splats) or not len(cameras):
        raise InvalidInput(f"a surface needs splats and cameras, got {len(splats)} splats and {len(cameras)} cameras")
    stride = max(1, len(cameras) // 16)
    probes = list(range(0, len(cameras), stride))
    shown = [view.depth for view in _depth_views(splats, cameras[probes], antialiased, None)]
    suggested, furthest = suggested_voxel(cameras[probes], shown)
    views = _depth_views(splats, cameras, antialiased, observer)
    mesh = fuse_depth(cameras, views, voxel or suggested, furthest=furthest, least_views=min(2, len(cameras)))
    mesh = without_specks(mesh)
    if not len(mesh):
        raise NumericalFailure("the scene shows no surface to its cameras; train it longer")
    return mesh


def splat_depth(splats: Splats, camera: Cameras, antialiased: bool = False) -> tuple[Tensor, Tensor]:
    """Depth (H, W), 0 where less than half of the light is stopped, and colours (H, W, 3) that one camera sees.

    Both on the splats' device.
    """
    with torch.no_grad():
        seen = render(splats, camera.to(splats.means.device), depth=True, antialiased=antialiased)
    assert seen.median_depth is not None
    colors = seen.image / seen.alpha.clamp_min(1e-3)[..., None]
    return torch.where(seen.alpha > _COVERED, seen.median_depth, 0.0), colors.clamp(0, 1)


def _depth_views(splats: Splats, cameras: Cameras, antialiased: bool, observer: Observer | None) -> Iterator[DepthView]:
    for i in range(len(cameras)):
        depth, colors = splat_depth(splats, cameras[i], antialiased)
        yield DepthView(depth.cpu(), colors.cpu())
        if observer:
            observer.count("Fusing depth", i + 1, len(cameras))


def _cameras_of(source: Path, cameras: str | Path | Cameras | None) -> tuple[Cameras, bool]:
    """The cameras to look from, and whether the scene is rendered antialiased."""
    config = RunFolder(source if source.is_dir() else source.parent).config
    settings = load_settings(config) if config.is_file() else None
    antialiased = settings.train.antialiased if settings else False
    if isinstance(cameras, Cameras):
        return cameras, antialiased
    if cameras is None and settings is None:
        raise InvalidInput(
            f"{source} holds splats, whose surface is seen from cameras: name the folder that geokit reconstruct made, "
            "or a capture or a .json file with --cameras"
        )
    return named_cameras(cameras or "train", settings), antialiased


def _refuse_options(options: dict[str, object], kind: str) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InvalidInput(f"{given[0]} is for {kind}, which the input is not; leave it out")
