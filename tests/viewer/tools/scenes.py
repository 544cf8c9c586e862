"""Small scenes for the tools, and clients that are not there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import trimesh
from geokit.viewer import Viewer
from geokit.viewer.layers.layer import Pick
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.tools.save import SaveTool

from geokit.geometry import Cameras, Mesh, PointCloud, Splats
from geokit.geometry.rotations import quaternion_from_matrix
from tests.viewer.browser import until


def ball(center: tuple[float, float, float] = (0.0, 0.0, 0.0), level: int = 3, radius: float = 1.0) -> Mesh:
    made = trimesh.creation.icosphere(level, radius)
    return Mesh(torch.tensor(made.vertices) + torch.tensor(center), torch.tensor(made.faces.astype(np.int64)))


def cloud(count: int = 2000, seed: int = 0, features: int = 0) -> PointCloud:
    g = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 3, generator=g, dtype=torch.float64) * 2 - 1
    more = torch.rand(count, features, generator=g, dtype=torch.float64) if features else None
    return PointCloud(points, torch.rand(count, 3, generator=g, dtype=torch.float64), features=more)


def splats(
    count: int = 200, seed: int = 0, degree: int = 3, waves: int = 2, dtype: torch.dtype = torch.float32
) -> Splats:
    g = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)

    return Splats(
        random(count, 3) * 0.4,
        random(count, 4),
        random(count, 3) * 0.3 - 2.3,
        random(count),
        random(count, (degree + 1) ** 2, 3) * 0.3,
        random(count, waves, 3) * 2,
        random(count, waves, 2) * 0.3,
    )


def client_of(viewer: Viewer, camera: Cameras) -> Any:
    """A client that sees through a camera of the world; what is sent to it is kept."""
    assert viewer.frame is not None
    wxyz, position = viewer.frame.pose_to_view(camera.world_to_camera[0])
    (width, height), focal = camera.sizes[0], float(camera.K[0, 1, 1])
    eye = SimpleNamespace(
        wxyz=wxyz,
        position=position,
        look_at=position + quaternion_axes(camera)[2],
        fov=2 * float(np.arctan(height / 2 / focal)),
        image_width=width,
        image_height=height,
    )
    client = SimpleNamespace(camera=eye, client_id=0, said=[], files=[])
    client.add_notification = lambda title, body, **_: client.said.append((title, body))
    client.send_file_download = lambda name, content, **_: client.files.append((name, content))
    return client


def quaternion_axes(camera: Cameras) -> np.ndarray:
    assert quaternion_from_matrix(camera.world_to_camera[:, :3, :3]).isfinite().all()
    return camera.world_to_camera[0, :3, :3].numpy()


def event(client: Any = None, **more: Any) -> Any:
    return SimpleNamespace(client=client, **more)


def pick_at(layer: Any, origin: tuple[float, float, float], direction: tuple[float, float, float]) -> Pick:
    unit = np.asarray(direction, float) / np.linalg.norm(direction)
    found = layer.pick(np.asarray(origin, float), unit)
    assert found is not None
    return found


def settled(viewer: Viewer, client: Any, width: int) -> bool:
    """Whether a page has told its size and stands where it should begin."""
    camera, first = client.camera, viewer.server.initial_camera
    return camera.image_width == width and np.allclose(camera.position, first.position, atol=1e-3)


def three_layers(viewer: Viewer) -> tuple[MeshLayer, PointsLayer, SplatsLayer]:
    layers = MeshLayer("ball", ball()), PointsLayer("cloud", cloud()), SplatsLayer("splats", splats())
    viewer.add(*layers)
    return layers


def press(tool: SaveTool, button: Any) -> None:
    """Click a button of the tab Save and wait until what it does is done."""
    button.value = True
    until(lambda: not tool._jobs.running, "it does not end", 20)
